"""What runs did, as append-only JSON lines; read back for reasons and the report, never for truth: artifacts are.

So a line that a crash cut, a drive damaged or a person edited is passed over. The next run takes such lines out, and
what is long ago when there is much of it.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
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
BAD_NAME = "bad/journal.jsonl"  # beside it

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
    """One file of events below the store; lines carry `at` (UTC) and `event`."""

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
        try:
            state = self._path.stat()
        except FileNotFoundError:
            return (0, 0)
        return (state.st_mtime_ns, state.st_size)

    def lines(self, *events: str) -> Iterator[JournalEntry]:
        """Every sound line from the oldest on, or those of these events; the first odd one of a process is told."""
        marks = tuple(json.dumps(event).encode() for event in events)
        for number, raw in enumerate(self._raw(), start=1):
            # A run of thousands of takes leaves a hundred thousand lines: most needn't be taken apart.
            if marks and not any(mark in raw for mark in marks):
                continue
            entry = _entry(raw)
            if entry is None:
                self._tell_odd(number)
            elif not events or entry.event in events:
                yield entry

    def tidy(self) -> None:
        """Take out odd lines, and of a long journal all but which takes failed last; for who is about to begin a run.

        Raises: StoreError, OSError as the disk gives it.
        """
        odd, num_odd, num_bytes = b"", 0, 0
        failed: dict[str, bytes] = {}
        for raw in self._raw():
            entry = _entry(raw)
            if entry is None:
                num_odd, odd = num_odd + 1, (odd + raw)[:_MOST_ODD_BYTES]
                continue
            num_bytes += len(raw)
            match entry.line:
                case TakeFailedLine(take=take):
                    failed[take] = raw
                case TakeDoneLine(take=take):
                    failed.pop(take, None)
        if num_odd:
            # For whoever wants to know what they were.
            make_folder(self._disk, (self._path.parent / BAD_NAME).parent)
            write_whole(self._disk, self._path.parent / BAD_NAME, odd)
        if num_bytes > LONG_BYTES:
            self._write_anew(failed.values())
        elif num_odd:
            self._write_anew(raw for raw in self._raw() if _entry(raw) is not None)

    def _write_anew(self, lines: Iterable[bytes]) -> None:
        write_whole(self._disk, self._path, b"".join(lines))
        self._torn = False

    def _raw(self) -> Iterator[bytes]:
        with suppress(FileNotFoundError), open_regular(self._path) as file:
            yield from file

    def _tell_odd(self, number: int) -> None:
        if self._path not in _reported:
            _reported.add(self._path)
            log.warning("`%s`: line %d and perhaps others can't be read: they are passed over", self._path, number)


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
