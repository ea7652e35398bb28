"""SongView -> what the page's script knows of a song: JSON values, small ones, for a page has thousands of takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.report.compare import tempo_error
from renderer.report.formatting import link, visible
from renderer.takes.peaks import NUM_BINS, fold_peaks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.report.pieces import Folds
    from renderer.report.values import FormerTake, MadeFrom, ReportSong
    from renderer.report.view import SongView, TakeView

UNTOLD: Mapping[str, object] = {
    **{name: [] for name in ("flags", "marks", "former", "skipped", "misheard")},
    **dict.fromkeys(("labels", "lyrics", "seconds", "made"), 0),
    **dict.fromkeys(("lufs", "off", "score", "rank", "from", "timed"), None),
    **dict.fromkeys(("preview", "estimated"), False),
    "variant": "",
    "outcome": "done",
}
"""What isn't told of a take that has just that: see `script/facts.js`."""


def song_facts(song: SongView, folds: Folds) -> dict[str, object]:
    """What is told at once; when words are sung lies packed among `folds`, until their take plays."""
    labels: dict[tuple[str, ...], int] = {}
    takes = []
    for row in song.takes:
        own = tuple(visible(mark.label) for mark in row.take.marks)
        takes.append(_take_facts(row, song.song, folds, labels.setdefault(own, len(labels))))
    return {
        "id": song.id,
        "name": song.song.name,
        "title": visible(song.song.title),
        "labels": list(labels),
        "takes": takes,
    }


def _take_facts(row: TakeView, song: ReportSong, folds: Folds, labels: int) -> dict[str, object]:
    take = row.take
    told: dict[str, object] = {
        "name": take.name,
        "variant": visible(take.variant),
        "seed": take.seed,
        "outcome": take.outcome,
        "flags": [flag.code for flag in row.flags],
        "key": take.key8,
        "audio": link(take.audio) if take.audio else None,
        "seconds": round(take.duration_seconds, 3),
        "lufs": take.measured.loudness_lufs if take.measured else None,
        "off": tempo_error(take, take.metas or song.metas),
        "score": take.lyrics_score,
        "rank": take.rank,
        "made": round(take.made_at),
        "labels": labels,
        "marks": [mark.start_seconds for mark in take.marks],
        "estimated": take.marks_estimated and bool(take.marks),
        "peaks": fold_peaks(take.peaks, NUM_BINS),
        "former": [_former_facts(former) for former in take.former],
        "lyrics": row.lyrics,
        "preview": take.preview_seconds is not None,
        "from": _origin(take.made_from) if take.made_from else None,
        "timed": [folds.place(take.words), folds.place(take.times)] if take.words else None,
        "skipped": [line.row for line in take.skipped],
        "misheard": [line.row for line in take.word_errors.misheard] if take.word_errors else [],
    }
    return {name: value for name, value in told.items() if name not in UNTOLD or value != UNTOLD[name]}


def _origin(made: MadeFrom) -> dict[str, object]:
    return {
        "name": made.source if made.is_take else None,
        "windows": [[round(edge, 3) for edge in window] for window in made.windows],
        "lead": round(made.lead_seconds, 3),
    }


def _former_facts(former: FormerTake) -> dict[str, object]:
    return {
        "key": former.key8,
        "audio": link(former.audio),
        "seconds": round(former.duration_seconds, 3),
        "lufs": former.loudness_lufs,
    }
