"""Pieces of the page kept on disk: a song is planned and drawn again only where something that it hangs on changed.

A cache and no more: what isn't whole, or was made from anything else than what is there now, is made again. Its key
holds the song, who asks and how, the program itself, and, by size and time stamp, records, sound and measurements.
"""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from renderer.errors import StoreError
from renderer.json_values import JsonError, from_json, to_json
from renderer.report.pieces import SongPiece
from renderer.store.disk import make_folder, write_whole
from renderer.store.store import Store

PIECES_FOLDER = "pages"
"""Below the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPiece:
    """A song's piece with what else the page takes from its takes."""

    piece: SongPiece
    weights: Mapping[str, str]
    """Part -> name and digest."""
    measured: tuple[str, ...]
    """Names of the measurements that were looked for."""
    seen: str
    """How those were."""


class Measurements:
    """The names below the folder of measurements, looked at once."""

    def __init__(self, folder: Path) -> None:
        self._states = dict(states(folder))

    def seen(self, names: Iterable[str]) -> str:
        """A digest of how these are, or that they aren't there."""
        return digest_of([(name, self._states.get(name)) for name in names])


def kept_piece(
    store: Store, name: str, key: str, measurements: Measurements, make: Callable[[], KeptPiece]
) -> KeptPiece:
    """What is kept for a song under that key, else what `make` gives, which is kept from then on."""
    path = pieces_folder(store) / f"{digest_of(name)[:32]}.piece"
    found = _read(path, key)
    if found is not None and measurements.seen(found.measured) == found.seen:
        return found
    made = make()
    # A cache that can't be written costs time the next time, and no page.
    with suppress(OSError, StoreError):
        _write(store, path, key, made)
    return made


def forget_pieces(store: Store, names: Iterable[str]) -> None:
    """Delete the pieces of all songs but these.

    Raises: OSError as the disk gives it.
    """
    stay = {f"{digest_of(name)[:32]}.piece" for name in names}
    for path in sorted(pieces_folder(store).glob("*.piece")):
        if path.name not in stay:
            store.disk.remove(path)


def pieces_folder(store: Store) -> Path:
    """Where they lie."""
    return store.folder / PIECES_FOLDER


def states(folder: Path) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """What lies in a folder: name -> size and time stamps, by which anything that was written differs."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            stat = entry.stat(follow_symlinks=False)
            yield entry.name, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def digest_of(value: object) -> str:
    """SHA-256 of a value's text."""
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).hexdigest()


def _read(path: Path, key: str) -> KeptPiece | None:
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        if head.decode() != _head(key, body):
            return None
        return from_json(KeptPiece, json.loads(body))
    except (OSError, ValueError, JsonError, RecursionError):
        return None


def _write(store: Store, path: Path, key: str, piece: KeptPiece) -> None:
    body = json.dumps(to_json(piece), ensure_ascii=False, separators=(",", ":")).encode()
    make_folder(store.disk, path.parent)
    write_whole(store.disk, path, f"{_head(key, body)}\n".encode() + body)


def _head(key: str, body: bytes) -> str:
    return f"{key} {hashlib.sha256(body).hexdigest()}"
