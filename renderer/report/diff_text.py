"""What differs, in lines for people: of songs between two times, of takes, of codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.plan.reasons import SET
from renderer.plurals import DONE, counted
from renderer.report.take_sound import side_rows
from renderer.store.takes import FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from renderer.report.diff_values import SongChange, TakeChange

MOST_NAMED = 6  # takes in a line
_BARS = "▁▂▃▄▅▆▇█"
_LOUDEST, _QUIETEST = -6.0, -38.0  # LUFS of the tallest and the lowest bar


def song_lines(song: SongChange) -> Iterator[str]:
    """Why a song's takes change, and from which stage on they are made anew; its texts apart."""
    if song.broken_at:
        yield f"its spec has errors at {song.broken_at}"
    if song.was:
        yield f"was called {song.was}"
    if any(song.title):
        yield f"title {song.title[0]} → {song.title[1]}"
    compared = song.of("changed", "tags", "same")
    for change, number in song.reasons:
        notes = [counted(number, "take")] if number < len(compared) else []
        notes += [f"from {change.stage}"] if change.stage not in (SET, FILE) else []
        yield f"{change.text_with_place} ({', '.join(notes)})" if notes else change.text_with_place
    yield from takes_lines(song)


def takes_lines(song: SongChange) -> Iterator[str]:
    """Its takes by what becomes of them."""
    groups: dict[str, list[TakeChange]] = {}
    for take in song.takes:
        if head := take_head(take):
            groups.setdefault(head, []).append(take)
    for head, takes in groups.items():
        num_done = sum(take.is_done for take in takes if take.state in ("added", "changed"))
        done = f", {DONE}" if num_done == len(takes) else f", {num_done} {DONE}" if num_done else ""
        yield f"{head}{done}: {names_told([take.name for take in takes])}"


def take_head(take: TakeChange) -> str:
    """What becomes of a take; nothing where it stays as it was."""
    if take.state == "changed":
        return f"from {take.stages[0]} on" if take.stages else "in another format"
    return {"tags": "only its file's tags", "added": "added", "removed": "removed"}.get(take.state, "")


def names_told(names: Sequence[str]) -> str:
    """As many names as are read, and how many more."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def sound_lines(song: SongChange) -> Iterator[str]:
    """Of takes of which both versions lie on disk: what was decided and measured of them then and now."""
    for take in song.takes:
        if take.before and take.after and take.state != "same":
            rows = [row for row in side_rows(take.before, take.after) if row.differs]
            told = ", ".join(f"{row.name} {row.a or 'none'} → {row.b or 'none'}" for row in rows)
            yield f"{take.name}: {told or 'decided and measured alike'}"


def bars(values: Iterable[float | None], width: int) -> str:
    """A loudness a second as bars, no more than `width`; a silence is a blank."""
    every = list(values)
    step = max(1, -(-len(every) // width))
    return "".join(_bar(every[at : at + step]) for at in range(0, len(every), step))


def _bar(values: Sequence[float | None]) -> str:
    heard = [value for value in values if value is not None]
    if not heard:
        return " "
    share = (max(heard) - _QUIETEST) / (_LOUDEST - _QUIETEST)
    return _BARS[round(min(1.0, max(0.0, share)) * (len(_BARS) - 1))]
