"""What the operating system refuses -> what that means for who renders, and what to do."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from renderer.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.store.store import Store


@contextmanager
def disk_faults(store: Store) -> Iterator[None]:
    """Say of the operating system's refusals what they mean and what to do; on its way they become StoreError."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "free some space, then start again: it goes on where it stopped",
            errno.EDQUOT: "free some of your quota, then start again: it goes on where it stopped",
            errno.EROFS: "the file system is read-only: remount it or give another folder with --out",
            errno.EACCES: "the folder belongs to someone else: give another with --out",
        }
        store.require_there()
        raise StoreError(
            f"`{store.outputs}` can't be used",
            why=error.strerror or str(error),
            help=advice.get(error.errno or 0, "check the drive, then start again: it goes on where it stopped"),
        ) from error
