"""Votes on takes, kept in `picks.toml` beside the specs: read for the report and the store, written by `keep`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import StoreError
from renderer.spec.picks import Pick, Vote, picks_text, read_picks
from renderer.store.disk import RealDisk, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from renderer.song import Song
    from renderer.store.takes import TakeRecord

PICKS_NAME = "picks.toml"


def picks_path(song: Song) -> Path:
    """The file that holds the votes on a song's takes."""
    return song.source.parent / PICKS_NAME


def all_picks(songs: Iterable[Song]) -> dict[str, Pick]:
    """Take name -> pick, of every file beside these songs' specs.

    Raises: UsageError for a file that holds something else.
    """
    picks: dict[str, Pick] = {}
    for path in dict.fromkeys(picks_path(song) for song in songs):
        picks |= read_picks(path)
    return picks


def kept_by(picks: Mapping[str, Pick]) -> Callable[[TakeRecord], bool]:
    """Whether a version is one that a listener keeps; a vote without a key keeps every version of its take."""

    def kept(record: TakeRecord) -> bool:
        pick = picks.get(record.take)
        return pick is not None and pick.vote is Vote.KEEP and record.key.startswith(pick.key)

    return kept


def vote(song: Song, picks: Mapping[str, Pick]) -> Path:
    """Put these picks into the file beside the song's spec; returns it.

    Raises: UsageError when the file there is no picks file, StoreError when it can't be written.
    """
    path = picks_path(song)
    text = picks_text(path, picks)
    try:
        write_whole(RealDisk(), path, text.encode())
    except OSError as error:
        raise StoreError(f"`{path}` can't be written", why=error.strerror or str(error)) from error
    return path
