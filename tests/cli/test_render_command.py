"""`renderer render` and `renderer plan` as a user's terminal sees them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from renderer.cli.main import run
from tests.patience import PATIENCE_SECONDS
from tests.stages import STAGES, from_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

BROKEN = """
titel = "x"
title = ""
caption = 7
lyrics = "[verse]\\nla"
seeds = [1, 1]
[metas]
bpm = 400
[inference]
shift = nan
"""
GOOD = """
title = "[bold]Eins[/x] \\u001b[31m"
caption = "calm piano"
lyrics = "[verse]\\nla la"
seeds = [1]
[metas]
bpm = 90
duration = {duration}
"""


def renderer(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "renderer", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "80"},
    )


@pytest.fixture
def project(tmp_path: Path, tiny_set: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "renderer.toml").write_text(f'model = "{tiny_set}"\n[inference]\nuse_cot_caption = false\n', "utf-8")
    return tmp_path


@pytest.mark.slow
def test_all_faults_are_told_in_one_go_and_nothing_is_written(project: Path) -> None:
    (project / "specs" / "broken.toml").write_text(BROKEN, "utf-8")

    done = renderer(project, "render")

    assert done.returncode == 2
    for place in (
        "broken.toml:2:",
        "broken.toml:3:",
        "broken.toml:4:",
        "broken.toml:6:",
        "broken.toml:8:",
        "broken.toml:10:",
    ):
        assert place in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "outputs").exists()


@pytest.mark.slow
def test_a_song_renders_and_a_program_can_read_what_happened(project: Path) -> None:
    (project / "specs" / "eins.toml").write_text(GOOD.format(duration=10), "utf-8")

    planned = json.loads(renderer(project, "plan", "--json").stdout)
    done = renderer(project, "render", "--json", "--threads", "1")

    assert [take["runs"] for take in planned["takes"]] == [[*STAGES]]
    assert (done.returncode, json.loads(done.stdout)["rendered"]) == (0, ["eins.s1"])
    assert (project / "outputs" / "report" / "index.html").exists()
    assert "\x1b" not in done.stderr
    assert "\nmeasuring 1 sound\n" in done.stderr, "the wait after the last take is told of"


@pytest.fixture
def decoding(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A render of a long song whose codes are being decoded."""
    (project / "specs" / "eins.toml").write_text(GOOD.format(duration=240), "utf-8")
    log = project / "log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "renderer", "render", "--threads", "1", "--no-measure"],
            cwd=project,
            stdout=written,
            stderr=written,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    try:
        wait_until(lambda: '"job-done"' in journal(project) or process.poll() is not None)
        assert process.poll() is None, log.read_text("utf-8")
        yield process
    finally:
        process.kill()
        process.wait()


def journal(project: Path) -> str:
    try:
        return (project / "outputs" / ".store" / "journal.jsonl").read_text("utf-8")
    except OSError:
        return ""


def wait_until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_ctrl_c_stops_at_the_next_token(project: Path, decoding: subprocess.Popen[str]) -> None:
    decoding.send_signal(signal.SIGINT)

    assert decoding.wait(timeout=PATIENCE_SECONDS) == 130
    told = (project / "log").read_text("utf-8")
    assert "stopping at the next token, step or tile (again to stop at once)" in told
    assert "\nstopped by Ctrl-C: 0 of 1 takes" in told
    assert "1 LM result kept; run again to go on" in told
    assert "nothing to do" not in told
    assert "song by song" not in told
    assert "Traceback" not in told
    # The chain of thought was done and stays; of 1,200 codes none is kept.
    assert journal(project).count('"job-done"') == 1
    assert '"stopped": true' in journal(project)


@pytest.fixture
def heard_hangups() -> Iterator[None]:
    """Tests that run under nohup would hand down that hangups are ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
@pytest.mark.usefixtures("heard_hangups")
@pytest.mark.parametrize("times", [1, 3])
def test_a_hangup_stops_at_the_next_token_however_often_it_is_told(
    project: Path, decoding: subprocess.Popen[str], times: int
) -> None:
    for _ in range(times):  # a shell tells it, and so does the system
        decoding.send_signal(signal.SIGHUP)
        time.sleep(0.05)

    assert decoding.wait(timeout=PATIENCE_SECONDS) == 130
    told = (project / "log").read_text("utf-8")
    assert "\nstopped as its terminal went away: 0 of 1 takes" in told
    assert "Traceback" not in told
    assert '"stopped": true' in journal(project)


RENDER = [sys.executable, "-m", "renderer", "render", "--threads", "1", "--no-measure"]


@pytest.mark.slow
@pytest.mark.usefixtures("heard_hangups")
def test_a_terminal_that_goes_away_stops_the_run_as_ctrl_c_does(project: Path) -> None:
    (project / "specs" / "lang.toml").write_text(GOOD.format(duration=240), "utf-8")
    master, slave = pty.openpty()

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    rendering = subprocess.Popen(
        RENDER,
        cwd=project,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=own_terminal,  # noqa: PLW1509 - no thread runs yet
        env=environment,
    )
    os.close(slave)
    reader = threading.Thread(target=_read_all, args=(master,), daemon=True)
    reader.start()
    try:
        wait_until(lambda: '"job-done"' in journal(project) or rendering.poll() is not None)
        assert rendering.poll() is None
        os.close(master)
        assert rendering.wait(timeout=PATIENCE_SECONDS) == 130
    finally:
        rendering.kill()
        rendering.wait()
    assert '"stopped": true' in journal(project)


def _read_all(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, 1024):
            pass


@pytest.mark.slow
def test_a_hangup_that_is_to_be_ignored_is(project: Path) -> None:
    (project / "specs" / "eins.toml").write_text(GOOD.format(duration=10), "utf-8")
    log = project / "log"
    with log.open("w") as written:
        ignoring = subprocess.Popen(
            ["nohup", *RENDER],
            cwd=project,
            stdout=written,
            stderr=written,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    try:
        wait_until(lambda: '"job-done"' in journal(project) or ignoring.poll() is not None)
        ignoring.send_signal(signal.SIGHUP)
        assert ignoring.wait(timeout=PATIENCE_SECONDS) == 0, log.read_text("utf-8")
    finally:
        ignoring.kill()
        ignoring.wait()
    assert '"stopped": false' in journal(project)


@pytest.mark.slow
def test_ctrl_c_again_stops_at_once_whatever_the_worker_does(project: Path, decoding: subprocess.Popen[str]) -> None:
    (worker,) = psutil.Process(decoding.pid).children()
    worker.suspend()
    decoding.send_signal(signal.SIGINT)
    wait_until(lambda: "again to stop at once" in (project / "log").read_text("utf-8"))
    assert decoding.poll() is None

    decoding.send_signal(signal.SIGINT)

    assert decoding.wait(timeout=PATIENCE_SECONDS) == 130
    assert (project / "log").read_text("utf-8").splitlines()[-1] == "interrupted"
    assert not psutil.wait_procs([worker], timeout=PATIENCE_SECONDS)[1]
    again = json.loads(renderer(project, "plan", "--json").stdout)
    assert again["takes"][0]["runs"] == [*from_stage("codes")]


@pytest.mark.slow
def test_an_unknown_name_gets_a_suggestion(project: Path) -> None:
    (project / "specs" / "eins.toml").write_text(GOOD.format(duration=10), "utf-8")

    done = renderer(project, "render", "einz")

    assert done.returncode == 2
    assert "did you mean `eins`" in done.stderr


@pytest.mark.slow
def test_a_text_that_was_cut_gets_a_line_at_the_end(project: Path) -> None:
    long = GOOD.replace("calm piano", "warm and slow upright piano " * 60).format(duration=10)
    (project / "specs" / "eins.toml").write_text(
        long + "[inference]\nthinking = false\nuse_cot_metas = false\n", "utf-8"
    )

    done = renderer(project, "render", "--threads", "1", "--no-measure")

    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("note ")]
    assert line.startswith("note eins.s1: the text prompt has ")
    assert line.endswith(" tokens, the DiT hears 256: the metas at its end are lost")


@pytest.mark.slow
def test_names_and_patterns_go_where_paths_go_from_any_folder_of_the_project(project: Path) -> None:
    for name in ("eins", "zwei"):
        (project / "specs" / f"{name}.toml").write_text(
            GOOD.format(duration=10).replace("seeds = [1]", "seeds = [1, 2]"), "utf-8"
        )
    (project / "renderer.toml").write_text('model = "mini"\n', "utf-8")
    deep = project / "notes" / "deep"
    deep.mkdir(parents=True)

    planned = json.loads(renderer(deep, "plan", "--json", "ein*", "zwei.s*").stdout)
    checked = json.loads(renderer(deep, "check", "--json", "zwei.s2").stdout)
    status = json.loads(renderer(project / "specs", "status", "--json", "eins.s1").stdout)

    assert {take["take"] for take in planned["takes"]} == {"eins.s1", "eins.s2", "zwei.s1", "zwei.s2"}
    assert [song["name"] for song in checked["songs"]] == ["zwei"]
    assert [take["take"] for take in status["takes"]] == ["eins.s1"]
    assert status["outputs"] == str(project / "outputs")


@pytest.mark.slow
def test_a_faulty_spec_is_known_by_its_name(project: Path) -> None:
    (project / "specs" / "eins.toml").write_text(GOOD.format(duration=10), "utf-8")
    (project / "specs" / "broken.toml").write_text(BROKEN, "utf-8")

    checked, rendered = renderer(project, "check", "broken"), renderer(project, "render", "broken.s1")

    assert (checked.returncode, rendered.returncode) == (2, 2)
    for said in (checked.stdout, rendered.stderr):
        assert "specs/broken.toml:8:" in said
        assert "^" in said
    assert renderer(project, "check", "ein*").returncode == 0
    assert "did you mean `eins`" in renderer(project, "check", "einz").stderr


def test_a_broken_song_refuses_nothing_that_is_not_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "specs" / "good.toml").write_text(GOOD.format(duration=10), "utf-8")
    (project / "specs" / "broken.toml").write_text("bpm = = 3\n", "utf-8")
    monkeypatch.chdir(project)

    assert run(["plan", "good", "--device", "cpu"]) == 0
    assert run(["status", "good.s*", "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert "broken.toml" not in said.out + said.err
    for named in ([], ["broken"], ["good", "broken"]):
        assert run(["plan", *named, "--device", "cpu"]) == 2
        assert "broken.toml:1:7" in capsys.readouterr().err
    assert run(["plan", "--keep-going", "--device", "cpu"]) == 0
    assert "1 of 1 takes to render" in capsys.readouterr().out


def test_a_preview_that_is_named_is_told_how_to_ask_for_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "specs" / "good.toml").write_text(GOOD.format(duration=10), "utf-8")
    monkeypatch.chdir(project)

    assert run(["status", "good.s1.preview20", "--device", "cpu"]) == 2
    assert "good.s1 --preview 20" in capsys.readouterr().err
