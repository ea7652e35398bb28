"""An album's songs -> the takes that they mean, or what is wrong with each, at its place in the file.

Judged twice: `name_faults` by specs and votes alone, for `check`; `choose` by what was rendered, too.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renderer.spec.error_at import error_at
from renderer.spec.near import suggestion
from renderer.spec.picks import Vote, rejection
from renderer.spec.take_names import preview_named, take_named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from renderer.song import Song
    from renderer.spec.album import Album, AlbumEntry
    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.picks import Pick


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSongs:
    """What an album's names can mean."""

    songs: Mapping[str, Song]
    faulty: Collection[str] = ()
    """Songs whose specs have errors, which are told of elsewhere."""
    picks: Mapping[str, Pick] = field(default_factory=dict)
    """All votes on their takes."""

    def is_stem(self, take: str) -> bool:
        """Whether a take is one track alone, taken out of another take: no song."""
        song, _, rest = take.partition(".")
        named = take_named(rest)
        variants = self.songs[song].variants if song in self.songs and named else ()
        edits = (one.edit for one in variants if named and one.name == named[0])
        return any(edit is not None and edit.task == "extract" for edit in edits)

    def is_rejected(self, take: str, key: str = "") -> bool:
        """Whether a listener rejects a take in the version of that key; without one, in whatever version."""
        return take in self.picks and self.picks[take].rejects(key)

    def may_be_kept(self, take: str) -> bool:
        """Whether it is a song's take that a listener keeps, and neither its beginning nor a stem of it."""
        kept = take in self.picks and self.picks[take].vote is Vote.KEEP
        return kept and not preview_named(take) and not self.is_stem(take)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumChoice:
    """A song of an album with its take."""

    entry: AlbumEntry
    song: Song
    take: str | None
    """None where none is kept yet."""


def name_faults(album: Album, known: ProjectSongs) -> Iterator[Diagnostic]:
    """What is wrong with the names that an album gives."""
    before: list[AlbumEntry] = []
    for entry in album.entries:
        fault = _unknown(album, entry, known) or _unfit(album, entry, known) or _twice(album, entry, before)
        if fault is None:
            before.append(entry)
        else:
            yield fault


def choose(
    album: Album, known: ProjectSongs, rendered: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[AlbumChoice, ...], tuple[Diagnostic, ...]]:
    """The takes meant, and what is wrong with them; of names without fault.

    `rendered` tells of each song which of its takes can be heard and the key of that version, which is the one that
    was kept where one was.
    """
    choices, faults = [], []
    for entry in album.entries:
        there = rendered[entry.song]
        if entry.is_take:
            kept: Sequence[str] = [entry.named]
            if entry.named in there:
                faults += [_rejected(album, entry)] if known.is_rejected(entry.named, there[entry.named]) else []
            elif known.may_be_kept(entry.named):
                faults.append(_gone(album, entry, entry.named))
            else:
                faults.append(_not_rendered(album, entry, there))
        else:
            kept = [take for take in there if known.may_be_kept(take)]
            gone = [take for take in known.picks if take.partition(".")[0] == entry.song and known.may_be_kept(take)]
            if not kept and gone:
                faults.append(_gone(album, entry, gone[0]))
            elif len(kept) > 1:
                faults.append(_several(album, entry, kept))
        choices.append(AlbumChoice(entry=entry, song=known.songs[entry.song], take=kept[0] if kept else None))
    return tuple(choices), tuple(faults)


def _unknown(album: Album, entry: AlbumEntry, known: ProjectSongs) -> Diagnostic | None:
    if entry.song in known.songs or entry.song in known.faulty:
        return None
    return _at(
        album,
        entry,
        code="album-song",
        message=f"there is no song `{entry.song}`",
        why="no spec of the project bears the name",
        advice=suggestion(entry.song, (*known.songs, *known.faulty)) or "name a song as its spec is called",
    )


def _unfit(album: Album, entry: AlbumEntry, known: ProjectSongs) -> Diagnostic | None:
    """Of what stands behind a song's name."""
    song, name = known.songs.get(entry.song), entry.named
    if song is None or not entry.is_take:
        return None
    if preview := preview_named(name):
        return _at(
            album,
            entry,
            code="album-take",
            message=f"`{name}` is a preview",
            why="it ends early",
            advice=f"name the whole take: `{preview[0]}`",
        )
    named = take_named(name.partition(".")[2])
    if name not in known.picks and (named is None or named[0] not in {one.name for one in song.variants}):
        takes = [take.name for take in song.possible_takes()]
        return _at(
            album,
            entry,
            code="album-take",
            message=f"`{song.name}` has no take `{name}`",
            why="a take is a song, a variant of it or none, and a seed",
            advice=suggestion(name, takes, most=3) or f"name it like `{takes[0]}`",
        )
    if known.is_stem(name):
        return _at(
            album,
            entry,
            code="album-take",
            message=f"`{name}` is a stem",
            why="an `extract` edit holds one track alone",
            advice="name the take that it was taken out of",
        )
    # Which version bears the name is known where it was rendered alone: see `choose`.
    return _rejected(album, entry) if known.is_rejected(name) else None


def _rejected(album: Album, entry: AlbumEntry) -> Diagnostic:
    return _at(album, entry, code="album-rejected", **rejection(entry.named))


def _twice(album: Album, entry: AlbumEntry, before: Sequence[AlbumEntry]) -> Diagnostic | None:
    """The same take, or a song that is there already, unless both places name a take of their own."""
    others = [one for one in before if one.song == entry.song]
    if not any(one.named == entry.named or not one.is_take or not entry.is_take for one in others):
        return None
    return _at(
        album,
        entry,
        code="album-twice",
        message=f"`{entry.song}` is there twice",
        why=f"it is number {others[0].number} already",
        advice="drop one, or name another take at each place",
    )


def _not_rendered(album: Album, entry: AlbumEntry, there: Collection[str]) -> Diagnostic:
    return _at(
        album,
        entry,
        code="album-not-rendered",
        message=f"there is no rendered take `{entry.named}`",
        why="nothing lies under that name that could be heard",
        advice=suggestion(entry.named, there, most=3) or f"renderer render {shlex.quote(entry.named)}",
    )


def _gone(album: Album, entry: AlbumEntry, take: str) -> Diagnostic:
    return _at(
        album,
        entry,
        code="album-not-rendered",
        message=f"`{take}` is kept, and the version that was kept is not there",
        why="it was deleted, or its spec was changed and its former versions freed",
        advice=f"renderer render {shlex.quote(take)}, hear it, and renderer keep {shlex.quote(take)}",
    )


def _several(album: Album, entry: AlbumEntry, kept: Sequence[str]) -> Diagnostic:
    return _at(
        album,
        entry,
        code="album-several",
        message=f"`{entry.song}` has {len(kept)} kept takes",
        why=", ".join(f"`{take}`" for take in kept),
        advice="write the one that is meant, or take the other votes back with `renderer keep --forget TAKE`",
    )


def _at(album: Album, entry: AlbumEntry, *, code: str, message: str, why: str, advice: str) -> Diagnostic:
    source = album.parsed.source
    return error_at(source, source.value(entry.path), code=code, message=message, why=why, advice=advice)
