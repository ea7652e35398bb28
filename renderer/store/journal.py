"""What runs did, as append-only JSON lines; read back for reasons and the report, never for truth: artifacts are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from renderer.store.disk import Disk


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
        """Every whole line from the oldest on, or those of these events; what a crash cut is passed over."""
        marks = tuple(json.dumps(event).encode() for event in events)
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for raw in file:
                # A run of thousands of takes leaves a hundred thousand lines: most needn't be taken apart.
                if marks and not any(mark in raw for mark in marks):
                    continue
                try:
                    line = json.loads(raw)
                except ValueError:
                    continue
                if isinstance(line, dict) and "event" in line and (not events or line["event"] in events):
                    yield line


def _ends_torn(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"
