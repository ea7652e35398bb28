"""What runs did, as append-only JSON lines; read back for reasons and the report, never for truth: artifacts are.

So a line that a crash cut, a drive damaged or a person edited is passed over. The next run takes such lines out, and
what is long ago when there is much of it.
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from typing import TYPE_CHECKING

from renderer.files import open_regular
from renderer.json_values import from_json, to_json
from renderer.store.disk import make_folder, write_whole
from renderer.store.journal_lines import EVENT_OF, LINES, TakeDoneLine, TakeFailedLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from renderer.store.disk import Disk
    from renderer.store.journal_lines import Line

log = logging.getLogger(__name__)

LONG_BYTES = 8_000_000  # about forty thousand lines
_MOST_ODD_BYTES = 1_000_000  # of odd lines that are kept aside
NAME = "journal.jsonl"
OF_SHARDS = "journal-*-of-*.jsonl"
EVENTS_OF_TAKES = (EVENT_OF[TakeFailedLine], EVENT_OF[TakeDoneLine])
BAD_FOLDER = "bad"  # beside it

_YEARS = range(2000, 2200)  # beyond, local time may not be told
_reported: set[Path] = set()
"""Journals of which this process said that they have odd lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A line of the journal."""

    at: datetime
    event: str
    line: Line | None
    """None of an event that is told to people only."""
    fields: Mapping[str, object]
    """All that stands there."""


class Journal:
    """A file of events below the store; lines carry `at` (UTC) and `event`.

    A shard writes one of its own (two machines can't append to one on a network drive); who reads gets the lines of
    all, in the order of their times.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._torn = _ends_torn(path)

    def add(self, line: Line) -> None:
        """One line that is read again.

        Raises: OSError as the disk gives it.
        """
        self.append(EVENT_OF[type(line)], to_json(line))

    def append(self, event: str, fields: Mapping[str, object]) -> None:
        """One line on the drive.

        Raises: OSError as the disk gives it.
        """
        line = json.dumps(
            {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}, ensure_ascii=False
        )
        # A line cut by a crash is closed first, so that it spoils itself and not this one.
        self._disk.append(self._path, b"\n" * self._torn + line.encode() + b"\n")
        self._torn = False

    def stamp(self) -> tuple[int, int]:
        """Changes with every line, whoever wrote it; zeros before the first."""
        states = [path.stat() for path in self._all()]
        return (max((one.st_mtime_ns for one in states), default=0), sum(one.st_size for one in states))

    def lines(self, *events: str) -> Iterator[JournalEntry]:
        """Every sound line from the oldest on, or those of these events; the first odd one of a process is told."""
        yield from merge(*(self._lines(path, events) for path in self._all()), key=lambda entry: entry.at)

    def _lines(self, path: Path, events: tuple[str, ...]) -> Iterator[JournalEntry]:
        # A run of thousands of takes leaves a hundred thousand lines: most needn't be taken apart.
        marks = re.compile(b"|".join(re.escape(json.dumps(event).encode()) for event in events)).search
        for number, raw in enumerate(_raw(path), start=1):
            if marks(raw) is None:
                continue
            entry = _entry(raw)
            if entry is None:
                _tell_odd(path, number)
            elif not events or entry.event in events:
                yield entry

    def tidy(self) -> None:
        """Take out odd lines, and of a long journal all but which takes failed last; for who is about to begin a run.

        Raises: StoreError, OSError as the disk gives it.
        """
        odd, num_odd, num_bytes = b"", 0, 0
        for raw in _raw(self._path):
            entry = _entry(raw)
            if entry is None:
                num_odd, odd = num_odd + 1, (odd + raw)[:_MOST_ODD_BYTES]
                continue
            num_bytes += len(raw)
        if num_odd:
            # For whoever wants to know what they were.
            bad = self._path.parent / BAD_FOLDER / self._path.name
            make_folder(self._disk, bad.parent)
            write_whole(self._disk, bad, odd)
        if num_bytes > LONG_BYTES:
            self._cut()
        elif num_odd:
            self._write_anew(raw for raw in _raw(self._path) if _entry(raw) is not None)

    def _cut(self) -> None:
        """Leave only which takes failed last.

        A render of the whole folder, which is alone in it, ends the shards' journals, too: with its own lines it would
        be forgotten that it mended what failed in theirs.
        """
        shards = [path for path in self._all() if path != self._path] if self._path.name == NAME else []
        files = (self._lines(path, EVENTS_OF_TAKES) for path in (self._path, *shards))
        failed: dict[str, bytes] = {}
        for entry in merge(*files, key=lambda entry: entry.at):
            match entry.line:
                case TakeFailedLine(take=take):
                    failed[take] = json.dumps(entry.fields, ensure_ascii=False).encode() + b"\n"
                case TakeDoneLine(take=take):
                    failed.pop(take, None)
        self._write_anew(failed.values())
        for path in shards:
            self._disk.remove(path)

    def _write_anew(self, lines: Iterable[bytes]) -> None:
        write_whole(self._disk, self._path, b"".join(lines))
        self._torn = False

    def _all(self) -> list[Path]:
        """Every journal that there is here, the render's own first, then the shards'."""
        folder = self._path.parent
        return [path for path in (folder / NAME, *sorted(folder.glob(OF_SHARDS))) if path.exists()]


def _raw(path: Path) -> Iterator[bytes]:
    with suppress(FileNotFoundError), open_regular(path) as file:
        yield from file


def _tell_odd(path: Path, number: int) -> None:
    if path not in _reported:
        _reported.add(path)
        log.warning("`%s`: line %d and perhaps others can't be read: they are passed over", path, number)


def _entry(raw: bytes) -> JournalEntry | None:
    """A line as it was written; None when it isn't."""
    try:
        found = json.loads(raw)
        event, at = found["event"], datetime.fromisoformat(found["at"])
        line = from_json(LINES[event], found) if event in LINES else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    whole = at.tzinfo is not None and at.year in _YEARS and raw.endswith(b"\n")
    return JournalEntry(at=at, event=event, line=line, fields=found) if whole else None


def _ends_torn(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    with open_regular(path) as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"
