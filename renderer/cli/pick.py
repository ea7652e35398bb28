"""`renderer pick`: which takes of a song to hear first, and what speaks for and against each."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from renderer.cli.completion import songs_and_takes
from renderer.cli.options import takes_folder_option
from renderer.cli.streams import echo_json, say
from renderer.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.table import Table

    from renderer.pipeline.pick import Ranking, SongRanking
    from renderer.takes.measure.values import WordErrors
    from renderer.takes.measure.word_errors import LineErrors
    from renderer.takes.ranking import RankedTake, ScoreReason
    from renderer.takes.take_scores import TakeScores

HOW_TO = {
    "plan scores": "renderer render --plan-scores",
    "timestamps": "renderer render --timestamps",
    "measurements": "renderer report",
    "words": "renderer report --asr FOLDER",
}
"""What makes the scores that takes lack."""
MOST_LINES = 3
"""Of a take that are told as heard otherwise; `--json` and the page tell all."""


@click.command(name="pick")
@click.argument("named", nargs=-1, metavar="[PATH|SONG]...", shell_complete=songs_and_takes)
@click.option(
    "--best", type=click.IntRange(min=1), metavar="N", help="Only the first N takes of each song, less rejected ones."
)
@click.option("--keep", "keeps", is_flag=True, help="Vote for those: as `renderer keep` does. Wants --best.")
@click.option("--learn", "learns", is_flag=True, help="Weigh scores by your votes so far, and print the weights.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program to read.")
@takes_folder_option
def command(
    named: tuple[str, ...], best: int | None, keeps: bool, learns: bool, as_json: bool, outputs: Path | None
) -> None:
    """Show the finished takes of SONGs in the order in which to hear them, and why.

    A take's points are the sum of its scores, each in standard deviations from the mean of the song's takes, times the
    score's weight. A score that a take lacks counts as that mean. They compare takes of one song, never songs.
    """
    from renderer.cli.show_diagnostics import show_diagnostics
    from renderer.errors import UsageError
    from renderer.pipeline.pick import keep_best, ranking

    if keeps and best is None:
        raise UsageError(
            "--keep wants --best", why="it votes for the best: say for how many", help="renderer pick --best 2 --keep"
        )
    found = ranking(named, outputs, learns=learns)
    show_diagnostics(found.faults, stream=sys.stderr)
    if as_json:
        echo_json(_document(found, best))
    else:
        _print(found, best, outputs)
    for name, path in keep_best(found, best, outputs) if keeps and best else ():
        click.echo(f"keep: {name} in {path}", err=as_json)


def _print(ranking: Ranking, best: int | None, outputs: Path | None) -> None:
    from rich.console import Console

    from renderer.report.diff_text import names_told

    if not ranking.songs:
        say("no take is finished: renderer status")
    if ranking.num_pairs is not None:
        _print_weights(ranking)
    where = f" --out {shlex.quote(str(outputs))}" if outputs else ""
    for song in ranking.songs:
        say(f"{song.song.name}: {counted(len(song.takes), 'take')}")
        Console(highlight=False).print(_table(song, best))
        if best and song.rejected:
            say(f"not among the best, for you rejected them: {', '.join(song.rejected)}")
        for score, names in _unscored(song, best).items():
            has = "it has" if len(names) == 1 else "they have"
            say(f"{score} counts as the mean for {names_told(names)}: {has} none")
        for name, number in song.lacks.items():
            say(f"{counted(number, 'take')} without {name}: {_how_to(name)} {shlex.quote(song.song.name)}{where}")


def _unscored(song: SongRanking, best: int | None) -> dict[str, list[str]]:
    """Score -> the takes shown that have none of it, where it tells others apart."""
    found: dict[str, list[str]] = {}
    for take in song.best(best):
        for score in take.unscored:
            found.setdefault(score, []).append(take.name)
    return found


def _how_to(name: str) -> str:
    from renderer.takes.measure import missing_libraries

    first = "pip install 'renderer[measure]', then " if name == "measurements" and missing_libraries() else ""
    return first + HOW_TO[name]


def _print_weights(ranking: Ranking) -> None:
    from renderer.takes.ranking import SCORES

    say(f"weights, learned from {counted(ranking.num_pairs or 0, 'pair')} of votes:")
    for row in SCORES:
        say(f"  {row.name:<10} {row.weight:.2f} → {ranking.weights[row.name]:.2f}")


def _table(song: SongRanking, best: int | None) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from renderer.spec.diagnostics import printable

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "take", "points", "for", "against"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("", "points") else "left")
    for take in song.best(best):
        vote = _vote(song, take.name)
        cells = (
            str(take.rank),
            f"{take.name} ({vote})" if vote else take.name,
            f"{take.points:+.2f}",
            "; ".join(map(_words, take.speaks_for)),
            "; ".join((*map(_words, take.speaks_against), *_lines(song.scores[take.name]))),
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _vote(song: SongRanking, name: str) -> str:
    pick = song.picks.get(name)
    if pick is None or not pick.vote:
        return ""
    return str(pick.vote) if pick.is_on(song.records[name].key) else f"{pick.vote}, of another version"


def _words(reason: ScoreReason) -> str:
    """`plan 0.71 (+1.3)`."""
    return f"{reason.text} ({reason.points:+.1f})"


def _lines(scores: TakeScores) -> Iterator[str]:
    """The skipped lines themselves, and when they would be sung; those of other words, and the words."""
    yield from (f"“{line.text}” at {_clock(line.seconds)}" for line in scores.skipped)
    words, skipped = scores.words, {line.text for line in scores.skipped}
    if words and words.other_language:
        yield f"sounds like `{words.other_language}`, not `{words.language}`"
    others = [line for line in words.misheard if line.text not in skipped] if words else []
    yield from map(_misheard, others[:MOST_LINES])
    if len(others) > MOST_LINES:
        yield f"{counted(len(others) - MOST_LINES, 'line')} more heard otherwise"


def _misheard(line: LineErrors) -> str:
    at = "" if line.seconds is None else f" at {_clock(line.seconds)}"
    return f"“{line.text}”{at} {f'heard as “{line.transcript}”' if line.transcript else 'not heard'}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _document(ranking: Ranking, best: int | None) -> dict[str, object]:
    return {
        "weights": dict(ranking.weights),
        "pairs": ranking.num_pairs,
        "songs": [
            {
                "song": song.song.name,
                "takes": [_take(song, take) for take in song.best(best)],
                "rejected": list(song.rejected),
                "lacks": song.lacks,
            }
            for song in ranking.songs
        ],
    }


def _take(song: SongRanking, take: RankedTake) -> dict[str, object]:
    record, pick = song.records[take.name], song.picks.get(take.name)
    return {
        "take": take.name,
        "file": record.file,
        "key": record.key,
        "rank": take.rank,
        "points": take.points,
        "unscored": list(take.unscored),
        "vote": str(pick.vote) if pick else "",
        "why": [
            {"score": one.name, "told": one.text, "deviations": one.standard, "points": one.points}
            for one in take.reasons
        ],
        "skipped": [{"line": line.text, "seconds": line.seconds} for line in song.scores[take.name].skipped],
        "words": _word_errors(song.scores[take.name].words),
    }


def _word_errors(words: WordErrors | None) -> dict[str, object] | None:
    if words is None:
        return None
    return {
        "errors": words.num_errors,
        "of": words.num_words,
        "language": words.language,
        "sounds_like": words.recognised,
        "probability": words.probability,
        "recogniser": words.recogniser,
        "lines": [
            {
                "row": line.row,
                "line": line.text,
                "seconds": line.seconds,
                "errors": line.num_errors,
                "of": line.num_words,
                "transcript": line.transcript,
            }
            for line in words.lines
        ],
    }
