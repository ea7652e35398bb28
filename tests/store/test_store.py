"""What is put into the store comes back whole, or is missed; never half."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Codes, Cot, CotMetas, Latents
from renderer.errors import StoreError
from renderer.models.family import stored_kinds
from renderer.provenance import DitNotes, Environment, Origin
from renderer.store.disk import RealDisk, write_whole
from renderer.store.store import Store
from renderer.store.takes import TakeRecord, decode_record, encode_record

if TYPE_CHECKING:
    from pathlib import Path

LATENTS = Latents(frames=np.arange(640, dtype=np.float32).reshape(10, 64), notes=DitNotes(seconds=1.5))


class FullDisk(RealDisk):
    """A disk that takes half of what it is given and then says that it is full."""

    def write(self, path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


class LyingDisk(RealDisk):
    """A disk that loses the end of a file without a word."""

    def write(self, path: Path, content: bytes) -> None:
        path.write_bytes(content[:-1])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "outputs", kinds=stored_kinds())
    made.prepare()
    return made


def only_artifact(store: Store) -> Path:
    (found,) = store.folder.glob("*/*/*.safetensors")
    return found


@pytest.mark.parametrize(
    "artifact",
    [
        Cot(text="<think>\nbpm: 90\ncaption: Ñandú 🎸\n", metas=CotMetas(bpm=90, caption="Ñandú 🎸")),
        Codes(codes=np.array([1, 63_999, 0], dtype=np.int32)),
        LATENTS,
    ],
    ids=lambda artifact: type(artifact).__name__,
)
def test_an_artifact_comes_back_as_it_was_put(store: Store, artifact: Cot | Codes | Latents) -> None:
    stage = next(name for name, kind in stored_kinds().items() if kind is type(artifact))
    store.put(stage, "ab12", artifact, Origin(environment=Environment(threads=2)))

    found = Store(store.outputs, kinds=stored_kinds()).get_with_origin(stage, "ab12")

    assert found is not None
    assert type(found[0]) is type(artifact)
    assert found[0].notes == artifact.notes
    assert found[1] == Origin(environment=Environment(threads=2))
    for name in ("text", "metas"):
        assert getattr(found[0], name, None) == getattr(artifact, name, None)
    for name in ("codes", "frames"):
        assert np.array_equal(getattr(found[0], name, []), getattr(artifact, name, []))


@pytest.mark.parametrize("position", [3, 200, -1])
def test_a_flipped_bit_sets_the_artifact_aside_and_it_counts_as_missing(store: Store, position: int) -> None:
    store.put("latents", "ab12", LATENTS, Origin())
    path = only_artifact(store)
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))

    assert store.get("latents", "ab12") is None
    assert not store.has("latents", "ab12")
    assert not path.exists()
    assert (store.folder / "bad" / f"latents-{path.name}").exists()
    assert [line.event for line in store.journal.lines()] == ["set-aside"]


def test_a_truncated_artifact_counts_as_missing(store: Store) -> None:
    store.put("latents", "ab12", LATENTS, Origin())
    path = only_artifact(store)
    path.write_bytes(path.read_bytes()[:-40])

    assert store.get("latents", "ab12") is None


@pytest.mark.parametrize("name", ["..", "../..", "../../..", "../../../mine", ".", "", "a/../..", "\0", "x" * 300])
def test_no_name_leads_out_of_the_store(store: Store, tmp_path: Path, name: str) -> None:
    record = TakeRecord(
        key="k",
        take="a.s1",
        song="a",
        file="a/a.s1.flac",
        num_bytes=1,
        mtime_ns=1,
        digest="d",
        requests={},
        keys={},
    )
    store.put_take(record)
    store.put("latents", "ab12", LATENTS, Origin())
    folders = {tmp_path, store.outputs, store.folder, store.folder / "takes", tmp_path / "mine"}
    for folder in folders:
        folder.mkdir(exist_ok=True)
        for file in ("mine.json", "mine.safetensors"):
            (folder / file).write_text("{}")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}

    assert store.versions(name) == ()
    for key in ("mine", "../mine", f"{name}/mine"):
        assert store.located(name, key) is None
        assert store.get("latents", key) is None
        assert store.get(name, key) is None

    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before
    for odd in ({"digest": "../../x"}, {"keys": {"../x": "ab"}}, {"keys": {"latents": "../../x"}}, {"key": "../x"}):
        with pytest.raises(StoreError, match="names what can't be in a store"):
            decode_record(encode_record(replace(record, **odd)))  # type: ignore[arg-type]


def test_a_full_disk_leaves_what_was_there_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "take.toml"
    target.write_bytes(b"before")

    with pytest.raises(OSError, match="No space"):
        write_whole(FullDisk(), target, b"after" * 100)

    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_came_out_short_is_never_given_its_name(tmp_path: Path) -> None:
    target = tmp_path / "take.toml"

    with pytest.raises(StoreError, match="bytes long"):
        write_whole(LyingDisk(), target, b"content")

    assert not target.exists()


def test_a_journal_line_cut_by_a_crash_spoils_only_itself(store: Store) -> None:
    store.journal.append("take-done", {"take": "a.s1"})
    path = store.folder / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"at": "2026-01-01", "eve')

    store.journal.append("take-done", {"take": "b.s1"})

    assert [line.fields["take"] for line in store.journal.lines()] == ["a.s1", "b.s1"]
