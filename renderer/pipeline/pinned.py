"""What pinned codes cost: which finished takes of a song follow them now and are made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from renderer.plan.jobs import Why
from renderer.plurals import counted
from renderer.report.diff_text import names_told
from renderer.spec.picks import Vote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from renderer.pipeline.options import Options
    from renderer.song import Song
    from renderer.spec.picks import Pick


def done_takes(song: Song, options: Options) -> frozenset[str]:
    """The takes of a song's spec, as it is now, that a render would leave as they are."""
    takes = select([str(song.source)], options).takes
    return frozenset(take.name for take in Project(takes, options).plan().takes if take.why in (Why.DONE, Why.TAGS))


def made_anew(song: Song, done: frozenset[str], options: Options, picks: Mapping[str, Pick]) -> Iterator[str]:
    """Of the takes that were done, in lines, those that a render makes again now, the kept ones by their names."""
    still = done_takes(song, options)
    anew = [name for name in sorted(done) if name not in still]
    kept = [name for name in anew if name in picks and picks[name].vote is Vote.KEEP]
    if anew:
        yield f"{counted(len(anew), 'finished take')} will be made anew from these codes: {names_told(anew)}"
    if kept:
        yield f"{names_told(kept)} among them {'is' if len(kept) == 1 else 'are'} kept"
