"""The objects of a repository, none larger than songs' files are, and each what its name says.

Each is looked at before it is unpacked, and once it is. None is another repository's, and none stands for another
(`refs/replace`, grafts).
"""

from __future__ import annotations

import os
import zlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dulwich.config import ConfigFile
from dulwich.object_format import SHA1
from dulwich.object_store import DiskObjectStore
from dulwich.objects import ShaFile, hex_to_sha
from dulwich.pack import load_pack_index

from renderer.files import open_regular, real

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

    from dulwich.object_store import BaseObjectStore
    from dulwich.objects import ObjectID, RawObjectID
    from dulwich.pack import PackIndex

MAX_BYTES = 64 * 1024 * 1024  # of an object: audio beyond it belongs into LFS, and no spec, lyrics or codes come near
MAX_DELTAS = 4095  # git's own limit of a chain
_HEX, _RAW = 40, 20
_OFS_DELTA, _REF_DELTA = 6, 7
_HEAD_BYTES = 4096


class TooLarge(Exception):  # noqa: N818 - what was found
    """An object is larger than anything that songs need."""


class Damaged(Exception):  # noqa: N818 - what was found
    """An object isn't what its name says."""


class Objects(DiskObjectStore):
    """The objects below a git folder's `objects`."""

    @classmethod
    def below(cls, folder: Path) -> Objects:
        """Those of a git folder. Whatever its config says, none of its caches is read (`multi-pack-index`, …)."""
        settings = ConfigFile()
        settings.set((b"core",), b"multiPackIndex", b"false")
        settings.set((b"core",), b"commitGraph", b"false")
        settings.set((b"core",), b"bigFileThreshold", str(MAX_BYTES).encode())
        found = cls.from_config(str(folder / "objects"), settings)
        assert isinstance(found, cls)  # noqa: S101 - for the type checker
        return found

    @property
    def alternates(self) -> list[BaseObjectStore]:
        """None: `objects/info/alternates` may name any folder of this machine."""
        return []

    def get_raw(self, name: RawObjectID | ObjectID) -> tuple[int, bytes]:
        """An object's kind and content.

        Raises: TooLarge, Damaged, KeyError where it isn't there.
        """
        self._refuse_large(hex_to_sha(name) if len(name) == _HEX else name)  # type: ignore[arg-type]  # by its length
        kind, content = super().get_raw(name)
        found = ShaFile.from_raw_string(kind, content).sha().digest()
        if found != (hex_to_sha(name) if len(name) == _HEX else name):  # type: ignore[arg-type]  # as above
            raise Damaged("its content isn't what its name says")
        return kind, content

    def close(self) -> None:
        """Let go of every file."""
        # Not asked for now: whoever couldn't read them has been told.
        for _, index in self.__dict__.get("_indexes", ()):
            index.close()
        super().close()

    @cached_property
    def _indexes(self) -> tuple[tuple[Path, PackIndex], ...]:
        """Packs, with what is in them."""
        files = sorted(Path(self.pack_dir).glob("*.idx"))
        for file in files:
            open_regular(file).close()
        return tuple((file.with_suffix(".pack"), load_pack_index(file, SHA1)) for file in files)

    def _refuse_large(self, sha: bytes) -> None:
        """By the sizes that an object says it unpacks to."""
        for pack, index in self._indexes:
            try:
                offset = index.object_offset(sha)  # type: ignore[arg-type]  # raw, as it is named there
            except KeyError:
                continue
            with open_regular(pack) as file:
                _refuse_beyond(_sizes(file, offset, index))
            return
        loose = Path(self.path, sha.hex()[:2], sha.hex()[2:])
        if not os.path.lexists(loose):
            return
        if real(loose) != loose:
            raise Damaged("it is a link")
        with open_regular(loose) as file:
            kind_and_size = zlib.decompressobj().decompress(file.read(_HEAD_BYTES), _HEAD_BYTES).partition(b"\0")[0]
        _refuse_beyond([int(kind_and_size.split()[1])])


def _refuse_beyond(sizes: Iterable[int]) -> None:
    for size in sizes:
        if size > MAX_BYTES:
            raise TooLarge(f"it says that it has {size:,} bytes")


def _sizes(pack: BufferedReader, offset: int, index: PackIndex) -> Iterator[int]:
    """The sizes that a packed object and each delta that it is made from say they unpack to.

    Source: git's Documentation/gitformat-pack.adoc.
    """
    for _ in range(MAX_DELTAS + 1):
        pack.seek(offset)
        head = pack.read(_HEAD_BYTES)
        kind, size, at = _object_head(head)
        yield size
        if kind not in (_OFS_DELTA, _REF_DELTA):
            return
        if kind == _OFS_DELTA:
            back, at = _distance(head, at)
            base = offset - back
        else:
            base, at = index.object_offset(head[at : at + _RAW]), at + _RAW  # type: ignore[arg-type]  # as above
        if base == offset or base < 0:
            return  # which whoever unpacks it refuses
        start = zlib.decompressobj().decompress(head[at:], 32)
        _, after = _number(start, 0)
        yield _number(start, after)[0]
        offset = base
    raise Damaged("a chain of deltas without an end")


def _object_head(head: bytes) -> tuple[int, int, int]:
    """Kind and size of a packed object, and where what follows begins."""
    more, after = _number(head, 1) if head[0] & 0x80 else (0, 1)
    return (head[0] >> 4) & 7, (head[0] & 15) | (more << 4), after


def _number(raw: bytes, at: int) -> tuple[int, int]:
    """A number in sevens of bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not byte & 0x80:
            return value, at


def _distance(raw: bytes, at: int) -> tuple[int, int]:
    """How far before a delta its base begins, and where that number ends."""
    value = raw[at] & 0x7F
    while raw[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (raw[at] & 0x7F)
    return value, at + 1
