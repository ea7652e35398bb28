"""The versions of a take: one bears its name, the former ones lie in `old/`; none is ever overwritten.

Nor is what a user made of one: a file that isn't as it was recorded moves to `old/` under a name of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.errors import StoreError
from renderer.store.disk import commit, make_folder, move_take, moved_together, write_whole
from renderer.store.takes import LRC_ENDING, OLD_FOLDER, file_digest

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord


def current_version(store: Store, name: str) -> TakeRecord | None:
    """The version of a take that bears its name now."""
    return next((one for one in store.versions(name) if store.find(one) == store.outputs / one.file), None)


def put_version(store: Store, record: TakeRecord, temp: Path, sidecar: bytes, lrc: bytes | None = None) -> None:
    """Give the audio in `temp` the take's name; whatever bore it moves to `old/` first.

    Raises: StoreError, OSError as the disk gives it.
    """
    make_room(store, record)
    target = store.outputs / record.file
    # The record first: it says what sidecar and audio will be, so that no file of ours ever lies there unrecorded.
    store.put_take(record)
    write_whole(store.disk, target.with_suffix(".toml"), sidecar)
    if lrc is not None:
        write_whole(store.disk, target.with_suffix(LRC_ENDING), lrc)
    commit(store.disk, temp, target, num_bytes=record.num_bytes)


def restore(store: Store, record: TakeRecord) -> None:
    """Give a former version its name back; the one that bears it moves to `old/`.

    Raises: StoreError, OSError as the disk gives it.
    """
    place = store.find(record)
    if place is None:
        raise StoreError(f"`{record.file}` is gone", help="start again: it is made anew from its latents")
    make_room(store, record)
    _move(store, place, store.outputs / record.file)


def make_room(store: Store, record: TakeRecord) -> None:
    """Send whatever bears the take's name, in any format, to `old/`; only its equal stays, to be replaced.

    Raises: OSError as the disk gives it.
    """
    versions = store.versions(record.take)
    for former in versions:
        place = store.outputs / former.file
        if former.digest != record.digest and store.find(former) == place:
            _retire(store, former, place, key=record.key)
    target = store.outputs / record.file
    if target.exists() and file_digest(target) != record.digest:
        # Altered by hand, or put there by someone else.
        move_aside(store, target)
    ours = {digest for version in versions for digest in (version.sidecar_digest, version.lrc_digest)}
    for beside in (target.with_suffix(".toml"), target.with_suffix(LRC_ENDING)):
        if beside.exists() and file_digest(beside) not in ours:
            put_aside(store, beside)


def _retire(store: Store, former: TakeRecord, place: Path, *, key: str) -> None:
    if former.key == key and not former.remade:
        # The same key with other bytes, made in another environment: the record's name is about to be taken.
        former = replace(former, remade=True)
        store.put_take(former)
    _move(store, place, store.outputs / former.old_file)


def _move(store: Store, audio: Path, to: Path) -> None:
    """As `move_take`; what lies under the new names and isn't the same is put aside first."""
    for source, target in moved_together(audio, to):
        if source.exists() and target.exists() and file_digest(source) != file_digest(target):
            put_aside(store, target)
    move_take(store.disk, audio, to)


def move_aside(store: Store, audio: Path) -> None:
    """Send an audio file that isn't what was recorded to `old/`, with what lies beside it.

    Raises: OSError as the disk gives it.
    """
    _move(store, audio, _stray_path(audio))


def put_aside(store: Store, file: Path) -> None:
    """Send one file that isn't what was recorded to `old/`.

    Raises: OSError as the disk gives it.
    """
    target = _stray_path(file)
    make_folder(store.disk, target.parent)
    store.disk.replace(file, target)
    store.disk.flush_folder(target.parent)


def _stray_path(file: Path) -> Path:
    """Where a file goes that bears a take's name and isn't what was recorded: a name that nothing else bears."""
    digest = file_digest(file)
    folder = file.parent if file.parent.name == OLD_FOLDER else file.parent / OLD_FOLDER
    places = (folder / f"{file.stem}.stray-{digest[:length]}{file.suffix}" for length in (8, 16, 64))
    return next(place for place in places if not place.exists() or file_digest(place) == digest)
