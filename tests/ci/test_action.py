"""`action.yml`, its steps run as they stand there, on checkouts of songs that mean well and that don't."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from renderer.spec.fault_table import FAULTS, value_codes
from renderer.spec.lints.table import LINTS
from tests.ci.runner import ACTION, DEFAULTS, ROOT, SONG, Job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

OWN = {
    "event_name": "pull_request",
    "event": {"pull_request": {"number": 7, "head": {"repo": {"full_name": "band/songs"}}}},
}
FORK = {
    "event_name": "pull_request",
    "event": {"pull_request": {"number": 7, "head": {"repo": {"full_name": "fan/songs"}}}},
}
EVIL = "`|<img src=x>@everyone [x](http://x) $(touch pwned) ::error::x ##[error]y"


def commit(checkout: Path) -> str:
    """All that is there, in a repository of its own; the commit."""
    git = ["git", "-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "Songs"]):
        subprocess.run([*git, *command], cwd=checkout, check=True)
    return subprocess.run(
        [*git, "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout.strip()


def job(tmp_path: Path, songs: dict[str, str], *, below: str = "", **more: Any) -> Job:
    checkout, scratch = tmp_path / "checkout", tmp_path / "runner"
    (checkout / below / "specs").mkdir(parents=True)
    base = commit(checkout)
    scratch.mkdir()
    (checkout / below / "renderer.toml").write_text(DEFAULTS, "utf-8")
    for name, text in songs.items():
        (checkout / below / "specs" / f"{name}.toml").write_text(text, "utf-8")
    event = copy.deepcopy(more.pop("event", {}))
    if "event" in event:
        event["event"]["pull_request"]["base"] = {"sha": base}
    return Job(checkout=checkout, scratch=scratch, event=event, **more)


def test_what_is_given_reaches_a_shell_by_the_environment_and_others_actions_are_pinned() -> None:
    steps = ACTION["runs"]["steps"]
    lines = (ROOT / "action.yml").read_text("utf-8")

    assert not [step["name"] for step in steps if "${{" in step.get("run", "")]
    assert not [step["name"] for step in steps if "run" in step and re.search(r"\beval\b|secrets\.", step["run"])]
    assert re.findall(r"uses: (\S+)", lines) == [step["uses"] for step in steps if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)
    assert re.findall(r"inputs\.([a-z-]+)", lines)
    assert set(re.findall(r"inputs\.([a-z-]+)", lines)) == set(ACTION["inputs"])


def test_sound_specs_pass_and_the_plan_is_the_jobs_summary(tmp_path: Path) -> None:
    done = job(tmp_path, {"eins": SONG}).run(install="false")

    assert [(step.name, step.code) for step in done.steps] == [("Check the specs", 0), ("Plan", 0)]
    assert done.commands == []
    assert "| ` eins.s1 ` | ` cot → codes → latents → waveform ` | ` new ` |\n" in done.summary
    assert "2 of 2 takes to render" in done.summary
    assert not (done.checkout / "outputs").exists()


def test_a_fault_stands_beside_its_line_wherever_the_project_lies_and_the_others_are_planned(tmp_path: Path) -> None:
    songs = {"eins": SONG, "zwei": SONG.replace("bpm = 90", "bpm = 9000")}
    done = job(tmp_path, songs, below="music/album").run(install="false", project="music/album", render="true")

    (error,) = done.commands
    assert (error.name, error.properties["file"], error.properties["line"]) == (
        "error",
        "music/album/specs/zwei.toml",
        "7",
    )
    assert error.properties["title"] == "bpm-range"
    assert [(step.name, step.code) for step in done.steps] == [("Check the specs", 2), ("Plan", 0)]
    assert "eins.s2" in done.summary
    assert "zwei.s1" not in done.summary


def test_strict_fails_for_a_warning(tmp_path: Path) -> None:
    song = {"eins": SONG + "[inference]\nshift = 4.5\n"}

    assert not job(tmp_path / "lax", song).run(install="false", plan="false").failed
    assert job(tmp_path / "strict", song).run(install="false", plan="false", strict="true").failed


def test_whatever_a_stranger_writes_commands_nobody(tmp_path: Path) -> None:
    """In names of files, in texts that are quoted, in modules beside the specs, and in what is given to the action."""
    commanding = "x\n::error title=bpm-range::forged\n##[add-mask]y\n::stop-commands::z\n"
    songs = {
        "a\n::error::forged": SONG,
        "##[error]forged": SONG,
        "eins": SONG.replace("calm piano", EVIL.replace('"', "'")),
        "zwei": f"caption = '''{commanding}'''\ninstrumental = '''{commanding}'''\n\"k\\n::error::forged\" = 1\n",
    }
    hostile = job(tmp_path, songs)
    for module in ("sitecustomize", "usercustomize", "renderer", "json", "venv", "pip", "torch", "rich"):
        (hostile.checkout / f"{module}.py").write_text("open('pwned', 'w')\n", "utf-8")
    hostile.run(install="false", names="specs\n", options=f"--model\n{EVIL}")
    told = hostile.run(install="false", names="specs\n")

    codes = {lint.code for lint in LINTS} | {fault.code for fault in FAULTS} | set(value_codes())
    assert told.commands
    assert {command.name for command in told.commands} <= {"error", "warning", "notice"}
    assert {command.properties["title"] for command in told.commands} <= codes
    assert not [command for command in told.commands if command.text.startswith("forged")]
    assert not list(tmp_path.rglob("pwned"))


def test_a_name_is_shown_in_the_summary_as_it_is_and_makes_nothing_of_its_own(tmp_path: Path) -> None:
    name = "`@everyone [x](http) ![y](z) ##[error]w &amp; __b__"
    done = job(tmp_path, {name: SONG, "a``b": SONG}).run(install="false")

    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(done.summary)
    inline = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in tokens if "html" in token.type} == set()
    assert {child.type for child in inline} <= {"text", "code_inline"}
    assert [child.content for child in inline if child.type == "code_inline"][::3] == [
        f"{song}.s{seed}" for song in sorted((name, "a``b")) for seed in (1, 2)
    ]


@pytest.mark.parametrize(
    "event",
    [
        FORK,
        {"event_name": "pull_request_target", "event": FORK["event"]},
        {"event_name": "issue_comment"},
        {"event_name": "merge_group"},
    ],
)
def test_songs_that_may_be_a_strangers_are_checked_and_planned_and_not_rendered(
    tmp_path: Path, event: dict[str, Any]
) -> None:
    done = job(tmp_path, {"eins": SONG}, event=event).run(install="false", render="true", plan="false")

    assert [step.name for step in done.steps if step.name not in ("Check the specs", "Tell what changed")] == [
        "Say whose songs are rendered"
    ]
    (notice,) = done.commands
    assert notice.name == "notice"
    assert "that is done on push, schedule and workflow_dispatch and for pull requests from this repo" in notice.text
    assert done.uploaded == []


def test_a_pull_request_is_told_its_changes_and_plans_these_alone(tmp_path: Path) -> None:
    songs = {"[eins]": SONG, "zwei": SONG}
    asked = job(tmp_path, songs, event=OWN)
    asked.event["event"]["pull_request"]["base"]["sha"] = commit(asked.checkout)
    spec = asked.checkout / "specs" / "[eins].toml"
    spec.write_text(SONG.replace("calm piano", "calm ```piano"), "utf-8")
    assert asked.run(install="false").commands == []
    before = asked.summary
    (asked.scratch / "github-summary").unlink()
    asked.event["event"]["pull_request"]["base"]["sha"] = commit(asked.checkout)
    asked.run(install="false", render="true")

    assert asked.summary.endswith("### Plan\n\nNothing that is rendered changed.\n")
    assert (asked.failed, asked.commands, asked.uploaded) == (False, [], [])
    told, _, plan = before.partition("### Plan")
    assert told.startswith("### Changed\n\n````\n")
    assert "1 song as it was\n````\n" in told
    assert "[eins].s1" in plan
    assert "[eins].s2" in plan
    assert "zwei" not in plan

    unknown = job(tmp_path / "shallow", songs, event=OWN)
    unknown.event["event"]["pull_request"]["base"]["sha"] = "0" * 40
    unknown.run(install="false")
    (notice,) = unknown.commands
    assert "fetch-depth 0" in notice.text
    assert "zwei.s2" in unknown.summary
    assert not unknown.failed

    (unknown.checkout / "renderer.toml").write_text("steps = = 4\n", "utf-8")
    unknown.event["event"]["pull_request"]["base"]["sha"] = commit(unknown.checkout)
    unknown.run(install="false", plan="false")
    (notice,) = [command for command in unknown.commands if command.name == "notice"][1:]
    assert "the log of this step says why" in notice.text
    assert "renderer.toml" in unknown.steps[-1].log


def test_what_a_pull_request_changes_is_planned_as_its_songs_are_asked_for(tmp_path: Path) -> None:
    """In previews without edits, picked by their plans, with options for seeds; a title and a name change no sound."""
    edit = '[edits.r]\ntask = "repaint"\nsrc_audio = "s1"\nat = [[2, 5]]\n'
    pick = SONG.replace("seeds = [1, 2]", "seeds = [1, 2, 3]") + "[pick]\nplans = 3\nfinish = 1\n"
    only = SONG.replace("seeds", "base = false\nseeds") + edit.replace('"s1"', '"edited.s1"')
    songs = {"edited": SONG + edit, "only": only, "picked": pick, "titled": SONG, "called": SONG}
    asked = job(tmp_path, songs, event=FORK)
    asked.event["event"]["pull_request"]["base"]["sha"] = commit(asked.checkout)
    specs = asked.checkout / "specs"
    (asked.checkout / "picked").mkdir()
    for song, text in (("edited", SONG + edit), ("only", only), ("picked", pick)):
        (specs / f"{song}.toml").write_text(text.replace("calm", "loud"), "utf-8")
    (specs / "titled.toml").write_text(SONG.replace("Eins", "Zwei"), "utf-8")
    (specs / "called.toml").rename(specs / "renamed.toml")

    previews = [f"{take}.preview20" for take in ("edited.s1", "edited.s2", "picked.s1", "picked.s2", "picked.s3")]
    for given, takes, told in (
        ({"render": "true"}, previews, "4 edits left out"),
        ({"render": "true", "names": "only"}, ["edited.s1.preview20"], "previewed is what they are made from"),
        ({"options": "--first-seed"}, ["edited.s1", "edited.r.s1", "only.r.s1", "picked.s1"], "4 of 4 takes"),
        ({"names": "specs/picked.toml"}, ["picked.s1", "picked.s2", "picked.s3"], "1 of 3 takes to render"),
        ({"names": "edited.s2"}, ["edited.s2"], "1 of 1 takes to render"),
    ):
        (asked.scratch / "github-summary").unlink(missing_ok=True)
        asked.run(install="false", **given)
        plan = asked.summary.partition("### Plan")[2]
        assert [step.name for step in asked.steps if step.code] == []
        assert re.findall(r"^\| ` (\S+) ` \|", plan, re.MULTILINE) == takes
        assert told in plan + "".join(step.log for step in asked.steps if step.name == "Plan")


def test_more_faults_than_a_service_shows_are_all_told_with_their_places(tmp_path: Path) -> None:
    songs = {f"song{n}": SONG.replace("bpm = 90", "bpm = 9000") for n in range(12)}
    step = job(tmp_path, songs).run(install="false", plan="false").step("Check the specs")

    assert len(step.commands) == len(songs)
    assert [song for song in songs if f"{song}.toml:7:7" not in step.log] == []


def test_what_changed_is_rendered_and_its_page_and_takes_are_the_artifact(tmp_path: Path) -> None:
    one = SONG.replace("seeds = [1, 2]", "seeds = [1]")
    rendered = job(tmp_path, {"eins": one, "zwei": one}, event=OWN)
    given = {"install": "false", "render": "true", "preview": "2", "outputs": str(tmp_path / "stays")}
    given["options"] = "--device\ncpu\n--threads\n1"
    rendered.run(**given)
    report = rendered.scratch / "temp" / "renderer-report"

    assert not rendered.failed, rendered.steps[-1].log
    assert rendered.uploaded == [{"name": "renderer", "path": str(report)}]
    files = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    takes = {f"{song}/{song}.s1.preview2.{kind}" for song in ("eins", "zwei") for kind in ("flac", "toml")}
    assert files == {"report/index.html", *takes}
    assert "../eins/eins.s1.preview2.flac" in (report / "report" / "index.html").read_text("utf-8")
    assert "2 rendered in" in rendered.summary

    (rendered.checkout / "specs" / "zwei.toml").write_text(one.replace("Eins", "Zwei"), "utf-8")
    rendered.run(**given)
    assert {path.name for path in report.rglob("*.flac")} == {"zwei.s1.preview2.flac"}
    assert "1 tagged anew, 1 done already in" in rendered.summary


def test_a_failed_render_fails_the_job_and_still_tells_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    given = {
        "install": "false",
        "plan": "false",
        "render": "true",
        "options": "--device\ncpu",
        "outputs": str(tmp_path / "file"),
    }
    done = job(tmp_path, {"eins": SONG}).run(**given)

    assert done.step("Render").code == 2
    assert "error: " in done.step("Render").log
    assert done.uploaded == []


def test_installing_runs_nothing_that_lies_in_the_checkout(tmp_path: Path) -> None:
    """As far as it goes without a registry: with one, `make release-check` runs the same step to its end."""
    done = job(tmp_path, {"eins": SONG}, env={"PIP_NO_INDEX": "1"})
    for module in ("venv", "pip", "ensurepip", "sitecustomize", "hatchling"):
        (done.checkout / f"{module}.py").write_text("open('pwned', 'w')\n", "utf-8")
    done.run(python=sys.executable, plan="false")

    assert (done.steps[0].name, done.failed) == ("Install renderer", True)
    assert "hatchling" in done.steps[0].log
    assert (done.scratch / "temp" / "renderer-venv" / "bin" / "pip").exists()
    assert not list(tmp_path.rglob("pwned"))


class Api(BaseHTTPRequestHandler):
    """GitHub's GraphQL in small: comments of pull request 7 of band/songs."""

    comments: list[dict[str, Any]]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        query, given = asked["query"], asked["variables"]
        if self.headers["Authorization"] == "bearer cut short":
            self.answer({}, missing=1)
        elif self.headers["Authorization"] != "bearer s3cret":
            self.answer({"data": None, "errors": [{"message": "Resource not accessible\n::error::x"}]})
        elif query.startswith("query"):
            assert (given["owner"], given["name"], given["number"]) == ("band", "songs", 7)
            self.answer({"data": {"repository": {"pullRequest": {"id": "PR", "comments": {"nodes": self.comments}}}}})
        elif "addComment" in query:
            assert given["on"] == "PR"
            self.comments.append({"id": f"C{len(self.comments)}", "body": given["body"], "viewerDidAuthor": True})
            self.answer({"data": {"addComment": {"clientMutationId": None}}})
        else:
            next(one for one in self.comments if one["id"] == given["on"])["body"] = given["body"]
            self.answer({"data": {"updateIssueComment": {"clientMutationId": None}}})

    def answer(self, document: dict[str, Any], *, missing: int = 0) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[HTTPServer]:
    Api.comments = []
    server = HTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_with_a_token_the_plan_is_one_comment_that_later_runs_write_anew(tmp_path: Path, api: HTTPServer) -> None:
    at = {"GITHUB_GRAPHQL_URL": f"http://127.0.0.1:{api.server_port}/graphql"}
    asked = job(tmp_path, {"eins": SONG}, event=OWN, env=at)
    asked.run(install="false", **{"comment-token": "s3cret"})
    (ours,) = Api.comments
    Api.comments.append({"id": "STRANGER", "body": ours["body"], "viewerDidAuthor": False})
    (asked.checkout / "specs" / "zwei.toml").write_text(SONG, "utf-8")
    asked.run(install="false", **{"comment-token": "s3cret"})

    assert len(Api.comments) == 2
    assert "zwei.s1" in ours["body"]
    assert "zwei.s1" not in Api.comments[1]["body"]
    assert not asked.failed
    assert "s3cret" not in "".join(step.log for step in asked.steps)


@pytest.mark.parametrize(
    ("token", "why"), [("another", "Resource not accessible ::error::x"), ("cut short", "IncompleteRead")]
)
def test_a_comment_that_cannot_be_written_costs_a_warning(
    tmp_path: Path, api: HTTPServer, token: str, why: str
) -> None:
    at = {"GITHUB_GRAPHQL_URL": f"http://127.0.0.1:{api.server_port}/graphql"}
    done = job(tmp_path, {"eins": SONG}, event=FORK, env=at).run(install="false", **{"comment-token": token})

    (warning,) = done.commands
    assert (warning.name, done.failed) == ("warning", False)
    assert why in warning.text
    assert "eins.s1" in done.summary


@pytest.mark.parametrize("script", sorted((ROOT / "docs" / "ci").glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_one_for_bash_and_may_be_run(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    assert shutil.which(str(script))
