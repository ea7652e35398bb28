"""What runs did, as append-only JSON lines; read back for reasons and the report, never for truth: artifacts are.

So a line that a crash cut, a drive damaged or a person edited is passed over. The next run takes such lines out, and
what is long ago when there is much of it.
"""

from __future__ import annotations

import json
import logging
import math
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from renderer.files import open_regular
from renderer.store.disk import make_folder, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from renderer.store.disk import Disk

log = logging.getLogger(__name__)

LONG_BYTES = 8_000_000  # about forty thousand lines
_MOST_ODD_BYTES = 1_000_000  # of odd lines that are kept aside
BAD_NAME = "bad/journal.jsonl"  # beside it

_STAGES = frozenset({"cot", "codes", "latents", "waveform"})
_PARTS = frozenset({"lm", "dit", "vae"})
_YEARS = range(2000, 2200)  # beyond, local time may not be told
_told: set[Path] = set()
"""Journals of which this process said that they have odd lines."""


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _are_counts(value: object) -> bool:
    return isinstance(value, dict) and all(_is_count(one) for one in value.values())


def _is_stage(value: object) -> bool:
    return isinstance(value, str) and value in _STAGES


def _is_part(value: object) -> bool:
    return isinstance(value, str) and value in _PARTS


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


_JOB = {"stage": _is_stage, "part": _is_part, "takes": _are_texts}
EVENTS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "run-ended": {"stopped": _is_switch, "seconds": _is_number, "loads_song_by_song": _are_counts},
    "loaded": {"component": _is_text, "seconds": _is_number, "num_bytes": _is_count},
    "job-done": {**_JOB, "seconds": _is_number},
    "job-failed": _JOB,
    "take-done": {"take": _is_text},
    "take-failed": {"take": _is_text, "stage": _is_text, "message": _is_text, "why": _is_text, "help": _is_text},
}
"""What a line of each event must hold, because whoever reads it relies on it."""


class Journal:
    """One file of events below the store; lines carry `at` (UTC) and `event`."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._torn = _ends_torn(path)

    def append(self, event: str, fields: Mapping[str, Any]) -> None:
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

    def lines(self, *events: str) -> Iterator[Mapping[str, Any]]:
        """Every sound line from the oldest on, or those of these events; the first odd one of a process is told."""
        marks = tuple(json.dumps(event).encode() for event in events)
        for number, raw in enumerate(self._raw(), start=1):
            # A run of thousands of takes leaves a hundred thousand lines: most needn't be taken apart.
            if marks and not any(mark in raw for mark in marks):
                continue
            line = _sound(raw)
            if line is None:
                self._tell_odd(number)
            elif not events or line["event"] in events:
                yield line

    def tidy(self) -> None:
        """Take out odd lines, and of a long journal all but which takes failed last; for who is about to begin a run.

        Raises: StoreError, OSError as the disk gives it.
        """
        odd, num_odd, num_bytes = b"", 0, 0
        failed: dict[str, bytes] = {}
        for raw in self._raw():
            line = _sound(raw)
            if line is None:
                num_odd, odd = num_odd + 1, (odd + raw)[:_MOST_ODD_BYTES]
                continue
            num_bytes += len(raw)
            if line["event"] == "take-failed":
                failed[line["take"]] = raw
            elif line["event"] == "take-done":
                failed.pop(line["take"], None)
        if num_odd:
            # For whoever wants to know what they were.
            make_folder(self._disk, (self._path.parent / BAD_NAME).parent)
            write_whole(self._disk, self._path.parent / BAD_NAME, odd)
        if num_bytes > LONG_BYTES:
            self._write_anew(failed.values())
        elif num_odd:
            self._write_anew(raw for raw in self._raw() if _sound(raw) is not None)

    def _write_anew(self, lines: Iterable[bytes]) -> None:
        write_whole(self._disk, self._path, b"".join(lines))
        self._torn = False

    def _raw(self) -> Iterator[bytes]:
        with suppress(FileNotFoundError), open_regular(self._path) as file:
            yield from file

    def _tell_odd(self, number: int) -> None:
        if self._path not in _told:
            _told.add(self._path)
            log.warning("`%s`: line %d and perhaps others can't be read: they are passed over", self._path, number)


def _sound(raw: bytes) -> Mapping[str, Any] | None:
    """A line's values; None when it isn't what was written."""
    try:
        line = json.loads(raw)
        event = line["event"]
        at = datetime.fromisoformat(line["at"])
        sound = at.tzinfo is not None and at.year in _YEARS and raw.endswith(b"\n")
        sound = sound and all(holds(line[name]) for name, holds in EVENTS.get(event, {}).items())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return line if sound else None


def _ends_torn(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    with open_regular(path) as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"
