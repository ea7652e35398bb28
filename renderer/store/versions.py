"""The versions of a take: one bears its name, the former ones lie in `old/`; none is ever overwritten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.errors import StoreError
from renderer.store.disk import commit, move_take, write_whole
from renderer.store.takes import file_digest, stray_file

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord


def put_version(store: Store, record: TakeRecord, temp: Path, sidecar: bytes) -> None:
    """Give the audio in `temp` the take's name; whatever bore it moves to `old/` first.

    Raises: StoreError, OSError as the disk gives it.
    """
    make_room(store, record)
    target = store.outputs / record.file
    write_whole(store.disk, target.with_suffix(".toml"), sidecar)
    # The record says what the audio will be, so that no file of ours ever lies there unrecorded.
    store.put_take(record)
    commit(store.disk, temp, target, num_bytes=record.num_bytes)


def restore(store: Store, record: TakeRecord) -> None:
    """Give a former version its name back; the one that bears it moves to `old/`.

    Raises: StoreError, OSError as the disk gives it.
    """
    place = store.find(record)
    if place is None:
        raise StoreError(f"`{record.file}` is gone", help="start again: it is made anew from its latents")
    make_room(store, record)
    move_take(store.disk, place, store.outputs / record.file)


def make_room(store: Store, record: TakeRecord) -> None:
    """Send whatever bears the take's name, in any format, to `old/`; only its equal stays, to be replaced.

    Raises: OSError as the disk gives it.
    """
    for former in store.versions(record.take):
        place = store.outputs / former.file
        if former.digest != record.digest and store.find(former) == place:
            _retire(store, former, place, key=record.key)
    target = store.outputs / record.file
    if target.exists() and (found := file_digest(target)) != record.digest:
        # Altered by hand, or put there by someone else.
        move_take(store.disk, target, store.outputs / stray_file(record.file, found))


def _retire(store: Store, former: TakeRecord, place: Path, *, key: str) -> None:
    if former.key == key and not former.remade:
        # The same key with other bytes, made in another environment: the record's name is about to be taken.
        former = replace(former, remade=True)
        store.put_take(former)
    move_take(store.disk, place, store.outputs / former.old_file)
