"""Names of takes -> the versions that bear them now: what was heard, and can be voted on, sent or told of."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from renderer.errors import StoreError, UsageError
from renderer.models.family import stored_kinds
from renderer.pipeline.faulty_specs import faulty_specs, outputs_of, refuse_faulty
from renderer.pipeline.options import Options
from renderer.pipeline.select import select
from renderer.spec.near import suggestion
from renderer.spec.take_names import preview_named
from renderer.store.store import Store
from renderer.store.takes import file_digest
from renderer.takes.versions import current_version
from renderer.takes.votes import all_picks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from renderer.song import Song
    from renderer.store.takes import TakeRecord

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SongFolders:
    """Where a song's spec and its takes lie, whatever is wrong with the spec."""

    source: Path
    outputs: Path


def rendered_takes(names: Sequence[str], outputs: Path | None) -> dict[str, tuple[Song, TakeRecord]]:
    """Take name -> its song, and the version that bears the name now; `*`, `?` and `[…]` stand for what is there.

    Raises: SpecError for takes of specs with errors, UsageError for a name without a song or without audio, and for a
    pattern that fits none.
    """
    songs = _songs(outputs)
    refuse_faulty([*_of_one_song(names), *_of_faulty_specs(names, songs.values(), outputs)], songs.values())
    found = _matches(names, _folders(songs), songs, outputs)
    return {take: (songs[take.partition(".")[0]], record) for take, record in found}


def heard_takes(names: Sequence[str], outputs: Path | None) -> dict[str, tuple[SongFolders, TakeRecord]]:
    """The same of takes that are heard, not told of: an error of the spec, which a vote may be, is in nobody's way.

    Raises: SpecError and UsageError for a name or a pattern that no audio bears.
    """
    songs = _songs(outputs)
    known = {**_others(songs), **_folders(songs)}
    return {take: (known[take.partition(".")[0]], record) for take, record in _matches(names, known, songs, outputs)}


def voted_takes(names: Sequence[str], outputs: Path | None) -> dict[str, tuple[SongFolders, TakeRecord | None]]:
    """The same and, without a version, takes that no audio bears any more and that a vote beside a spec is on.

    Raises: as `heard_takes`, of names that no vote is on either; SpecError for picks that can't be read.
    """
    songs = _songs(outputs)
    known = {**_others(songs), **_folders(songs)}
    beside = {take: song for song in known.values() for take in all_picks([song])}
    voted = {take: song for take, song in beside.items() if any(_fits(name, take) for name in names)}
    heard = _matches(names, known, songs, outputs, voted)
    return {
        **{take: (song, None) for take, song in voted.items()},
        **{take: (known[take.partition(".")[0]], record) for take, record in heard},
    }


def _songs(outputs: Path | None) -> dict[str, Song]:
    return {song.name: song for song in select((), Options(outputs=outputs)).songs}


def _folders(songs: Mapping[str, Song]) -> dict[str, SongFolders]:
    return {name: SongFolders(source=song.source, outputs=song.outputs) for name, song in songs.items()}


def _others(songs: Mapping[str, Song]) -> dict[str, SongFolders]:
    """Of the specs with errors."""
    faulty = faulty_specs(songs.values()).items()
    return {name: SongFolders(source=file, outputs=outputs_of(file)) for name, file in faulty}


def _of_one_song(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if not _WILD.search(name.partition(".")[0]))


def _of_faulty_specs(names: Iterable[str], songs: Iterable[Song], outputs: Path | None) -> Iterator[str]:
    """What patterns for several songs would leave out without a word: takes that can be heard."""
    patterns = [name for name in names if _WILD.search(name.partition(".")[0])]
    for song, file in faulty_specs(songs).items() if patterns else ():
        takes = Store(outputs or outputs_of(file), kinds=stored_kinds()).take_names()
        own = (take for take in takes if take.partition(".")[0] == song)
        yield from (take for take in own if any(fnmatchcase(take, pattern) for pattern in patterns))


def _matches(
    names: Iterable[str],
    known: Mapping[str, SongFolders],
    songs: Mapping[str, Song],
    outputs: Path | None,
    voted: Iterable[str] = (),
) -> Iterator[tuple[str, TakeRecord]]:
    """Takes of the songs that are `known`, those whose specs have errors too; what is `voted` on needn't be heard."""
    for name in names:
        fitting = tuple(_fitting(name, known, outputs))
        if not fitting and not any(_fits(name, take) for take in voted):
            refuse_faulty([name], songs.values())
            raise _without_sound(name, known.values(), outputs)
        yield from fitting


def _fitting(name: str, songs: Mapping[str, SongFolders], outputs: Path | None) -> Iterator[tuple[str, TakeRecord]]:
    song = songs.get(name.partition(".")[0])
    record = current_version(Store(outputs or song.outputs, kinds=stored_kinds()), name) if song else None
    if record:
        yield name, record
        return
    for title, one in songs.items() if _WILD.search(name) else ():
        store = Store(outputs or one.outputs, kinds=stored_kinds())
        for take in sorted(store.take_names(), key=in_numbers):
            fits = take.partition(".")[0] == title and _fits(name, take)
            if fits and (record := current_version(store, take)):
                yield take, record


def _fits(pattern: str, take: str) -> bool:
    return pattern == take or (fnmatchcase(take, pattern) and not _is_preview_of(pattern, take))


def _is_preview_of(pattern: str, take: str) -> bool:
    """Whether it is a take's beginning: nobody means it by the take's own pattern."""
    preview = preview_named(take)
    return preview is not None and (".preview" not in pattern or fnmatchcase(preview[0], pattern))


def in_numbers(name: str) -> list[object]:
    """Seed 10 behind seed 9."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def require_intact(audio: Path, *, digest: str, take: str) -> None:
    """Look whether a take's file is what was rendered, byte by byte.

    Raises: StoreError when it isn't; OSError when it can't be read.
    """
    if file_digest(audio) != digest:
        raise StoreError(
            f"`{audio.name}` isn't what was rendered",
            why="its bytes changed since",
            help=f"renderer render --verify {shlex.quote(take)} makes it again",
        )


def _without_sound(name: str, songs: Iterable[SongFolders], outputs: Path | None) -> UsageError:
    folders = {outputs} if outputs else {song.outputs for song in songs}
    known = [take for folder in folders if folder for take in Store(folder, kinds=stored_kinds()).take_names()]
    return UsageError(
        f"there is no rendered take `{name}`",
        why="nothing lies under that name that could be heard",
        help=suggestion(name, known, most=3) or "see `renderer status`",
    )
