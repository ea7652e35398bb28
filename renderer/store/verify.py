"""Every artifact, record and audio file of a store, read and checked against its digest."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.store.takes import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One file that was read, and what is wrong with it."""

    file: str
    """Below the outputs folder."""
    num_bytes: int
    fault: str = ""
    """Empty when its digest matches."""
    help: str = ""


def verify(store: Store) -> Iterator[Checked]:
    """Read everything; damaged artifacts are set aside on the way, audio files are left where they are.

    What is found is remembered where the drive takes it: the next render makes it again.
    Raises: OSError when the drive refuses otherwise than by a bad spot.
    """
    for stored in list(store.artifacts()):
        file = stored.path.relative_to(store.outputs).as_posix()
        fault, advice = "", ""
        if store.get(stored.stage, stored.key) is None:
            fault, advice = "damaged: set aside", "the next render that needs it makes it again"
        yield Checked(file=file, num_bytes=stored.num_bytes, fault=fault, help=advice)
    for name in store.take_names():
        yield from _take(store, name)


def _take(store: Store, name: str) -> Iterator[Checked]:
    versions = store.versions(name)
    places = {record.key + record.digest: store.find(record) for record in versions}
    held = set(places.values())
    told: set[Path] = set()
    for record in versions:
        place = places[record.key + record.digest]
        own = store.outputs / record.file
        stranger = next((p for p in (store.outputs / record.old_file, own) if p.exists() and p not in held), None)
        if place is not None:
            told.add(place)
            altered = file_digest(place) != record.digest
            # A drive that takes no writes is verified all the same.
            with suppress(OSError):
                store.trust(record, sound=not altered)
            yield _checked(store, record, place, altered=altered)
        elif stranger is not None and stranger not in told:
            told.add(stranger)
            yield _checked(store, record, stranger, altered=True)
        elif own not in held and record is versions[0]:
            yield Checked(file=record.file, num_bytes=0, fault="missing", help="render again: its latents are kept")


def _checked(store: Store, record: TakeRecord, place: Path, *, altered: bool) -> Checked:
    return Checked(
        file=place.relative_to(store.outputs).as_posix(),
        num_bytes=record.num_bytes,
        fault="altered since it was written" if altered else "",
        help="render again: this file moves to `old/`, the take is made from its latents" if altered else "",
    )
