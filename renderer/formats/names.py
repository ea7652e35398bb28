"""The names tags go by: ours -> a field of Vorbis comments, a frame of ID3. One without a row is written as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Tags = Mapping[str, str]
"""Our name, lower case -> text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagName:
    """Where a tag goes."""

    vorbis: str
    """Field of a Vorbis comment."""
    frame: str
    """ID3v2.4's frame."""


NAMES: Mapping[str, TagName] = {
    "title": TagName(vorbis="TITLE", frame="TIT2"),
    "bpm": TagName(vorbis="BPM", frame="TBPM"),
    "key": TagName(vorbis="INITIALKEY", frame="TKEY"),
    "lyrics": TagName(vorbis="LYRICS", frame="USLT"),
    "artist": TagName(vorbis="ARTIST", frame="TPE1"),
    "album": TagName(vorbis="ALBUM", frame="TALB"),
    "albumartist": TagName(vorbis="ALBUMARTIST", frame="TPE2"),
    "track": TagName(vorbis="TRACKNUMBER", frame="TRCK"),
    "date": TagName(vorbis="DATE", frame="TDRC"),
    "comment": TagName(vorbis="COMMENT", frame="COMM"),
    "software": TagName(vorbis="ENCODER", frame="TSSE"),
}
OF_FIELD: Mapping[str, str] = {row.vorbis: name for name, row in NAMES.items()}
OF_FRAME: Mapping[str, str] = {row.frame: name for name, row in NAMES.items()}


def field_of(name: str) -> str:
    """The Vorbis comment's field for one of our names."""
    return NAMES[name].vorbis if name in NAMES else name.upper()


def name_of_field(field: str) -> str:
    """Our name for a Vorbis comment's field, whatever its case."""
    return OF_FIELD.get(field.upper(), field.lower())
