"""SongView -> what the page's script knows of a song: JSON values, small ones, for a page has thousands of takes."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

from renderer.report.compare import tempo_error
from renderer.report.formatting import link, visible
from renderer.takes.peaks import NUM_BINS, fold_peaks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from renderer.artifacts import TimedLine, TimedWord
    from renderer.report.pieces import Folds
    from renderer.report.values import FormerTake, MadeFrom, ReportSong
    from renderer.report.view import SongView, TakeView

UNTOLD: Mapping[str, object] = {
    **{name: [] for name in ("flags", "marks", "former", "skipped")},
    **dict.fromkeys(("labels", "lyrics", "seconds", "made"), 0),
    **dict.fromkeys(("lufs", "off", "score", "from", "timed"), None),
    **dict.fromkeys(("preview", "estimated"), False),
    "variant": "",
    "outcome": "done",
}
"""What isn't told of a take that has just that: see `script/facts.js`."""
TICKS = 100  # a second: what words are timed in, finer than the model's 25 frames


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


def words_of(lines: Sequence[TimedLine]) -> list[list[str | int]]:
    """The lines that are timed: the row of each, and its words."""
    return [[line.row, *(visible(word.text) for word in line.words)] for line in lines]


def times_of(lines: Sequence[TimedLine]) -> list[int]:
    """Of each word in turn: how much later than the one before it begins, and how long it lasts, in ticks.

    Differences are small numbers, which pack well.
    """
    words = [word for line in lines for word in line.words]
    starts = [round(word.start * TICKS) for word in words]
    lasts = [_lasts(word, start) for word, start in zip(words, starts, strict=True)]
    later = (after - before for before, after in pairwise((0, *starts)))
    return [number for pair in zip(later, lasts, strict=True) for number in pair]


def _lasts(word: TimedWord, start: int) -> int:
    return max(0, round(word.end * TICKS) - start)


def _take_facts(row: TakeView, song: ReportSong, folds: Folds, labels: int) -> dict[str, object]:
    take = row.take
    # Tags are timed, too, and stand on the page as headings.
    sung = [line for line in take.timed if not line.is_tag]
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
        "made": round(take.made_at),
        "labels": labels,
        "marks": [mark.start_seconds for mark in take.marks],
        "estimated": take.marks_estimated and bool(take.marks),
        "peaks": fold_peaks(take.peaks, NUM_BINS),
        "former": [_former_facts(former) for former in take.former],
        "lyrics": row.lyrics,
        "preview": take.preview_seconds is not None,
        "from": _origin(take.made_from) if take.made_from else None,
        "timed": [folds.place(_packed(one(sung))) for one in (words_of, times_of)] if sung else None,
        "skipped": [line.row for line in sung if line.is_skipped],
    }
    return {name: value for name, value in told.items() if name not in UNTOLD or value != UNTOLD[name]}


def _packed(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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
