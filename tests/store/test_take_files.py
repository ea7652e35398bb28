"""What is read of a record to find its file alone: what the whole record tells, and nothing of one that is odd."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from renderer.artifacts import CotMetas
from renderer.errors import StoreError
from renderer.json_values import to_json
from renderer.models.family import stored_kinds
from renderer.provenance import CotNotes, Environment
from renderer.store.recipe import Recipe
from renderer.store.store import Store
from renderer.store.takes import (
    FILE,
    PageFacts,
    TakeFile,
    TakeRecord,
    decode_file,
    decode_record,
    encode_record,
    file_digest,
)
from tests.store.test_damaged_bytes import damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RECORD = TakeRecord(
    key="ab" * 32, take="eins.s1", song="eins", file="eins/eins.s1.flac", num_bytes=7, mtime_ns=1, digest="cd" * 32,
    requests={"latents": {"steps": 8, "metas": {"bpm": 90}}, FILE: {"format": "flac", "title": "Ñandú 🎸"}},
    keys={"latents": "ef" * 32},
    environment=Environment(versions={"torch": "2.13.0"}, device="cpu", threads=1, others={"governor": "550"}),
    recipe=Recipe(
        take="eins.s1", spec={"seeds": [1]}, decided=CotMetas(bpm=90), settings={"tile": 512, "dtype": "f", "x": 0.5},
        keys={"latents": "ef" * 32}, weights={"dit": "aa"}, versions={"torch": "2.13.0"}, degraded=("a tile",),
        chain=({"take": "null.s1"},),
    ),
    page=PageFacts(peaks="AAA", seconds=30.0, notes={"cot": CotNotes(text="x", tokens=3)}, sung="[]"),
    others={"stars": 3},
)  # fmt: skip
KINDS: tuple[object, ...] = (
    None, 7, -1, 1.5, 3.0, 10**30, True, "", "text", "../up", "a/b", [], [1], ["a"], [{}], {}, {"a": 1},
    {"a": "b"}, {"a": {}},
)  # fmt: skip


def sealed(told: object) -> bytes:
    body = json.dumps(told).encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n"


def odd_ones(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A record with each of its values left out, and with each in its place that another kind would have."""
    for path in list(paths(told)):
        for value in (..., *KINDS):
            other = deepcopy(told)
            above = other
            for name in path[:-1]:
                above = above[name]
            if value is ...:
                del above[path[-1]]
            else:
                above[path[-1]] = value
            yield other


def paths(told: object, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for name, value in pairs:
        yield (*above, name)
        yield from paths(value, (*above, name))


def whole(raw: bytes) -> TakeRecord | None:
    try:
        return decode_record(raw)
    except StoreError:
        return None


def of_the_file(record: TakeRecord | None) -> TakeFile | None:
    if record is None:
        return None
    requests = {stage: asked if stage == FILE else {} for stage, asked in record.requests.items()}
    told = {one.name: getattr(record, one.name) for one in fields(TakeFile)}
    return TakeFile(**{**told, "requests": requests})


def test_what_is_read_of_a_file_alone_is_what_its_whole_record_tells_or_nothing() -> None:
    told = to_json(RECORD)
    assert decode_file(sealed(told)) == of_the_file(RECORD)
    ones = list(odd_ones(told))
    assert len(ones) > 1000
    for one in ones:
        raw = sealed(one)
        assert decode_file(raw) == of_the_file(whole(raw)), one


def test_a_record_damaged_anywhere_tells_nothing_of_its_file() -> None:
    found = [decode_file(raw) for raw in damaged(encode_record(RECORD))]
    assert sum(one is not None for one in found) <= 2
    assert all(one in (None, of_the_file(RECORD)) for one in found)


@pytest.mark.parametrize("raw", [b"", b"\n", sealed(None), sealed([]), sealed({}), sealed(7), sealed("text")])
def test_what_is_no_record_tells_nothing(raw: bytes) -> None:
    assert decode_file(raw) is None


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs", kinds=stored_kinds())


@pytest.fixture
def record(store: Store) -> TakeRecord:
    audio = store.outputs / RECORD.file
    audio.parent.mkdir(parents=True)
    audio.write_bytes(b"a sound")
    made = replace(RECORD, digest=file_digest(audio), mtime_ns=audio.stat().st_mtime_ns)
    store.put_take(made)
    return made


def left_alone(store: Store, record: TakeRecord) -> None:
    del store, record


def deleted(store: Store, record: TakeRecord) -> None:
    (store.outputs / record.file).unlink()


def altered(store: Store, record: TakeRecord) -> None:
    (store.outputs / record.file).write_bytes(b"another")


def touched(store: Store, record: TakeRecord) -> None:
    audio = store.outputs / record.file
    audio.write_bytes(audio.read_bytes())


def moved(store: Store, record: TakeRecord) -> None:
    old = store.outputs / record.old_file
    old.parent.mkdir()
    (store.outputs / record.file).rename(old)


def distrusted_and_damaged(store: Store, record: TakeRecord) -> None:
    audio = store.outputs / record.file
    audio.write_bytes(b"a_sound")
    store.put_take(replace(record, distrusted=True, mtime_ns=audio.stat().st_mtime_ns))


def tagged_half_way(store: Store, record: TakeRecord) -> None:
    store.put_take(replace(record, digest="ee" * 32, num_bytes=99, before=record.of_the_file))


def another_s(store: Store, record: TakeRecord) -> None:
    path_of(store, record).write_bytes(encode_record(replace(record, take="zwei.s1")))


def of_another_version(store: Store, record: TakeRecord) -> None:
    path_of(store, record).write_bytes(sealed({**to_json(record), "page": {"notes": []}}))


def bit_flipped(store: Store, record: TakeRecord) -> None:
    raw = bytearray(path_of(store, record).read_bytes())
    raw[100] ^= 1
    path_of(store, record).write_bytes(raw)


def path_of(store: Store, record: TakeRecord) -> Path:
    return store.folder / "takes" / record.take / f"{record.stem}.json"


@pytest.mark.parametrize(
    "happens",
    [
        left_alone, deleted, altered, touched, moved, distrusted_and_damaged, tagged_half_way, another_s,
        of_another_version, bit_flipped,
    ],
)  # fmt: skip
def test_a_file_is_found_or_not_as_by_its_whole_record_and_an_odd_one_is_set_aside(
    store: Store, record: TakeRecord, happens: Callable[[Store, TakeRecord], None]
) -> None:
    happens(store, record)
    beside = Store(store.outputs, kinds=stored_kinds())
    is_odd = whole(path_of(store, record).read_bytes()) is None or happens is another_s

    alone = store.audio(record.take, record.key)
    assert path_of(store, record).exists() is not is_odd, "what is odd is set aside whoever looks"
    found = beside.located(record.take, record.key)

    assert (alone is None) == (found is None)
    if alone and found:
        assert store.outputs / alone[1] == found[1]
        assert {name: getattr(alone[0], name) for name in ("take", "key", "digest")} == {
            name: getattr(found[0], name) for name in ("take", "key", "digest")
        }
    assert (found is not None) == (happens in (left_alone, touched, moved, tagged_half_way))
