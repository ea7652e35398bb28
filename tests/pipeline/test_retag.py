"""A title or recipe edit writes tags: no stage runs, the sound stays, and no moment of it loses the take."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile

from renderer.formats.read import read_tags
from renderer.formats.table import FORMATS
from renderer.json_values import to_json
from renderer.models.family import stored_kinds
from renderer.pipeline.render import render
from renderer.pipeline.rendered import rendered_takes
from renderer.pipeline.stop import Stop, StopCause
from renderer.plan.jobs import Why
from renderer.spec.picks import Vote
from renderer.store.disk import RealDisk
from renderer.store.store import Store
from renderer.store.verify import verify
from renderer.takes.measure import stored_measurement
from renderer.takes.measurements import measured_folder
from renderer.takes.recipe import read_recipe
from renderer.takes.votes import all_picks, vote_on
from tests.pipeline.conftest import Songs
from tests.pipeline.test_disk_faults import refusal
from tests.pipeline.without_models import carry_out
from tests.store.disks import FailingDisk

if TYPE_CHECKING:
    from renderer.store.takes import TakeRecord

pytestmark = pytest.mark.slow

SPEC = """
title = "Eins"
caption = "calm piano"
lyrics = "[verse]\\nla la la"
seeds = [1]
[output]
format = "{format}"
"""
NAME = "eins.s1"


@pytest.fixture(params=FORMATS)
def rendered(request: pytest.FixtureRequest, tmp_path: Path, tiny_set: Path) -> Songs:
    return project(tmp_path, tiny_set, request.param)


@pytest.fixture
def flac(tmp_path: Path, tiny_set: Path) -> Songs:
    return project(tmp_path, tiny_set, "flac")


def project(folder: Path, model: Path, kind: str) -> Songs:
    songs = Songs(folder / "project", model, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("eins", SPEC.replace("{format}", kind))
    carry_out(songs.project())
    return songs


def audio(songs: Songs) -> Path:
    (path,) = [path for path in (songs.outputs / "eins").glob("[!.]*") if path.suffix[1:] in FORMATS]
    return path


def record(songs: Songs) -> TakeRecord:
    (found,) = Store(songs.outputs, kinds=stored_kinds()).versions(NAME)
    return found


def sound(path: Path) -> bytes:
    with path.open("rb") as file:
        return b"".join(FORMATS[path.suffix[1:]].tagger().sound(file))


def faults(songs: Songs) -> list[str]:
    return [checked.fault for checked in verify(Store(songs.outputs, kinds=stored_kinds())) if checked.fault]


def test_another_title_is_written_into_the_same_version(rendered: Songs) -> None:
    path, before = audio(rendered), record(rendered)
    packets, samples = sound(path), soundfile.read(path)[0].tobytes()
    rendered.edit("eins", '"Eins"', '"Zwölf 🌙"')

    (take,) = rendered.project().plan().takes
    assert (take.why, take.runs, rendered.project().plan().jobs) == (Why.TAGS, (), ())
    summary = render(rendered.project(), listen=rendered.events.append)

    assert (summary.retagged, summary.rendered, summary.kept) == ((NAME,), (), ())
    assert not (rendered.outputs / ".store" / "worker.log").exists()
    assert sound(path) == packets
    assert soundfile.read(path)[0].tobytes() == samples
    after = record(rendered)
    assert (after.key, after.digest) == (before.key, hashlib.sha256(path.read_bytes()).hexdigest())
    assert after.digest != before.digest
    assert read_tags(path)["title"] == "Zwölf 🌙"
    sidecar = tomllib.loads(path.with_suffix(".toml").read_text("utf-8"))
    assert (
        read_recipe(path) == {k: v for k, v in sidecar.items() if k not in {"made", "prompts"}} == to_json(after.recipe)
    )
    assert not (rendered.outputs / "eins" / "old").exists()
    assert faults(rendered) == []
    (take,) = rendered.project().plan().takes
    assert take.why is Why.DONE


def test_the_file_is_the_one_a_new_render_would_give(rendered: Songs) -> None:
    rendered.edit("eins", '"Eins"', '"Zwei"')
    carry_out(rendered.project())
    tagged = audio(rendered).read_bytes()
    audio(rendered).unlink()
    carry_out(rendered.project())

    assert audio(rendered).read_bytes() == tagged


@pytest.mark.parametrize("level", ["key", "none"])
def test_another_recipe_level_takes_tags_away_and_gives_them_back(rendered: Songs, level: str) -> None:
    path = audio(rendered)
    before = path.read_bytes()
    rendered.edit("eins", "[output]", f'[output]\nrecipe = "{level}"')
    carry_out(rendered.project())
    assert ("title" in read_tags(path), b"la la la" in path.read_bytes()) == (False, False)
    assert sound(path)
    rendered.edit("eins", f'recipe = "{level}"', 'recipe = "full"')
    carry_out(rendered.project())

    assert path.read_bytes() == before


def test_a_version_that_comes_back_bears_todays_title(flac: Songs) -> None:
    packets = sound(audio(flac))
    flac.edit("eins", "calm", "wild")
    carry_out(flac.project())
    flac.edit("eins", "wild", "calm")
    flac.edit("eins", '"Eins"', '"Zwei"')

    (take,) = flac.project().plan().takes
    assert (take.why, [change.text for change in take.changes]) == (Why.RESTORED, ["title Eins → Zwei"])
    carry_out(flac.project())

    assert (read_tags(audio(flac))["title"], sound(audio(flac))) == ("Zwei", packets)
    (take,) = flac.project().plan().takes
    assert take.why is Why.DONE


@pytest.mark.slow
def test_votes_and_measurements_stay(flac: Songs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(flac.folder)
    ((song, version),) = rendered_takes([NAME], None).values()
    vote_on(song, version, Vote.KEEP, note="the bridge")
    folder = measured_folder(flac.outputs)
    folder.mkdir(parents=True)
    from renderer.takes.measure.process import _measure
    from renderer.takes.measure.sung_words import word_errors_name

    _measure(audio(flac), version.digest, folder)
    measured = stored_measurement(version.digest, folder)
    (folder / word_errors_name(version.digest)).write_text("words", "utf-8")
    flac.edit("eins", '"Eins"', '"Zwei"')
    carry_out(flac.project())

    now = record(flac)
    assert now.key.startswith(all_picks([song])[NAME].key)
    again = stored_measurement(now.digest, folder)
    assert measured is not None
    assert again is not None
    assert again.measured == measured.measured
    assert (folder / word_errors_name(now.digest)).read_text("utf-8") == "words"


def test_a_sidecar_with_notes_of_its_own_goes_to_old(flac: Songs) -> None:
    sidecar = audio(flac).with_suffix(".toml")
    sidecar.write_text(mine := sidecar.read_text("utf-8") + "# mine\n", "utf-8")
    flac.edit("eins", '"Eins"', '"Zwei"')
    carry_out(flac.project())

    assert [path.read_text("utf-8") for path in (flac.outputs / "eins" / "old").iterdir()] == [mine]
    assert tomllib.loads(sidecar.read_text("utf-8"))["spec"]["title"] == "Zwei"


def test_damage_is_not_signed_as_whole(flac: Songs) -> None:
    """A flipped byte, size and time as they were: the take is made again, the bad file lies in `old/`."""
    path, whole = audio(flac), sound(audio(flac))
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    flac.edit("eins", '"Eins"', '"Zwei"')
    carry_out(flac.project())
    (take,) = flac.project().plan().takes
    assert take.why is Why.MISSING
    carry_out(flac.project())

    assert (read_tags(path)["title"], sound(path)) == ("Zwei", whole)
    assert [p.read_bytes() for p in (flac.outputs / "eins" / "old").glob("*.flac")] == [bytes(content)]


def copies(songs: Songs, folder: Path, number: int) -> Songs:
    copy = Songs(folder / f"copy{number}", songs.folder, None)  # type: ignore[arg-type]
    shutil.rmtree(copy.folder)
    shutil.copytree(songs.folder, copy.folder)
    return copy


def operations(songs: Songs, folder: Path) -> tuple[list[str], bytes]:
    """What the disk is asked for on the way, and the file at the end of it."""
    copy = copies(songs, folder, -1)
    run = copy.project()
    watched = FailingDisk(errno.EIO, first=10**6)
    run.store = Store(run.store.outputs, watched, kinds=stored_kinds())
    carry_out(run)
    return watched.operations, audio(copy).read_bytes()


@pytest.mark.slow
def test_refused_at_any_operation_the_file_is_whole_and_the_next_run_goes_on(rendered: Songs, tmp_path: Path) -> None:
    before = audio(rendered).read_bytes()
    rendered.edit("eins", '"Eins"', '"Zwei"')
    names, after = operations(rendered, tmp_path)
    assert len(names) > 8
    for position, name in enumerate(names):
        copy = copies(rendered, tmp_path, position)
        run = copy.project()
        run.store = Store(run.store.outputs, FailingDisk(errno.ENOSPC, first=position), kinds=stored_kinds())
        told = refusal(run)
        assert told is None or told.help, name
        _still_right(copy, before, after, name)


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.pipeline.conftest import Songs
from tests.pipeline.test_disk_faults import refusal
from tests.pipeline.without_models import carry_out
from tests.store.disks import FailingDisk
from renderer.store.store import Store
from renderer.models.family import stored_kinds
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.select import select

class Killed(FailingDisk):
    def _refuses(self, operation, path):
        if super()._refuses(operation, path):
            os._exit(9)
        return False

folder = Path(sys.argv[1])
options = Options(device="cpu", threads=1, lm_slots=2)
run = Project(select([str(folder / "specs")], options).takes, options)
run.store = Store(run.store.outputs, Killed(5, first=int(sys.argv[2])), kinds=stored_kinds())
carry_out(run)
"""


@pytest.mark.slow
def test_killed_at_any_operation_the_file_is_whole_and_the_next_run_goes_on(flac: Songs, tmp_path: Path) -> None:
    before = audio(flac).read_bytes()
    flac.edit("eins", '"Eins"', '"Zwei"')
    names, after = operations(flac, tmp_path)
    root = str(Path(__file__).parents[2])
    for position, name in enumerate(names):
        copy = copies(flac, tmp_path, position)
        command = [sys.executable, "-c", KILLED, str(copy.folder), str(position), root]
        assert subprocess.run(command, check=False).returncode == 9, name
        _still_right(copy, before, after, name)


def _still_right(copy: Songs, before: bytes, after: bytes, name: str) -> None:
    """The file is one of the two; whichever it is, there is a record of it, and nothing has to be decoded."""
    assert audio(copy).read_bytes() in (before, after), name
    assert faults(copy) == [], name
    plan = copy.project().plan()
    assert plan.jobs == (), name
    carry_out(copy.project())
    assert audio(copy).read_bytes() == after, name
    assert faults(copy) == [], name
    assert tomllib.loads(audio(copy).with_suffix(".toml").read_text("utf-8"))["spec"]["title"] == "Zwei", name
    assert not (copy.outputs / "eins" / "old").exists(), name
    assert list(copy.outputs.rglob(".tmp-*")) == [], name


def test_a_title_that_can_not_be_written_costs_itself_only(flac: Songs) -> None:
    """The disk takes nothing new beside this song's takes; another title is written."""
    flac.write("zwei", SPEC.replace("{format}", "flac"))
    carry_out(flac.project())
    before = audio(flac).read_bytes()
    for name in ("eins", "zwei"):
        flac.edit(name, '"Eins"', '"Drei"')

    class Refusing(RealDisk):
        def replace(self, source: Path, target: Path) -> None:
            if target.name == audio(flac).name:
                raise OSError(errno.EACCES, "not this one", str(target))
            super().replace(source, target)

    run = flac.project()
    run.store = Store(run.store.outputs, Refusing(), kinds=stored_kinds())
    summary = render(run, listen=flac.events.append)

    assert summary.fault is None
    assert [(failure.take, failure.stage) for failure in summary.failures] == [(NAME, "tags")]
    assert summary.retagged == ("zwei.s1",)
    assert audio(flac).read_bytes() == before
    assert {take.why for take in flac.project().plan().takes} == {Why.TAGS, Why.DONE}


def test_told_to_stop_it_leaves_the_other_titles_for_the_next_run(flac: Songs) -> None:
    flac.edit("eins", '"Eins"', '"Zwei"')
    stop = Stop()
    stop.now()
    summary = render(flac.project(), listen=flac.events.append, stop=stop)

    assert (summary.stopped, summary.retagged) == (StopCause.SIGNAL, ())
    assert render(flac.project(), listen=flac.events.append).retagged == (NAME,)
