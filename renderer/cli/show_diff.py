"""How `renderer diff` and `renderer status --since` print what differs, and the documents of their --json."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from renderer.cli.show_diagnostics import show_diagnostics
from renderer.cli.streams import say, say_line
from renderer.json_values import to_json
from renderer.plurals import counted
from renderer.report.diff_text import bars, names_told, song_lines, sound_lines, takes_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.table import Table

    from renderer.pipeline.history_diff import Compared
    from renderer.plan.jobs import Change
    from renderer.report.diff_values import (
        HistoryDiff,
        SideRow,
        SongChange,
        TakeChange,
        TakesDiff,
        TakeSound,
        TextDiff,
    )
    from renderer.report.text_diff import LineDiff

COLOURS = {"added": "green", "removed": "red", "renamed": "cyan", "changed": "yellow", "broken": "red", "text": "cyan"}
_ID = 8  # letters of a commit's id
_WIDTH = 60  # bars of a loudness curve


def print_history(compared: Compared) -> None:
    """Every song that changed: its texts as words, its settings, its takes, what was heard of them."""
    diff = compared.diff
    say_line(_times(diff))
    for song in diff.songs:
        if song.state == "text":
            _head(song, "comments and layout alone")
        elif song.state in ("added", "removed"):
            _head(song, f"{counted(len(song.takes), 'take')}: {names_told([take.name for take in song.takes])}")
        elif song.state != "same":
            _head(song)
            _print_texts(song.texts, indent="  ")
            for line in (*song_lines(song), *sound_lines(song)):
                say_line(f"  {line}")
    _print_end(compared)


def print_since(compared: Compared) -> None:
    """Every take whose request isn't what the specs said then: which song, from which stage on, and why."""
    diff = compared.diff
    say_line(_times(diff))
    for song in diff.songs:
        if song.state in ("added", "removed"):
            _head(song, counted(len(song.takes), "take"))
        elif song.state == "broken":
            _head(song, f"its spec has errors at {song.broken_at}")
            for line in takes_lines(song):
                say_line(f"  {line}")
        elif lines := [f"{head}{_whys(song, takes[0])}" for head, takes in _heads(song)]:
            _head(song, f"was called {song.was}" if song.was else "")
            for line in lines:
                say_line(f"  {line}")
    takes = [take for song in diff.songs for take in song.takes if take.state != "removed"]
    num_same = sum(take.state == "same" for take in takes)
    if takes:
        say_line(f"{num_same} of {len(takes)} takes asked what they were")
    _print_end(compared)


def _heads(song: SongChange) -> Iterator[tuple[str, Sequence[TakeChange]]]:
    """Lines of takes that change alike."""
    groups: dict[object, list[TakeChange]] = {}
    for take in song.takes:
        if take.state != "same":
            groups.setdefault((take.state, take.stages[:1], *(one.text_with_place for one in take.changes)), []).append(
                take
            )
    for takes in groups.values():
        yield next(takes_lines(replace(song, takes=tuple(takes)))), takes


def _whys(song: SongChange, take: TakeChange) -> str:
    """Texts by the first words that differ, all else by its values."""
    texts = {text.name: text for text in song.texts if not text.variants or take.variant in text.variants}
    told = (_why(change, texts.get(change.name)) for change in take.changes)
    return f"  {'; '.join(told)}" if take.changes else ""


def _why(change: Change, text: TextDiff | None) -> str:
    line = next((line for line in text.lines if line.kind != "same"), None) if text else None
    return f"{change.name}: {line.excerpt}" if line else change.text_with_place


def _print_end(compared: Compared) -> None:
    diff = compared.diff
    if num := len(diff.of("same")):
        say_line(f"{counted(num, 'song')} as {'it was' if num == 1 else 'they were'}")
    for remark in diff.remarks:
        say_line(remark)
    if compared.faults:
        sys.stdout.flush()
        show_diagnostics(compared.faults, stream=sys.stderr)


def _times(diff: HistoryDiff) -> str:
    sides = ((diff.before, diff.before_commit), (diff.after, diff.after_commit))
    return " → ".join(
        f"{label} ({commit[:_ID]})" if commit and label != commit[:_ID] else label for label, commit in sides
    )


def _head(song: SongChange, note: str = "") -> None:
    say_line(f"{song.name}  {note}" if note else song.name, head=f"{song.state:<9} ", colour=COLOURS.get(song.state))


def _print_texts(texts: Iterable[TextDiff], *, indent: str) -> None:
    for text in texts:
        of = f" of {', '.join(name or 'base' for name in text.variants)}" if text.variants else ""
        if len(text.lines) == 1:
            say_line(f"{indent}{text.name}{of}: {text.lines[0].text}")
            continue
        say_line(f"{indent}{text.name}{of}:")
        for line in _around(text.lines):
            say_line(f"{indent}  {line}")


def _around(lines: Sequence[LineDiff]) -> Iterator[str]:
    """The lines that differ, each below the tag of its section."""
    tag: LineDiff | None = None
    for line in lines:
        if line.text.startswith("["):
            tag = line
        if line.kind == "same":
            continue
        if tag is not None and tag is not line:
            yield tag.text
        tag = None
        yield line.text or "an empty line"


def print_takes(diff: TakesDiff) -> None:
    """Two takes side by side."""
    for letter, side in (("A", diff.a), ("B", diff.b)):
        say_line(f"{side.label}  {side.audio}", head=f"{letter}  ", colour="cyan")
    if diff.same_sound:
        say("both files hold the same sound, sample for sample")
    _print_texts(diff.texts, indent="")
    _print_rows(diff.rows)
    _print_codes(diff)
    if any(value is not None for side in (diff.a, diff.b) for value in side.curve):
        say("loudness from second to second, LUFS:")
        for letter, side in (("A", diff.a), ("B", diff.b)):
            say_line(f"{letter}  {bars(side.curve, _WIDTH)}  {_range(side)}")
    for remark in diff.remarks:
        say_line(remark)


def _range(side: TakeSound) -> str:
    known = [value for value in side.curve if value is not None]
    return f"{min(known):.0f} to {max(known):.0f}" if known else "silent"


def _print_rows(every: Sequence[SideRow]) -> None:
    differing = [row for row in every if row.differs]
    if differing:
        groups = dict.fromkeys(row.group for row in differing)
        first = {next(row for row in differing if row.group == group): group for group in groups}
        rows = ((first.get(row, ""), row.name, row.a or "–", row.b or "–") for row in differing)
        _print_table(_table(("", "", "A", "B"), rows))
    alike = [row.name for row in every if not row.differs]
    if alike:
        say(f"{counted(len(alike), 'value')} alike, among them {', '.join(alike[:6])}")


def _print_codes(diff: TakesDiff) -> None:
    if diff.codes:
        rows = (
            (one.label, _clock(one.start), f"{one.num_differing} of {one.num_codes}", f"{one.distance:.2f}")
            for one in diff.codes
        )
        _print_table(_table(("codes", "at", "differ", "apart"), rows))


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from renderer.spec.diagnostics import printable

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _print_table(table: Table) -> None:
    from rich.console import Console

    Console(highlight=False).print(table)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def history_document(compared: Compared) -> dict[str, object]:
    """All that differs between two times."""
    diff = compared.diff
    return {
        "before": {"revision": diff.before, "commit": diff.before_commit},
        "after": {"revision": diff.after if diff.after_commit else "", "commit": diff.after_commit},
        "songs": [_song(song) for song in diff.songs],
        "remarks": list(diff.remarks),
        "faults": [str(fault) for fault in compared.faults],
    }


def _song(song: SongChange) -> dict[str, object]:
    return {
        "song": song.name,
        "state": song.state,
        "was": song.was,
        "broken_at": song.broken_at,
        "title": {"old": song.title[0], "new": song.title[1]},
        "texts": list(map(_text, song.texts)),
        "takes": [_take(take) for take in song.takes],
    }


def _text(text: TextDiff) -> dict[str, object]:
    return {
        "name": text.name,
        "variants": list(text.variants),
        "lines": [{"kind": line.kind, "words": [asdict(word) for word in line.words]} for line in text.lines],
    }


def _take(take: TakeChange) -> dict[str, object]:
    return {
        "take": take.name,
        "was": take.was,
        "state": take.state,
        "stages": list(take.stages),
        "done": take.is_done,
        "changes": [change.as_json for change in take.changes],
        "before": take.before and _sound(take.before),
        "after": take.after and _sound(take.after),
    }


def _sound(one: TakeSound) -> dict[str, Any]:
    return {
        "take": one.take,
        "version": one.mark,
        "audio": str(one.audio),
        "seconds": one.seconds,
        "decided": to_json(one.decided) if one.decided else None,
        "measured": asdict(one.measured) if one.measured else None,
        "sections": [asdict(mark) for mark in one.marks],
        "loudness": list(one.curve),
    }


def takes_document(diff: TakesDiff) -> dict[str, object]:
    """All that differs between two takes."""
    return {
        "a": _sound(diff.a),
        "b": _sound(diff.b),
        "same_sound": diff.same_sound,
        "values": [{**asdict(row), "differs": row.differs} for row in diff.rows],
        "texts": list(map(_text, diff.texts)),
        "codes": [asdict(one) for one in diff.codes],
        "remarks": list(diff.remarks),
    }
