"""Every byte of what the store writes, damaged in turn: it is noticed, and nothing but a StoreError says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Codes, Cot, CotMetas, Latents
from renderer.errors import StoreError
from renderer.provenance import CodesNotes, Origin
from renderer.store.encoding import decode, encode
from renderer.store.takes import TakeRecord, decode_record, encode_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "latents/ab12"
ARTIFACTS = (
    Cot(text="<think>\nbpm: 90\n</think>", metas=CotMetas(bpm=90, caption="Ñandú 🎸")),
    Codes(codes=np.array([1, 63_999, 0], dtype=np.int32), notes=CodesNotes(seconds=1.5)),
    Latents(frames=np.arange(8, dtype=np.float32).reshape(4, 2)),
)
RECORD = TakeRecord(
    key="ab" * 32, take="eins.s1", song="eins", file="eins/eins.s1.flac", num_bytes=7, mtime_ns=1, digest="cd" * 32,
    requests={"latents": {"steps": 8}}, keys={"latents": "ef" * 32},
)  # fmt: skip


def damaged(raw: bytes) -> Iterator[bytes]:
    """One bit of each byte flipped, each length cut to, and a byte too many."""
    for position in range(len(raw)):
        for bit in (position % 8, 7):
            content = bytearray(raw)
            content[position] ^= 1 << bit
            yield bytes(content)
        yield raw[:position]
    yield raw + b"x"


def is_noticed(read: Callable[[bytes], object], content: bytes) -> bool:
    try:
        read(content)
    except StoreError:
        return True
    return False


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda artifact: type(artifact).__name__)
def test_an_artifact_damaged_anywhere_is_noticed(artifact: Cot | Codes | Latents) -> None:
    raw = encode(artifact, Origin(stage="latents"), NAME)
    whole = [
        content for content in damaged(raw) if not is_noticed(lambda one: decode(one, NAME, type(artifact)), content)
    ]
    # What safetensors fills its header up with holds nothing: blanks that another blank may stand for.
    assert all(decode(content, NAME, type(artifact))[1] == Origin(stage="latents") for content in whole)
    assert len(whole) <= 16, f"{len(whole)} damages of {len(raw)} bytes"


def test_a_record_damaged_anywhere_is_noticed() -> None:
    raw = encode_record(RECORD)
    whole = [content for content in damaged(raw) if not is_noticed(decode_record, content)]
    assert all(decode_record(content) == RECORD for content in whole)
    assert len(whole) <= 2


@pytest.mark.parametrize("name", ["latents/ab13", "codes/ab12", "None/None", ""])
def test_an_artifact_under_another_name_is_noticed(name: str) -> None:
    assert is_noticed(lambda raw: decode(raw, name, type(ARTIFACTS[0])), encode(ARTIFACTS[0], Origin(), NAME))


def test_what_version_0_1_0_wrote_is_read_by_the_name_it_told_there() -> None:
    import json

    from safetensors.numpy import load, save

    from renderer.store.encoding import digest

    made_by = Origin(stage="latents", key="ab12")
    raw = encode(ARTIFACTS[2], made_by, NAME)
    sealed = json.loads(json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]["renderer"])
    record = json.loads(sealed["record"])
    del record["name"]
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    arrays = load(raw)
    old = save(arrays, metadata={"renderer": json.dumps({"digest": digest(text, arrays), "record": text})})

    assert decode(old, NAME, type(ARTIFACTS[2]))[1] == made_by
    assert is_noticed(lambda one: decode(one, "latents/cd34", type(ARTIFACTS[2])), old)


@pytest.mark.parametrize(
    "field", ["key", "take", "song", "file", "digest", "num_bytes", "mtime_ns", "requests", "keys", "page"]
)
@pytest.mark.parametrize("value", [None, 7, "text", [], {}, 1.5, True])
def test_a_record_with_a_value_of_another_kind_is_none(field: str, value: object) -> None:
    import hashlib
    import json

    from renderer.json_values import to_json

    written = to_json(RECORD)
    if type(value) is type(written[field]):
        return
    body = json.dumps({**written, field: value}).encode()
    assert is_noticed(decode_record, hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n")
