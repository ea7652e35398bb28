"""Disks that fail at a chosen operation, in the place of the operating system's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renderer.store.disk import RealDisk

if TYPE_CHECKING:
    from pathlib import Path


class FailingDisk(RealDisk):
    """A disk that refuses one operation, or all from it on, with an error of the operating system."""

    def __init__(self, error_number: int, *, first: int, last: int | None = None) -> None:
        self.operations: list[str] = []
        self._error_number = error_number
        self._first = first
        self._last = first if last is None else last

    def write(self, path: Path, content: bytes) -> None:
        if self._refuses("write", path):
            # Half of it got through.
            path.write_bytes(content[: len(content) // 2])
            raise self._error(path)
        super().write(path, content)

    def flush(self, path: Path) -> None:
        self._allow("flush", path)
        super().flush(path)

    def replace(self, source: Path, target: Path) -> None:
        self._allow("replace", target)
        super().replace(source, target)

    def name_new(self, source: Path, target: Path) -> None:
        self._allow("name_new", target)
        super().name_new(source, target)

    def flush_folder(self, folder: Path) -> None:
        self._allow("flush_folder", folder)
        super().flush_folder(folder)

    def append(self, path: Path, line: bytes) -> None:
        if self._refuses("append", path):
            with path.open("ab") as file:
                file.write(line[: len(line) // 2])
            raise self._error(path)
        super().append(path, line)

    def read(self, path: Path) -> bytes:
        if path.exists():
            self._allow("read", path)
        return super().read(path)

    def remove(self, path: Path) -> None:
        self._allow("remove", path)
        super().remove(path)

    def _allow(self, operation: str, path: Path) -> None:
        if self._refuses(operation, path):
            raise self._error(path)

    def _refuses(self, operation: str, path: Path) -> bool:
        self.operations.append(f"{operation} {path.name}")
        return self._first <= len(self.operations) - 1 <= self._last

    def _error(self, path: Path) -> OSError:
        return OSError(self._error_number, os.strerror(self._error_number), str(path))
