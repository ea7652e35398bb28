"""The outputs folder held by the shards of one split together: each once, no other split and no other render beside."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import FolderBusy, StoreError
from renderer.files import read_regular, what_to_do, why_refused
from renderer.store.disk import make_folder, write_whole
from renderer.store.locks import is_locked, locked, locked_with_others, why_local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.plan.shards import Shard
    from renderer.store.store import Store

_GRACE_SECONDS = 0.5  # a watch that waits for its turn takes the lock for a moment to see whether it is free
_TURN_SECONDS = 60.0  # who begins or ends takes milliseconds, unless it clears what a killed run left


@dataclass(slots=True)
class Hold:
    """A shard's hold on the folder."""

    was_last: bool = False
    """Whether no other shard was at work when it ended: then the page is its to write."""


@contextmanager
def shard_of_split(store: Store, shard: Shard, split: str) -> Iterator[Hold]:
    """Hold the folder as one shard of a split, which its digest tells from others; `Hold` is filled in at the end.

    Raises: FolderBusy when the same shard, another split or a render of the whole holds it, StoreError where locks
    don't hold between machines or can't be had.
    """
    _refuse_local_locks(store)
    hold, files = Hold(), _LockFiles(store.shards_folder)
    with ExitStack() as whole, ExitStack() as own:
        with _refusals(store):
            make_folder(store.disk, files.folder)
            _share(store, whole)
            with locked(files.turn, timeout_seconds=_TURN_SECONDS):
                _begin(store, shard, f"{shard.count} {split}", files, own)
        try:
            yield hold
        finally:
            with _refusals(store), locked(files.turn, timeout_seconds=_TURN_SECONDS):
                # In turn: of two that end at once, the second one sees that the first has ended.
                own.close()
                hold.was_last = not files.held()
                if hold.was_last:
                    # What was killed beside others could not be cleared away before.
                    store.clear_leftovers()


@dataclass(frozen=True, slots=True)
class _LockFiles:
    folder: Path

    @property
    def turn(self) -> Path:
        """Held for the moment in which a shard begins or ends."""
        return self.folder / "turn"

    @property
    def split(self) -> Path:
        """Which split's shards hold the folder, or did last."""
        return self.folder / "split"

    def lock(self, number: int) -> Path:
        """Held while that shard is at work."""
        return self.folder / f"{number}.lock"

    def held(self) -> bool:
        """Whether any shard is at work."""
        return any(is_locked(path) for path in sorted(self.folder.glob("*.lock")))


def _share(store: Store, whole: ExitStack) -> None:
    try:
        whole.enter_context(locked_with_others(store.lock_path, timeout_seconds=_GRACE_SECONDS))
    except BlockingIOError as error:
        raise FolderBusy(
            f"another render is writing to `{store.outputs}`",
            why="one of the whole folder, beside which no shard runs",
            help="wait for it to end, or give another folder with --out",
        ) from error


def _begin(store: Store, shard: Shard, split: str, files: _LockFiles, own: ExitStack) -> None:
    others = files.held()
    if others and _text(files.split) != split:
        raise FolderBusy(
            f"shards of another split are writing to `{store.outputs}`",
            why="another number of shards, or other specs or settings: what they do would overlap",
            help="let them end, then start every shard anew; or give another folder with --out",
        )
    try:
        own.enter_context(locked(files.lock(shard.number), timeout_seconds=0.0))
    except BlockingIOError as error:
        raise FolderBusy(f"shard {shard} is at work already", help="start each shard once") from error
    if not others:
        # Alone, and nobody can begin before this turn ends: what half-written files there are, nobody writes any more.
        store.clear_leftovers()
        write_whole(store.disk, files.split, split.encode())


def _text(path: Path) -> str:
    return read_regular(path).decode(errors="replace") if path.exists() else ""


def _refuse_local_locks(store: Store) -> None:
    if why := why_local(store.folder):
        raise StoreError(
            f"shards can't share `{store.outputs}`",
            why=f"{why}: locks there don't reach other machines",
            help="mount it with locks (NFS: without nolock and local_lock), or render without --shard",
        )


@contextmanager
def _refusals(store: Store) -> Iterator[None]:
    """The operating system's refusals, in words."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"`{store.shards_folder}` can't be locked",
            why=why_refused(error),
            help=what_to_do(error) or "give another folder with --out",
        ) from error
