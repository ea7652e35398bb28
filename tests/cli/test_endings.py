"""How a render ends: what its last lines, its JSON, its exit code and the command it runs say of it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from renderer.cli.exit_codes import EXIT_DEADLINE, EXIT_FAULTS, EXIT_FINE, EXIT_INTERRUPTED
from renderer.cli.main import run
from renderer.cli.summary import exit_code, print_summary
from renderer.errors import StageError
from renderer.pipeline.refused_specs import RefusedSpec
from renderer.pipeline.run_stats import TakeFailure
from renderer.pipeline.stop import Stop, StopCause
from renderer.pipeline.summary import Summary
from renderer.plan.jobs import Plan
from tests.cli.test_render_command import GOOD, renderer

NOON = datetime(2026, 11, 30, 12, 0).astimezone()
FAILURE = TakeFailure(
    take="night.s2", stage="latents", error=StageError("numbers overflow", why="float16"), place="specs/night.toml:9"
)
REFUSED = RefusedSpec(
    file=Path("specs/broken.toml"), line=3, column=7, code="bpm-range", message="`bpm` is 400", num_faults=2
)


def summary(**fields: object) -> Summary:
    nothing: dict[str, object] = dict.fromkeys(("rendered", "restored", "retagged", "kept", "failures"), ())
    plan = Plan(takes=(), groups=())
    return Summary(**{"plan": plan, "outputs": Path("outputs"), "seconds": 1.0, **nothing, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, EXIT_FINE),
        ({"failures": (FAILURE,)}, EXIT_FAULTS),
        ({"refused": (REFUSED,)}, EXIT_FAULTS),
        ({"stopped": StopCause.UNTIL}, EXIT_DEADLINE),
        ({"stopped": StopCause.UNTIL, "failures": (FAILURE,)}, EXIT_FAULTS),
        ({"stopped": StopCause.UNTIL, "refused": (REFUSED,)}, EXIT_FAULTS),
        ({"stopped": StopCause.SIGNAL}, EXIT_INTERRUPTED),
        ({"stopped": StopCause.SIGNAL, "failures": (FAILURE,)}, EXIT_INTERRUPTED),
    ],
)
def test_an_exit_code_tells_the_worst_of_it(fields: dict[str, object], code: int) -> None:
    assert exit_code(summary(**fields)) == code


def test_the_last_lines_name_what_failed_and_what_was_refused(capsys: pytest.CaptureFixture[str]) -> None:
    ended = summary(rendered=("night.s1",), failures=(FAILURE,), refused=(REFUSED,), loads={"lm": 1})

    print_summary(ended, Path("outputs/report/index.html"), Path("no/worker.log"))

    assert capsys.readouterr().out.splitlines() == [
        "1 rendered, 1 failed, 1 spec refused in 1.0 s",
        "loads: lm 1×; song by song it would have been 0",
        "listen: outputs/report/index.html",
        "failed night.s2 in latents: numbers overflow",
        "  --> specs/night.toml:9",
        "  = why: float16",
        "refused specs/broken.toml: `bpm` is 400 (and 1 more)",
        "  --> specs/broken.toml:3:7",
    ]


def test_a_stopped_run_says_what_it_left_and_compares_nothing() -> None:
    stopped = summary(
        stopped=StopCause.UNTIL, stop_reason="at 07:00 as asked", kept_results={"LM": 12}, loads={"lm": 1},
        loads_song_by_song={"lm": 60},
    )  # fmt: skip

    headline, loads, outputs = str(stopped).splitlines()

    assert headline == "stopped at 07:00 as asked: 0 of 0 takes in 1.0 s, 12 LM results kept; run again to go on"
    assert loads == "loads: lm 1×"
    assert outputs == "takes in outputs"


def test_a_wish_to_stop_knows_its_cause() -> None:
    now = [NOON - timedelta(seconds=5)]
    stop = Stop(NOON, clock=lambda: now[0])
    assert (bool(stop), stop.cause, stop.seconds_left) == (False, None, 5.0)

    now[0] = NOON
    assert (stop.cause, stop.reason) == (StopCause.UNTIL, "at 12:00 as asked")

    stop.now("by Ctrl-C")
    assert (stop.cause, stop.reason) == (StopCause.SIGNAL, "by Ctrl-C")


@pytest.mark.parametrize(
    ("command", "words"),
    [("no-such-program-here", "there is no program"), ("sh 'x", "is no command"), ("", "names no command")],
)
def test_a_command_for_the_end_that_cannot_be_is_refused_before_the_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(["render", "--on-end", command]) == 2
    assert words in capsys.readouterr().err


@pytest.fixture
def project(tmp_path: Path, tiny_set: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "renderer.toml").write_text(f'model = "{tiny_set}"\n[inference]\nuse_cot_caption = false\n', "utf-8")
    (tmp_path / "specs" / "good.toml").write_text(GOOD.format(duration=10), "utf-8")
    (tmp_path / "specs" / "broken.toml").write_text('title = "x"\ncaption = 7\nlyrics = "[verse]\\nla"\n', "utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_refused_spec_is_told_in_the_summary_the_json_and_to_the_command_at_the_end(project: Path) -> None:
    keep = project / "keep.py"
    keep.write_text(
        "import sys\nopen('summary.json', 'w').write(sys.stdin.read())\nprint('said')\nsys.exit(7)\n", "utf-8"
    )

    done = renderer(
        project, "render", "--keep-going", "--json", "--no-measure", "--threads", "1", "--on-end",
        f"{sys.executable} keep.py",
    )  # fmt: skip

    document = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert document["rendered"] == ["good.s1"]
    (refused,) = document["refused"]
    assert (refused["file"], refused["line"]) == ("specs/broken.toml", 2)
    assert json.loads((project / "summary.json").read_text("utf-8")) == document
    assert "said" in done.stderr
    assert "keep.py` failed" in done.stderr
    ended = next(line for line in _journal(project) if line["event"] == "run-ended")
    assert list(ended["refused"]) == ["specs/broken.toml:2:11"]


@pytest.mark.slow
def test_a_deadline_that_has_passed_ends_with_its_own_code_and_starts_nothing(project: Path) -> None:
    (project / "specs" / "broken.toml").unlink()
    code = (
        "import sys\nfrom datetime import datetime, timedelta\nfrom renderer.cli import options\n"
        "options.Clock.convert = lambda *_: datetime.now().astimezone() - timedelta(seconds=1)\n"
        "from renderer.cli.main import run\nsys.exit(run(sys.argv[1:]))\n"
    )
    (project / "late.py").write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, "late.py", "render", "--until", "07:00", "--no-measure"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3, done.stderr
    assert "stopped at " in done.stdout
    assert "0 of 1 takes" in done.stdout
    assert "nothing to do" not in done.stdout


@pytest.mark.slow
def test_a_plan_tells_how_many_waves_a_deadline_makes(project: Path) -> None:
    (project / "specs" / "broken.toml").unlink()
    song = project / "specs" / "good.toml"
    song.write_text(song.read_text("utf-8").replace("seeds = [1]", "seeds = [1, 2, 3, 4, 5, 6, 7, 8]"), "utf-8")

    said = renderer(project, "plan", "--until", "07:00", "--lm-slots", "4").stdout
    document = json.loads(renderer(project, "plan", "--until", "07:00", "--lm-slots", "4", "--json").stdout)

    assert "until 07:00: in waves of whole takes, the first of 4" in said
    assert document["waves"]["first"] == 4
    assert document["waves"]["at_most_about"] >= 2


def _journal(project: Path) -> list[dict[str, object]]:
    text = (project / "outputs" / ".store" / "journal.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]
