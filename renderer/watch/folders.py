"""Folders to watch -> a call for each change that may matter. Knows nothing of specs; watchdog does the watching."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from renderer.errors import ResourceError
from renderer.files import real

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from watchdog.observers.api import ObservedWatch

# Opening and reading are no changes: we do both ourselves.
_CHANGES: list[type[FileSystemEvent]] = [
    *(FileCreatedEvent, FileModifiedEvent, FileClosedEvent, FileMovedEvent, FileDeletedEvent),
    *(DirCreatedEvent, DirMovedEvent, DirDeletedEvent),
]
_Identity = tuple[int, int] | None


class FolderWatch(FileSystemEventHandler):
    """Watches folders until closed; `noticed` is called with a path, from another thread."""

    def __init__(self, noticed: Callable[[Path], None]) -> None:
        self._noticed = noticed
        self._observer = Observer()
        self._observer.start()
        self._watches: dict[tuple[Path, bool], tuple[_Identity, ObservedWatch | None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._observer.stop()
        self._observer.join()

    def watch(self, trees: Iterable[Path], folders: Iterable[Path]) -> None:
        """Watch these, `trees` with all that lies below, and nothing else any more; they need not be there.

        Raises: ResourceError when the system watches no more folders.
        """
        real_trees = {real(tree) for tree in trees}
        covered = {folder for folder in folders if _is_below(real(folder), real_trees)}
        wanted = {(tree, True) for tree in trees} | {(folder, False) for folder in folders if folder not in covered}
        for place in tuple(self._watches):
            if place not in wanted or self._watches[place][0] != _identity(place[0]):
                self._forget(place)
        for place in wanted - self._watches.keys():
            self._begin(*place)

    def is_stale(self) -> bool:
        """Whether a folder was moved, replaced or came back, of which no event tells."""
        return any(identity != _identity(folder) for (folder, _), (identity, _) in self._watches.items())

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass both ends of a move on."""
        for path in {event.src_path, event.dest_path} - {""}:
            self._noticed(Path(os.fsdecode(path)))

    def _begin(self, folder: Path, recursive: bool) -> None:
        identity = _identity(folder)
        if identity is None:
            self._watches[folder, recursive] = (None, None)
            return
        try:
            # Resolved, so that events bear the same paths on every system.
            watch = self._observer.schedule(self, str(real(folder)), recursive=recursive, event_filter=_CHANGES)
        except OSError as error:
            raise ResourceError(
                f"`{folder}` can't be watched",
                why=error.strerror or str(error),
                help="on Linux raise fs.inotify.max_user_watches and max_user_instances, or watch fewer folders",
            ) from error
        self._watches[folder, recursive] = (identity, watch)

    def _forget(self, place: tuple[Path, bool]) -> None:
        watch = self._watches.pop(place)[1]
        if watch and all(watch != other for _, other in self._watches.values()):
            with contextlib.suppress(KeyError, OSError):  # a deleted folder's watch ended by itself
                self._observer.unschedule(watch)


def _is_below(folder: Path, trees: Iterable[Path]) -> bool:
    return any(folder.is_relative_to(tree) for tree in trees)


def _identity(folder: Path) -> _Identity:
    """What stays the same as long as it is the same folder; None when there is none."""
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
