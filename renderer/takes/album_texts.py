"""An album's tracks -> the texts that players and burners read: a cue sheet and an M3U playlist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CUE_KINDS = {"mp3": "MP3"}
"""Format -> what a cue sheet calls it; every other is `WAVE`, which there means whatever can be decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTrack:
    """A track as the lists tell of it."""

    title: str
    file: str
    """Beside the lists."""
    seconds: float
    """The silence behind it counted in."""


def cue_text(tracks: Sequence[ListedTrack], *, title: str, artist: str | None, date: str | None, format: str) -> str:  # noqa: A002 - the spec's word
    """A cue sheet with a file for each track, UTF-8.

    Silence between tracks lies in the files, at their ends: `PREGAP` would have burners add it once more, and players
    leave it out.
    """
    performer = f"PERFORMER {_quoted(artist)}" if artist else ""
    head = (f"REM DATE {_plain(date)}" if date else "", performer, f"TITLE {_quoted(title)}")
    lines = [line for line in head if line]
    for number, track in enumerate(tracks, start=1):
        lines.append(f"FILE {_quoted(track.file)} {CUE_KINDS.get(format, 'WAVE')}")
        lines.append(f"  TRACK {number:02d} AUDIO")
        lines.append(f"    TITLE {_quoted(track.title)}")
        lines += [f"    {performer}"] if performer else []
        lines.append("    INDEX 01 00:00:00")
    return "\n".join(lines) + "\n"


def m3u_text(tracks: Sequence[ListedTrack], *, title: str, artist: str | None) -> str:
    """An extended M3U of files beside it, UTF-8."""
    return "\n".join(("#EXTM3U", f"#PLAYLIST:{_plain(title)}", *_entries(tracks, artist))) + "\n"


def _entries(tracks: Sequence[ListedTrack], artist: str | None) -> Iterator[str]:
    by = f"{_plain(artist)} - " if artist else ""
    for track in tracks:
        yield f"#EXTINF:{round(track.seconds)},{by}{_plain(track.title)}"
        yield track.file


def _quoted(text: str) -> str:
    """In double quotes, which a cue sheet has no way to write inside of them."""
    return '"{}"'.format(_plain(text).replace('"', "'"))


def _plain(text: str) -> str:
    """In one line, with nothing that a terminal would act on."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
