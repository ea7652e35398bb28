"""album.toml: which songs in which order, how they are joined, and what they are sent out with.

```toml
title = "Night lines"
songs = ["night-bus", { song = "harbour.wide.s3", gap = 0, fade_out = 4 }]
loudness = -14
```

It renders nothing and stands in no take's key: it names takes that a listener keeps.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from renderer.files import from_home, is_regular, open_regular, real, why_refused
from renderer.formats.pictures import MOST_BYTES, PictureError, read_picture
from renderer.spec.album_schema import AlbumFile, AlbumSongTable
from renderer.spec.audio_files import audio_faults
from renderer.spec.diagnostics import Diagnostic
from renderer.spec.error_at import error_at
from renderer.spec.faults import STAND_IN, album_without_faults, diagnostics_of
from renderer.spec.inside import is_inside, outside
from renderer.spec.project import Overrides, SpecFolders
from renderer.spec.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.formats.pictures import Picture
    from renderer.spec.source import KeyPath
    from renderer.spec.toml import Parsed

GAP_SECONDS = 2.0
"""Of silence between two songs, where nothing is said: what records and burners have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumEntry:
    """A song's place in an album."""

    path: KeyPath
    """Where the file names it."""
    number: int
    """From 1."""
    named: str
    """A song or a take."""
    gap: float
    """Seconds of silence behind it; of the last one none."""
    fade_in: float
    """Seconds."""
    fade_out: float

    @property
    def song(self) -> str:
        """The song's name."""
        return self.named.partition(".")[0]

    @property
    def is_take(self) -> bool:
        """Whether it names a take, not a song whose kept take is meant."""
        return "." in self.named


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """What an album.toml says, as far as it is sound."""

    parsed: Parsed
    title: str
    artist: str | None = None
    date: str | None = None
    entries: tuple[AlbumEntry, ...]
    format: str
    loudness: float | None = None
    """In LUFS; None leaves every song as loud as it is."""
    cover: Picture | None = None
    voice: Path | None = None
    """The file that all takes are to have their timbre of."""

    @property
    def file(self) -> Path:
        """Where it was read."""
        return self.parsed.source.path


def read_album(path: Path) -> tuple[Album | None, tuple[Diagnostic, ...]]:
    """The album in a file, None where that tells too little of one, and what is wrong with the file alone.

    See `album_songs` for what is wrong with the songs that it names.
    """
    root = SpecFolders(Overrides()).of(real(path.parent)).root
    parsed = read_toml(path)
    if isinstance(parsed, Diagnostic):
        return None, (_seen(parsed, path, root),)
    spec, faults = _validated(parsed)
    if spec is None:
        return None, tuple(_seen(one, path, root) for one in faults)
    cover = _cover(spec, parsed, root)
    faults += [one for one in (cover, *_voice_faults(spec, parsed, root)) if isinstance(one, Diagnostic)]
    album = Album(
        parsed=parsed,
        title=spec.title,
        artist=spec.artist,
        date=spec.date,
        entries=tuple(_entries(spec)),
        format=spec.format or "flac",
        loudness=spec.loudness,
        cover=None if isinstance(cover, Diagnostic) else cover,
        voice=real(_beside(path, spec.voice)) if spec.voice and not faults else None,
    )
    return album, tuple(_seen(one, path, root) for one in faults)


def _validated(parsed: Parsed) -> tuple[AlbumFile | None, list[Diagnostic]]:
    """As far as it is sound, so that the rules on songs and files can speak as well."""
    try:
        return AlbumFile.model_validate(parsed.values), []
    except ValidationError as error:
        faults = list(diagnostics_of(error, parsed.source, root=AlbumFile))
        try:
            return AlbumFile.model_validate(album_without_faults(parsed.values, error)), faults
        except ValidationError:
            return None, faults


def _entries(spec: AlbumFile) -> Iterator[AlbumEntry]:
    usual = AlbumSongTable(song=STAND_IN, gap=spec.gap, fade_in=spec.fade_in, fade_out=spec.fade_out)
    for number, written in enumerate(spec.songs, start=1):
        own = written if isinstance(written, AlbumSongTable) else AlbumSongTable(song=written)
        if own.song == STAND_IN:
            continue
        gap = _first(own.gap, usual.gap, GAP_SECONDS) if number < len(spec.songs) else 0.0
        yield AlbumEntry(
            path=("songs", number - 1, "song") if own is written else ("songs", number - 1),
            number=number,
            named=unicodedata.normalize("NFC", own.song),
            gap=gap,
            fade_in=_first(own.fade_in, usual.fade_in, 0.0),
            fade_out=_first(own.fade_out, usual.fade_out, 0.0),
        )


def _first(*said: float | None) -> float:
    return next(one for one in said if one is not None)


def _cover(spec: AlbumFile, parsed: Parsed, root: Path) -> Picture | Diagnostic | None:
    if spec.cover is None:
        return None
    file, source = _beside(parsed.source.path, spec.cover), parsed.source
    if "\0" in spec.cover or not is_inside(file, root):
        return outside(parsed, ("cover",), spec.cover, root)
    if not is_regular(file):
        return error_at(
            source,
            source.value(("cover",)),
            code="cover-missing",
            message="the cover is not there",
            why=f"looked for `{spec.cover}` beside the album",
        )
    try:
        with open_regular(file) as opened:
            return read_picture(opened.read(MOST_BYTES + 1))
    except (PictureError, OSError) as error:
        return error_at(
            source,
            source.value(("cover",)),
            code="cover-file",
            message=f"`{spec.cover}` can't be a cover",
            why=why_refused(error) if isinstance(error, OSError) else str(error),
            advice="save it as JPEG or PNG, some 1,400 pixels wide",
        )


def _beside(album: Path, written: str) -> Path:
    """A file that an album names; `audio_faults` looks for it there, too."""
    return album.parent / from_home(written)


def _voice_faults(spec: AlbumFile, parsed: Parsed, root: Path) -> Iterator[Diagnostic]:
    if spec.voice is not None:
        yield from audio_faults(parsed, ("voice",), spec.voice, parsed.source.path.parent, root)


def _seen(fault: Diagnostic, path: Path, root: Path) -> Diagnostic:
    """Of a link out of the project no lines are shown: it may lead to anything of the user's."""
    if not path.is_symlink() or real(path).is_relative_to(root):
        return fault
    return replace(fault, span=None, excerpt="")
