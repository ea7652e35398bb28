"""Votes on takes, kept in `picks.toml` beside the specs: read for the report and the store, written by `keep`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from renderer.errors import UsageError
from renderer.folders import PICKS_NAME
from renderer.models.family import stored_kinds
from renderer.spec.picks import Pick, Vote, picks_in, picks_text, read_picks
from renderer.store.edits import edit
from renderer.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from renderer.store.takes import TakeRecord


class VotedSong(Protocol):
    """What a vote needs of a song."""

    @property
    def source(self) -> Path:
        """Its spec."""

    @property
    def outputs(self) -> Path:
        """Where its takes lie."""


def picks_path(song: VotedSong) -> Path:
    """The file that holds the votes on a song's takes."""
    return song.source.parent / PICKS_NAME


def all_picks(songs: Iterable[VotedSong]) -> dict[str, Pick]:
    """Take name -> pick, of every file beside these songs' specs.

    Raises: SpecError for a file that holds something else.
    """
    picks: dict[str, Pick] = {}
    for path in dict.fromkeys(picks_path(song) for song in songs):
        picks |= read_picks(path)
    return picks


def kept_by(picks: Mapping[str, Pick]) -> Callable[[TakeRecord], bool]:
    """Whether a version is one that a listener keeps; a vote without a key keeps every version of its take."""

    def kept(record: TakeRecord) -> bool:
        pick = picks.get(record.take)
        return pick is not None and pick.vote is Vote.KEEP and pick.is_on(record.key)

    return kept


def vote_on(song: VotedSong, record: TakeRecord, vote: Vote, *, note: str, outputs: Path | None = None) -> Path:
    """Record a vote on a version of a take; a note stays when no new one is given. Returns the file.

    Raises: SpecError when the file there is no picks file, UsageError when the version was freed meanwhile, StoreError
    when it can't be written.
    """
    path, store = picks_path(song), Store(outputs or song.outputs, kinds=stored_kinds())

    def voted(text: str) -> str:
        if vote is Vote.KEEP and store.find(record) is None:
            raise UsageError(f"`{record.take}` is gone", why="it was deleted or altered a moment ago", help="render it")
        before = picks_in(text, path).get(record.take, Pick())
        pick = Pick(vote=vote, note=note or (before.note if vote else ""), key=record.key[:8] if vote or note else "")
        return picks_text(text, path, {record.take: pick})

    edit(path, voted)
    return path


def write_picks(song: VotedSong, picks: Mapping[str, Pick]) -> Path:
    """Put these picks into the file beside the song's spec; returns it.

    Raises: SpecError when the file there is no picks file, StoreError when it can't be written.
    """
    path = picks_path(song)
    edit(path, lambda text: picks_text(text, path, picks))
    return path
