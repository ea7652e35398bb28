"""Tags change, the sound doesn't: of our files, of those 0.1.0 wrote, and of other programs'."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from renderer.formats.chunked import ChunkedFile
from renderer.formats.read import read_tags
from renderer.formats.splice import CHUNK_BYTES, TagError, splice
from renderer.formats.table import FORMATS
from renderer.takes.audio import write_audio
from renderer.takes.recipe import read_recipe
from tests.takes.test_audio import tone

if TYPE_CHECKING:
    from collections.abc import Mapping

BEFORE = Path(__file__).with_name("tagged_before")
OURS = sorted(path.name for path in BEFORE.glob("renderer-0.1.0.*"))
LONG = json.dumps({"recipe": 1, "lyrics": "夜の🌙 ñandú\\n" * 6_000}, ensure_ascii=False)
CHANGES: Mapping[str, Mapping[str, str]] = {
    "short": {"title": "a"},
    "long": {"title": "Ñandú «夜» 🌙", "lyrics": "[verse]\nla\n\nla", "renderer_recipe": LONG, "seed": "4294967295"},
    "unicode": {"title": "\u202eمرحبا", "comment": "Ⅷ — naïve\ttab", "language": "unknown", "bpm": "72", "key": "F♯"},
    "equals": {"title": "a=b=c\n=", "software": ""},
    "nothing": {},
}


def sound(path: Path, kind: str) -> bytes:
    with path.open("rb") as file:
        return b"".join(FORMATS[kind].tagger().sound(file))


def heard(path: Path) -> bytes:
    samples: bytes = soundfile.read(path, dtype="float32")[0].tobytes()
    return samples


@pytest.fixture(scope="module", params=FORMATS)
def take(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("take") / f"take.{request.param}"
    write_audio(tone(), path, request.param, {"title": "first", "renderer_recipe": '{"a":1}'})
    return path


@pytest.mark.parametrize("tags", CHANGES.values(), ids=CHANGES.keys())
def test_other_tags_leave_every_byte_of_sound_and_give_the_file_a_new_render_gives(
    take: Path, tmp_path: Path, tags: Mapping[str, str]
) -> None:
    kind = take.suffix[1:]
    path = tmp_path / take.name
    shutil.copy(take, path)
    # There and back again over every length: what was put in before leaves no trace.
    for step in (CHANGES["long"], {}, tags):
        FORMATS[kind].tagger().tag(path, step)
        assert read_tags(path) == step
    assert sound(path, kind) == sound(take, kind)
    assert heard(path) == heard(take)
    write_audio(tone(), tmp_path / "anew", kind, tags)
    assert path.read_bytes() == (tmp_path / "anew").read_bytes()


@pytest.mark.parametrize("kind", [kind for kind, row in FORMATS.items() if not isinstance(row.tagger(), ChunkedFile)])
def test_another_library_reads_the_title(tmp_path: Path, kind: str) -> None:
    write_audio(tone(), tmp_path / "take", kind, CHANGES["long"])
    with soundfile.SoundFile(tmp_path / "take") as file:
        assert file.title == "Ñandú «夜» 🌙"


@pytest.mark.parametrize("name", OURS)
def test_files_of_0_1_0_give_their_recipe_and_take_new_tags(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    shutil.copy(BEFORE / name, path)
    kind = path.suffix[1:]
    recipe = json.loads((BEFORE / "recipe.json").read_text("utf-8"))
    assert read_recipe(path) == recipe
    tags = read_tags(path)
    assert (tags["title"], tags["lyrics"], tags["bpm"]) == ("Chihuahua «夜»", recipe["spec"]["lyrics"], "72")

    FORMATS[kind].tagger().tag(path, CHANGES["long"])

    assert read_tags(path) == CHANGES["long"]
    assert heard(path) == heard(BEFORE / name)
    assert sound(path, kind) == sound(BEFORE / name, kind)


@pytest.mark.parametrize("name", ["id3v23-utf16.mp3", "picture.flac", "id3v23.wav"])
def test_other_programs_tags_are_read_and_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    shutil.copy(BEFORE / name, path)
    found = read_tags(path)
    assert (found["title"], found["renderer_recipe"]) == ("Ñandú «夜»", '{"recipe":1}')

    FORMATS[path.suffix[1:]].tagger().tag(path, CHANGES["unicode"])

    assert read_tags(path) == CHANGES["unicode"]
    assert heard(path) == heard(BEFORE / name)


def test_a_picture_in_a_flac_stays(tmp_path: Path) -> None:
    path = tmp_path / "picture.flac"
    shutil.copy(BEFORE / path.name, path)
    FORMATS["flac"].tagger().tag(path, {"title": "a"})
    assert bytes(range(256)) * 2 in path.read_bytes()


def test_a_flac_behind_an_id3_tag_is_read(tmp_path: Path) -> None:
    path = tmp_path / "odd.flac"
    path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x05" + bytes(5) + (BEFORE / "picture.flac").read_bytes())
    assert read_tags(path)["title"] == "Ñandú «夜»"


def id3(version: int, flags: int, body: bytes) -> bytes:
    size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3" + bytes([version, 0, flags]) + size + body


def frame(name: bytes, content: bytes, flags: bytes = b"\0\0") -> bytes:
    return name + len(content).to_bytes(4, "big") + flags + content


WIDE = b"\x01" + "\ufeffNuit".encode("utf-16-le")
OTHERS: Mapping[str, bytes] = {
    "2.2": id3(2, 0, b"TT2" + (5).to_bytes(3, "big") + b"\x00Nuit" + bytes(40)),
    "2.3 in UTF-16": id3(3, 0, frame(b"TIT2", WIDE)),
    # 0xFF 0xFE, the mark of UTF-16, looks like sound: a zero goes between.
    "2.3 unsynchronised": id3(3, 0x80, frame(b"TIT2", WIDE).replace(b"\xff", b"\xff\x00")),
    "2.4 unsynchronised, with its length": id3(
        4, 0, frame(b"TIT2", b"\0\0\0\x0b" + WIDE.replace(b"\xff", b"\xff\x00"), b"\0\x03")
    ),
    "2.4 with an extended head": id3(4, 0x40, b"\0\0\0\x06\x01\0" + frame(b"TIT2", b"\x03Nuit")),
    "2.3 with an extended head": id3(3, 0x40, b"\0\0\0\x06" + bytes(6) + frame(b"TIT2", b"\x00Nuit")),
    "2.4 in two tags": id3(4, 0, frame(b"TIT2", b"\x03Nuit")) + id3(4, 0, frame(b"TIT2", b"\x03Jour")),
    "UTF-16 described by letters that end in zeros": id3(
        3, 0, frame(b"TXXX", b"\x02" + "Ā\0".encode("utf-16-be") + "x".encode("utf-16-be")) + frame(b"TIT2", WIDE)
    ),
    "several texts": id3(4, 0, frame(b"TIT2", b"\x03Nuit\x00Jour")),
    "frames nobody knows": id3(4, 0, frame(b"PRIV", bytes(9)) + frame(b"XYZW", b"") + frame(b"TIT2", b"\x03Nuit")),
}


@pytest.mark.parametrize("tag", OTHERS.values(), ids=OTHERS.keys())
def test_id3_of_every_version_is_read_and_replaced(tmp_path: Path, tag: bytes) -> None:
    bare = tmp_path / "bare"
    write_audio(tone(), bare, "mp3", {})
    path = tmp_path / "odd.mp3"
    path.write_bytes(tag + bare.read_bytes())
    assert read_tags(path)["title"] == "Nuit"

    FORMATS["mp3"].tagger().tag(path, {})

    assert path.read_bytes() == bare.read_bytes()


def test_the_tail_that_old_players_read_stays(tmp_path: Path) -> None:
    path = tmp_path / "tail.mp3"
    shutil.copy(BEFORE / "id3v23-utf16.mp3", path)
    assert path.read_bytes()[-128:-125] == b"TAG"
    FORMATS["mp3"].tagger().tag(path, {"title": "a"})
    assert path.read_bytes()[-128:-125] == b"TAG"


def riff(*chunks: bytes, tail: bytes = b"") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body + tail


def chunk(name: bytes, content: bytes, pad: bytes = b"\0") -> bytes:
    return name + struct.pack("<I", len(content)) + content + pad * (len(content) % 2)


FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 48_000, 48_000, 1, 8))
PCM = bytes(range(101))
TITLE = id3(3, 0, frame(b"TIT2", b"\x00Nuit"))


@pytest.mark.parametrize(
    "content",
    [
        riff(FMT, chunk(b"data", PCM), chunk(b"ID3 ", TITLE)),
        riff(FMT, chunk(b"id3 ", TITLE), chunk(b"data", PCM)),
        riff(FMT, chunk(b"LIST", b"INFOISFT\x04\0\0\0abcd"), chunk(b"id3 ", TITLE + b"\0"), chunk(b"data", PCM, b"")),
        riff(FMT, chunk(b"id3 ", TITLE), chunk(b"data", PCM), tail=b"what some program left"),
        riff(FMT, chunk(b"id3 ", TITLE), chunk(b"data", PCM), chunk(b"id3 ", TITLE)),
    ],
    ids=["capitals", "before the samples", "odd and not filled up", "rubbish behind", "twice"],
)
def test_a_wav_of_any_make_keeps_its_samples(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.wav"
    path.write_bytes(content)
    before = heard(path)
    assert read_tags(path)["title"] == "Nuit"
    for tags in ({"title": "ab"}, {"title": "abc"}, {}, {"title": LONG}):
        FORMATS["wav"].tagger().tag(path, tags)
        assert read_tags(path) == tags
        assert sound(path, "wav") == PCM
        assert heard(path) == before


def test_pages_of_another_stream_stay_where_they_are(tmp_path: Path) -> None:
    """A chained file: a second stream follows the first."""
    for name, title in (("one", "a"), ("two", "b")):
        write_audio(tone(0.3 if name == "one" else 0.4), tmp_path / name, "opus", {"title": title})
    second = (tmp_path / "two").read_bytes()
    path = tmp_path / "both.opus"
    path.write_bytes((tmp_path / "one").read_bytes() + second)

    FORMATS["opus"].tagger().tag(path, {"title": "c", "renderer_recipe": LONG})

    assert read_tags(path)["title"] == "c"
    assert path.read_bytes().endswith(second)


def test_a_damaged_opus_page_is_not_numbered_anew(tmp_path: Path) -> None:
    path = tmp_path / "bad.opus"
    content = bytearray((BEFORE / "renderer-0.1.0.opus").read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(TagError, match="page 2 is damaged"):
        FORMATS["opus"].tagger().tag(path, {"title": "a"})
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", sorted(path.name for path in BEFORE.iterdir() if path.suffix != ".json"))
def test_cut_or_altered_anywhere_a_file_is_read_or_refused_in_words(tmp_path: Path, name: str) -> None:
    whole = (BEFORE / name).read_bytes()
    path = tmp_path / name
    drawn = random.Random(name)
    cuts = [whole[:length] for length in {*range(0, 200, 3), *drawn.sample(range(len(whole)), 40)}]
    flips = []
    for at in {*range(0, 200, 3), *drawn.sample(range(len(whole)), 40)}:
        flipped = bytearray(whole)
        flipped[at] ^= 1 << drawn.randrange(8)
        flips.append(bytes(flipped))
    for content in cuts + flips:
        for use in (read_tags, lambda file: FORMATS[file.suffix[1:]].tagger().tag(file, {"title": "a"})):
            path.write_bytes(content)
            try:
                use(path)
            except TagError as error:
                assert str(error)  # noqa: PT017 - most of them are read all the same


def test_tags_too_long_for_a_format_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "take.flac"
    write_audio(tone(0.1), path, "flac", {})
    before = path.read_bytes()
    with pytest.raises(TagError, match="16,777,215 bytes"):
        FORMATS["flac"].tagger().tag(path, {"lyrics": "x" * (1 << 24)})
    assert path.read_bytes() == before


@pytest.mark.parametrize("length", [0, 1, 3, CHUNK_BYTES - 1, CHUNK_BYTES + 1])
@pytest.mark.parametrize("tail", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 5])
def test_splicing_is_what_slices_would_give(tmp_path: Path, length: int, tail: int) -> None:
    head, old = os.urandom(7), os.urandom(CHUNK_BYTES // 2)
    rest, new = np.random.default_rng(tail).bytes(tail), os.urandom(length)
    path = tmp_path / "file"
    path.write_bytes(head + old + rest)
    splice(path, len(head), len(head) + len(old), new)
    assert path.read_bytes() == head + new + rest


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_no_text_is_written_as_far_as_it_is(tmp_path: Path, kind: str) -> None:
    """Half of a character, as a folder's odd name may hold it; a NUL, which ends a text in ID3."""
    write_audio(tone(0.1), tmp_path / "take", kind, {"title": "a\udcffb", "comment": "c\0d"})
    assert read_tags(tmp_path / "take")["title"] == "a?b"
    assert read_tags(tmp_path / "take")["comment"].replace("\0", "") == "cd"


@pytest.mark.parametrize("head", [b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", b"ID3\x03\x00\x00\x40\x00\x00\x00"])
def test_tags_that_say_they_are_endless_are_refused(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "odd.mp3"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(1 << 28)
    with pytest.raises(TagError):
        read_tags(path)
