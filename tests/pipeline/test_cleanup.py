"""gc frees what no one needs and nothing else; verify finds what is damaged; keepers stay."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renderer.errors import UsageError
from renderer.pipeline.cleanup import clean, find
from renderer.pipeline.rendered import rendered_takes
from renderer.pipeline.status import make_status
from renderer.plan.jobs import Why
from renderer.spec.picks import Pick, Vote
from renderer.store.takes import encode_record
from renderer.store.verify import verify
from renderer.takes.measurements import measured_folder
from renderer.takes.votes import all_picks, vote_on, write_picks
from tests.pipeline.without_models import carry_out
from tests.stages import STORED

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.store.gc import Garbage
    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow


@pytest.fixture
def edited(songs: Songs) -> Songs:
    """Two takes of a song, each with a former version."""
    songs.write("eins")
    carry_out(songs.project())
    songs.edit("eins", "calm", "wild")
    carry_out(songs.project())
    return songs


def garbage(songs: Songs, *, older_than_seconds: float = 0.0, orphans: bool = False) -> tuple[Garbage, ...]:
    return find(songs.project(), older_than_seconds=older_than_seconds, orphans=orphans)


def files(songs: Songs) -> set[Path]:
    return {path for path in songs.outputs.rglob("*") if path.is_file() and path.suffix != ".jsonl"}


def test_a_fresh_store_has_nothing_to_free(songs: Songs) -> None:
    songs.write("eins")
    carry_out(songs.project())

    assert garbage(songs, orphans=True) == ()


def test_former_versions_go_with_what_only_they_need(edited: Songs) -> None:
    audio = edited.audio()
    found = garbage(edited)

    assert {piece.why for piece in found} == {"former version", "no take needs it"}
    assert sum(piece.record is not None for piece in found) == 2
    before = files(edited)
    assert clean(edited.project(), found) == ()

    gone = before - files(edited)
    assert {edited.outputs / piece.file for piece in found} <= gone
    assert list(edited.outputs.glob("*/old/*")) == []
    assert edited.audio() == audio
    assert garbage(edited) == ()
    assert all(take.why is Why.DONE for take in edited.project().plan().takes)
    assert [checked for checked in verify(edited.project().store) if checked.fault] == []


def test_what_was_measured_goes_with_the_version_it_was_measured_of(edited: Songs) -> None:
    store, folder, endings = edited.project().store, measured_folder(edited.outputs), (".json", ".webp", ".words.json")
    folder.mkdir(parents=True)
    pieces = garbage(edited)
    former = {piece.record.digest for piece in pieces if piece.record}
    current = {version.digest for name in store.take_names() for version in store.versions(name)} - former
    for digest in former | current:
        for ending in endings:
            (folder / f"{digest[:16]}{ending}").write_bytes(b"measured")

    clean(edited.project(), pieces)

    assert len(former) == len(current) == 2
    assert {path.name for path in folder.iterdir()} == {f"{d[:16]}{e}" for d in current for e in endings}


def test_what_is_young_stays(edited: Songs) -> None:
    assert garbage(edited, older_than_seconds=3600) == ()
    yesterday = time.time() - 86_400
    for path in edited.outputs.glob(".store/*/*/*.safetensors"):
        os.utime(path, (yesterday, yesterday))

    # Old artifacts of versions that are young: what stays needs them.
    assert garbage(edited, older_than_seconds=3600) == ()


def test_what_a_listener_keeps_stays(edited: Songs) -> None:
    former = next(piece.record for piece in garbage(edited) if piece.record)
    song = edited.project().takes[0].song
    write_picks(song, {former.take: Pick(vote=Vote.KEEP, key=former.key[:8])})

    left = [piece.record for piece in garbage(edited) if piece.record]

    assert former not in left
    assert len(left) == 1
    needed = set(former.keys.values())
    assert not [piece for piece in garbage(edited) if piece.artifact and piece.artifact.key in needed]


def test_a_take_without_a_spec_goes_only_when_told(edited: Songs) -> None:
    edited.write("zwei")
    carry_out(edited.project())
    (edited.folder / "specs" / "zwei.toml").unlink()

    assert make_status(edited.project()).without_spec == ("zwei.s1", "zwei.s2")
    assert not [piece for piece in garbage(edited) if "zwei" in piece.file]
    orphans = [piece for piece in garbage(edited, orphans=True) if "zwei" in piece.file]
    assert {piece.why for piece in orphans} == {"no spec asks for it"}
    assert clean(edited.project(), orphans) == ()
    assert list((edited.outputs / "zwei").iterdir()) == []


def test_a_file_that_isnt_what_was_recorded_is_left_alone(edited: Songs) -> None:
    found = garbage(edited)
    (former, *_) = [edited.outputs / piece.file for piece in found if piece.record]
    former.write_bytes(b"mine now")

    stayed = clean(edited.project(), found)

    assert former.read_bytes() == b"mine now"
    assert [edited.outputs / piece.file for piece in stayed] == []


def test_a_sidecar_with_notes_of_its_own_stays(edited: Songs) -> None:
    found = garbage(edited)
    (former, *_) = [edited.outputs / piece.file for piece in found if piece.record]
    sidecar = former.with_suffix(".toml")
    sidecar.write_text(sidecar.read_text("utf-8") + "# mine\n", "utf-8")

    clean(edited.project(), found)

    assert not former.exists()
    assert sidecar.exists()


def test_verify_names_every_damaged_file_and_sets_artifacts_aside(edited: Songs) -> None:
    artifact = next(edited.outputs.glob(".store/latents/*/*.safetensors"))
    audio = edited.outputs / "eins" / "eins.s1.flac"
    for path in (artifact, audio):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        stat = path.stat()
        path.write_bytes(content)
        # As a failing drive does it: no time stamp tells.
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    faults = {checked.file: checked.fault for checked in verify(edited.project().store) if checked.fault}

    assert faults == {
        artifact.relative_to(edited.outputs).as_posix(): "damaged: set aside",
        "eins/eins.s1.flac": "altered since it was written",
    }
    assert not artifact.exists()


def test_a_vote_is_on_the_version_that_was_rendered_takes(edited: Songs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(edited.folder)
    ((song, record),) = rendered_takes(["eins.s1"], None).values()

    vote_on(song, record, Vote.KEEP, note="the bridge")
    vote_on(song, record, Vote.REJECT, note="")

    picks = all_picks([song])
    assert picks["eins.s1"] == Pick(vote=Vote.REJECT, note="the bridge", key=record.key[:8])
    assert record.key == next(take.key for take in edited.project().plan().takes if take.name == "eins.s1")
    vote_on(song, record, Vote.NONE, note="")
    assert all_picks([song]) == {}


def test_a_version_that_is_kept_while_the_list_is_looked_at_stays_with_all_it_needs(edited: Songs) -> None:
    found = garbage(edited)
    former = next(piece.record for piece in found if piece.record)
    (song,) = {take.song.name: take.song for take in edited.project().takes}.values()
    write_picks(song, {former.take: Pick(vote=Vote.KEEP, key=former.key[:8])})

    stayed = clean(edited.project(), found)

    assert former in [piece.record for piece in stayed]
    store = edited.project().store
    place = store.find(former)
    assert place is not None
    assert place.with_suffix(".toml").exists()
    assert all(store.has(stage, key) for stage, key in former.keys.items() if stage in STORED)


def test_a_version_that_a_spec_saved_meanwhile_asks_for_stays(edited: Songs) -> None:
    found = garbage(edited)
    edited.edit("eins", "wild", "calm")

    stayed = clean(edited.project(), found)

    assert {piece.record.take for piece in stayed if piece.record} == {"eins.s1", "eins.s2"}
    carry_out(edited.project())
    assert not [take for take in edited.project().plan().takes if take.runs]


def test_a_vote_on_a_version_that_was_freed_meanwhile_is_refused_and_not_written(
    edited: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(edited.folder)
    song, record = rendered_takes(["eins.s1"], None)["eins.s1"]
    (edited.outputs / record.file).unlink()

    with pytest.raises(UsageError, match="is gone"):
        vote_on(song, record, Vote.KEEP, note="")

    assert not (edited.folder / "specs" / "picks.toml").exists()


@pytest.mark.parametrize("what", ["outputs/eins", "outputs/eins/old"])
def test_nothing_outside_the_outputs_folder_is_deleted_wherever_links_lead(edited: Songs, what: str) -> None:
    found = garbage(edited)
    folder, elsewhere = edited.folder / what, edited.folder / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    before = sorted(path.name for path in elsewhere.rglob("*"))

    stayed = clean(edited.project(), found)

    assert len([piece for piece in stayed if piece.record]) == 2
    assert sorted(path.name for path in elsewhere.rglob("*")) == before


def test_a_sidecar_goes_with_its_record_when_its_audio_is_gone_already(edited: Songs) -> None:
    found = garbage(edited)
    for piece in found:
        if piece.record:
            (edited.outputs / piece.file).unlink()

    assert clean(edited.project(), found) == ()

    assert list((edited.outputs / "eins" / "old").iterdir()) == []


def test_a_record_that_names_a_file_elsewhere_deletes_nothing(edited: Songs) -> None:
    mine = edited.folder / "mine.flac"
    former = next(piece.record for piece in garbage(edited) if piece.record)
    old = edited.outputs / former.old_file
    mine.write_bytes(old.read_bytes())
    store = edited.project().store
    path = store.folder / "takes" / former.take / f"{former.key}.json"
    path.write_bytes(encode_record(replace(former, file="../mine.flac", mtime_ns=mine.stat().st_mtime_ns)))

    clean(edited.project(), garbage(edited, orphans=True))

    assert mine.exists()


def test_a_file_beside_the_measurements_that_isnt_one_stays(edited: Songs) -> None:
    folder = measured_folder(edited.outputs)
    folder.mkdir(parents=True)
    mine = [folder / name for name in ("notes.json", "cover.webp", "0123456789abcdef.txt", "0123456789abcdef0.json")]
    for path in (*mine, folder / "0123456789abcdef.json"):
        path.write_text("mine")

    clean(edited.project(), garbage(edited))

    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in mine)
