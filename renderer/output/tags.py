"""Tags in audio files: one mapping of names to text, written as each format's players expect it.

Names with a field of their own in Vorbis comments and ID3 are in NAMES; every other name is written as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mutagen.flac import FLAC
from mutagen.id3 import COMM, ID3, TBPM, TIT2, TKEY, TSSE, TXXX, USLT, Encoding, Frame
from mutagen.mp3 import MP3
from mutagen.oggopus import OggOpus
from mutagen.wave import WAVE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TagName:
    """Where a tag goes."""

    vorbis: str
    """Field of a Vorbis comment (FLAC, Opus)."""
    frame: Callable[[str], Frame]
    """The ID3v2.4 frame (MP3, WAV)."""
    frame_id: str
    """The frame's hash key in mutagen."""


# ID3's language codes have three letters and ours have two: texts are marked undetermined, the language is a field.
NAMES: Mapping[str, TagName] = {
    "title": TagName(vorbis="TITLE", frame_id="TIT2", frame=lambda text: TIT2(encoding=Encoding.UTF8, text=[text])),
    "bpm": TagName(vorbis="BPM", frame_id="TBPM", frame=lambda text: TBPM(encoding=Encoding.UTF8, text=[text])),
    "key": TagName(vorbis="INITIALKEY", frame_id="TKEY", frame=lambda text: TKEY(encoding=Encoding.UTF8, text=[text])),
    "lyrics": TagName(
        vorbis="LYRICS",
        frame_id="USLT::und",
        frame=lambda text: USLT(encoding=Encoding.UTF8, lang="und", desc="", text=text),
    ),
    "comment": TagName(
        vorbis="COMMENT",
        frame_id="COMM::und",
        frame=lambda text: COMM(encoding=Encoding.UTF8, lang="und", desc="", text=[text]),
    ),
    "software": TagName(
        vorbis="ENCODER", frame_id="TSSE", frame=lambda text: TSSE(encoding=Encoding.UTF8, text=[text])
    ),
}


def tag_flac(path: Path, tags: Mapping[str, str]) -> None:
    """Vorbis comments in a FLAC file."""
    _tag_vorbis(FLAC(path), tags)


def tag_opus(path: Path, tags: Mapping[str, str]) -> None:
    """Vorbis comments in an Ogg Opus file."""
    _tag_vorbis(OggOpus(path), tags)


def tag_mp3(path: Path, tags: Mapping[str, str]) -> None:
    """ID3v2.4 at the head of an MP3 file."""
    _tag_id3(MP3(path), tags)


def tag_wav(path: Path, tags: Mapping[str, str]) -> None:
    """ID3v2.4 in an `id3` chunk behind a WAV file's samples."""
    _tag_id3(WAVE(path), tags)


def read_tag(path: Path, name: str) -> str | None:
    """One tag of an audio file of ours, whatever its name ends in; None when it has none.

    Raises: OSError, mutagen.MutagenError when the file can't be read.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    if head == b"fLaC":
        return _first(FLAC(path).tags, _vorbis_name(name))
    if head == b"OggS":
        return _first(OggOpus(path).tags, _vorbis_name(name))
    tags = WAVE(path).tags if head == b"RIFF" else MP3(path).tags
    frame = tags.get(_frame_id(name)) if tags else None
    if frame is None:
        return None
    return str(frame.text if isinstance(frame, USLT) else frame.text[0])


def _tag_vorbis(file: FLAC | OggOpus, tags: Mapping[str, str]) -> None:
    if file.tags is None:
        file.add_tags()
    # libsndfile leaves an ENCODER field of its own, which would say less than ours.
    file.tags.clear()
    for name, text in tags.items():
        file.tags[_vorbis_name(name)] = [text]
    file.save()


def _tag_id3(file: MP3 | WAVE, tags: Mapping[str, str]) -> None:
    if not tags:
        return
    if file.tags is None:
        file.add_tags()
    id3: ID3 = file.tags
    for name, text in tags.items():
        id3.add(_frame(name, text))
    file.save()


def _vorbis_name(name: str) -> str:
    return NAMES[name].vorbis if name in NAMES else name.upper()


def _frame(name: str, text: str) -> Frame:
    if name in NAMES:
        return NAMES[name].frame(text)
    return TXXX(encoding=Encoding.UTF8, desc=name.upper(), text=[text])


def _frame_id(name: str) -> str:
    return NAMES[name].frame_id if name in NAMES else f"TXXX:{name.upper()}"


def _first(tags: Mapping[str, list[str]] | None, name: str) -> str | None:
    found = tags.get(name) if tags else None
    return found[0] if found else None
