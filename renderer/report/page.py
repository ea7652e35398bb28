"""Report -> one HTML file: style, script and data inline, nothing else allowed by its own policy."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from renderer import __version__
from renderer.report.content_policy import content_policy
from renderer.report.pieces import packed_together, song_piece
from renderer.report.templating import part, script, template
from renderer.report.timeline import make_timeline
from renderer.report.values import Outcome
from renderer.store.disk import RealDisk, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from renderer.report.pieces import PieceFailure, SongPiece
    from renderer.report.values import Report, ReportHead

NAME = "index.html"
_MANY_SONGS = 100
_MANY_TAKES = 1_000  # of more, packing all that opens on demand anew would take seconds for every page


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a page needs to talk to its server."""

    token: str
    """Proves that a vote comes from this page and not from another site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What stands on the page, over all songs."""

    num_songs: int
    num_takes: int
    outcomes: Mapping[str, int]
    """Outcomes that occurred, in their order."""
    num_last: int
    num_previews: int
    flags: Mapping[str, int]
    failures: tuple[PieceFailure, ...]


def write_report(report: Report, folder: Path) -> Path:
    """Write `index.html` into the folder, whole or not at all; its path.

    Raises: StoreError, OSError as the disk gives it.
    """
    return write_pieces(report.head, _pieces_of(report), folder)


def write_pieces(head: ReportHead, pieces: Sequence[SongPiece], folder: Path) -> Path:
    """The same of songs whose pieces are there.

    Raises: StoreError, OSError as the disk gives it.
    """
    page, content = folder / NAME, io.BytesIO()
    for text in _texts(head, pieces):
        content.write(text.encode())
    write_whole(RealDisk(), page, content.getvalue())  # which is no copy
    return page


def render_page(report: Report, served: Served | None = None) -> str:
    """The page as text; `served` is None for the file that opens from disk."""
    return "".join(_texts(report.head, _pieces_of(report), served))


def folds_lyrics(num_songs: int) -> bool:
    """Whether lyrics are folded: so many songs would weigh megabytes with all of them open."""
    return num_songs > _MANY_SONGS


def _pieces_of(report: Report) -> list[SongPiece]:
    folded = folds_lyrics(len(report.songs))
    return [song_piece(song, folds_lyrics=folded) for song in report.songs]


def _texts(head: ReportHead, pieces: Sequence[SongPiece], served: Served | None = None) -> Iterator[str]:
    """The page, bit by bit: of many takes it is larger than what it shows."""
    style = part("style.css")
    counts = _counts(head, pieces)
    shown = (
        {name: Markup(getattr(piece, name)) for name in ("article", "facts")}  # noqa: S704 - made by our templates
        for piece in pieces
    )
    return template("page").generate(
        head=head,
        run=head.run,
        counts=counts,
        timeline=make_timeline(head.run) if head.run else None,
        pieces=list(shown),
        folds=_packs(pieces, counts.num_takes),
        together=counts.num_takes <= _MANY_TAKES,
        picks={name: asdict(pick) for name, pick in head.picks.items()},
        style=Markup(style),  # noqa: S704 - our own file, hashed in the policy
        script=Markup(script()),  # noqa: S704 - our own file, hashed in the policy
        policy=content_policy(style, script(), images=True, connect="'self'" if served else "'none'"),
        served=served,
        token=asdict(served) if served else None,
        version=__version__,
    )


def _packs(pieces: Sequence[SongPiece], num_takes: int) -> Iterable[str]:
    """Packs of what opens on demand: one of all songs, which are alike, or of very many takes each song's own."""
    packs = (piece.folds for piece in pieces)
    return packs if num_takes > _MANY_TAKES else [packed_together(packs)]


def _counts(head: ReportHead, pieces: Sequence[SongPiece]) -> Counts:
    last = frozenset(head.last_takes)
    outcomes, flags = Counter[str](), Counter[str]()
    for piece in pieces:
        outcomes.update(piece.outcomes)
        flags.update(piece.flags)
    return Counts(
        num_songs=len(pieces),
        num_takes=outcomes.total(),
        outcomes={str(outcome): outcomes[outcome] for outcome in Outcome if outcomes[outcome]},
        num_last=sum(name in last for piece in pieces for name in piece.names),
        num_previews=sum(piece.num_previews for piece in pieces),
        flags=dict(sorted(flags.items())),
        failures=tuple(failure for piece in pieces for failure in piece.failures),
    )
