"""`silence_latent.pt` looked at as the zip it is: nothing of its pickle runs, its operations are only listed. No torch.

Source of the format: pytorch/pytorch, torch/serialization.py; of the operations: Python's pickletools
"""

from __future__ import annotations

import pickletools
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renderer.errors import ModelError
from renderer.models.catalog.other_formats import HEAD_BYTES, recognise
from renderer.models.catalog.regular_file import regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STORAGES = {"torch FloatStorage": 4, "torch HalfStorage": 2, "torch BFloat16Storage": 2, "torch DoubleStorage": 8}
"""What floating point numbers lie in, and the bytes of one."""
HARMLESS = {
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "collections OrderedDict",
    *STORAGES,
}
"""What a tensor's pickle names."""
OLD_PICKLE = b"\x80\x02"
MOST_PICKLE_BYTES = 1 << 16
FETCH = "fetch it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensor:
    """A tensor as its pickle describes it."""

    storage: str
    """A key of `STORAGES`."""
    key: str
    """Of the zip's file with the numbers."""
    num_stored: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def reach(self) -> int:
        """How many of the stored numbers it spans."""
        return self.offset + 1 + sum((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True))


def look_at_silence(path: Path, expected: tuple[int, ...]) -> None:
    """Whether a tensor of that shape, [1, channels, frames], lies whole in the file; its numbers aren't read.

    A file of the format before zips passes: the worker reads it before the LM begins.

    Raises: ModelError when the file is missing, damaged, or holds something else.
    """
    regular(path)
    try:
        with path.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
        if head.startswith(OLD_PICKLE):
            return
        with zipfile.ZipFile(path) as archive:
            _look_inside(path, archive, expected)
    except OSError as error:
        raise ModelError(f"`{path}` can't be read", why=str(error.strerror), help="check the drive") from error
    # RuntimeError: a bit of a directory says that a file is encrypted, or packed in a way that nothing reads.
    except (zipfile.BadZipFile, ValueError, LookupError, TypeError, RuntimeError, EOFError, zlib.error) as error:
        raise _no_tensor(path, _describe(head, error)) from error


def _describe(head: bytes, error: Exception) -> str:
    if not head:
        return "it is empty"
    kind = None if head.startswith(b"PK") else recognise(head)
    return f"it is {kind.description}" if kind else f"it is cut off or damaged: {str(error) or type(error).__name__}"


def _look_inside(path: Path, archive: zipfile.ZipFile, expected: tuple[int, ...]) -> None:
    entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
    with archive.open(entries["data.pkl"]) as opened:
        found = _tensor(path, opened.read(MOST_PICKLE_BYTES))
    if found.shape != expected:
        raise ModelError(
            f"`{path}` holds {found.shape}, expected is a tensor [1, channels, frames]",
            why=f"that is {expected} here",
            help=FETCH,
        )
    numbers = entries[f"data/{found.key}"]
    # Opened, so that the name that lies beside the numbers is held against the directory's.
    with archive.open(numbers):
        fits = numbers.file_size == found.num_stored * STORAGES[found.storage]
    if not fits or found.reach > found.num_stored:
        raise _no_tensor(path, f"its numbers take {numbers.file_size:,} bytes, which isn't what it says of them")


def _tensor(path: Path, pickled: bytes) -> _Tensor:
    """The one tensor that a pickle's operations describe.

    Raises: ModelError where it names something else, ValueError or IndexError where no tensor is described.
    """
    operations = [(code.name, value) for code, value, _ in pickletools.genops(pickled) if "PUT" not in code.name]
    strange = sorted({str(value) for name, value in operations if name == "GLOBAL"} - HARMLESS)
    if strange:
        raise _no_tensor(
            path, f"it names `{strange[0].replace(' ', '.')}`, which is no part of a floating point tensor"
        )
    place = [name for name, _ in operations].index("BINPERSID")
    storage, key, _, num_stored = (value for _, value in operations[place - 5 : place - 1])
    if storage not in STORAGES or not isinstance(key, str) or not isinstance(num_stored, int):
        raise LookupError("its numbers aren't told")
    offset, *shape = _numbers(operations, place + 1)
    strides = _numbers(operations, place + 1 + 1 + len(shape) + 1)
    return _Tensor(
        storage=storage, key=key, num_stored=num_stored, offset=offset, shape=tuple(shape), strides=tuple(strides)
    )


def _numbers(operations: Sequence[tuple[str, Any]], begin: int) -> list[int]:
    """The whole numbers of the tuple that ends next; before it, for shapes of other ranks, a mark may stand."""
    found = []
    for name, value in operations[begin:]:
        if name.startswith("TUPLE") or name == "EMPTY_TUPLE":
            break
        if isinstance(value, int):
            found.append(value)
    return found


def _no_tensor(path: Path, why: str) -> ModelError:
    return ModelError(f"`{path}` is no tensor", why=why, help=FETCH)
