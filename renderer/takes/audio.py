"""Waveform -> audio file of any of `FORMATS`: bytes that depend on nothing but sound and tags.

Writes to exactly the path it is given; naming, renaming and flushing to disk are the store's.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from renderer.artifacts import Waveform
from renderer.errors import StoreError
from renderer.formats.splice import TagError
from renderer.formats.table import FORMATS
from renderer.takes.encoding import encode, sound_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from renderer.formats.pictures import Picture
    from renderer.formats.table import Format
    from renderer.takes.encoding import Compare
    from renderer.takes.read_back import Each


PEAK_BINS = 800


def write_audio(
    waveform: Waveform,
    path: Path,
    format: str,  # noqa: A002 - the spec's word
    tags: Mapping[str, str],
    cover: Picture | None = None,
) -> None:
    """Encode to `path` (any name will do), add tags, read back and compare, sample by sample or byte by byte.

    The same waveform, tags and cover give the same bytes.
    Raises: StoreError when the file can't be written or does not hold what was written.
    """
    encode_audio(waveform, path, format, tags, cover).read_back(map)()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedAudio:
    """A file that was encoded and tagged, not yet read back."""

    path: Path
    format: str
    compare: Compare

    def read_back(self, each: Each) -> Callable[[], None]:
        """Begin to, with `map` or an executor's; what is returned waits until all is compared.

        Raises, then or now: StoreError when the file does not hold what was written.
        """
        with _write_faults(self.path, self.format):
            return partial(self._wait, self.compare(self.path, each))

    def _wait(self, fault_in: Callable[[], str]) -> None:
        with _write_faults(self.path, self.format):
            fault = fault_in()
        if fault:
            raise StoreError(
                f"`{self.path.name}` is not what was written: {fault}",
                why=_cause(None, self.path),
                help="check the drive, then render the take again; its latents are stored",
            )


def encode_audio(
    waveform: Waveform,
    path: Path,
    format: str,  # noqa: A002 - the spec's word
    tags: Mapping[str, str],
    cover: Picture | None = None,
) -> EncodedAudio:
    """`write_audio` without reading back.

    Raises: StoreError when the file can't be written.
    """
    row = FORMATS[format]
    with _write_faults(path, format):
        compare = encode(waveform.samples.T, path, row)
        _tag(path, row, tags, cover)
    return EncodedAudio(path=path, format=format, compare=compare)


@contextmanager
def _write_faults(path: Path, format: str) -> Iterator[None]:  # noqa: A002 - the spec's word
    try:
        yield
    except (soundfile.LibsndfileError, TagError, OSError) as error:
        raise StoreError(f"could not write `{path.name}` as {format}", why=_cause(error, path)) from error


def _tag(path: Path, row: Format, tags: Mapping[str, str], cover: Picture | None) -> None:
    row.tagger().tag(path, tags)
    if cover is not None and row.add_picture is not None:
        row.add_picture(path, cover)


def change_tags(
    source: Path,
    target: Path,
    format: str,  # noqa: A002 - the spec's word
    tags: Mapping[str, str],
    cover: Picture | None = None,
) -> None:
    """Write `source` to `target`, sound byte by byte as it is, with these tags and no others.

    Raises: StoreError when `target` can't be written, or came out with another sound.
    """
    row = FORMATS[format]
    try:
        shutil.copyfile(source, target)
        _tag(target, row, tags, cover)
        kept = sound_digest(source, row) == sound_digest(target, row)
    except (TagError, OSError) as error:
        raise StoreError(f"could not write the tags of `{source.name}`", why=_cause(error, target)) from error
    if not kept:
        raise StoreError(
            f"`{source.name}` came out with another sound than it had",
            why=_cause(None, target),
            help="check the drive, then start again; the file is as it was",
        )


def peaks(waveform: Waveform, num_bins: int = PEAK_BINS) -> npt.NDArray[np.int8]:
    """Lowest and highest sample of each bin over both channels: int8 [bins, 2], 127 is full scale.

    Shorter sounds than `num_bins` samples give one bin a sample.
    """
    samples = waveform.samples
    num_bins = min(num_bins, samples.shape[1])
    if num_bins == 0:
        return np.zeros((0, 2), dtype=np.int8)
    starts = np.linspace(0, samples.shape[1], num_bins, endpoint=False).astype(np.int64)
    low = np.minimum.reduceat(samples, starts, axis=1).min(axis=0)
    high = np.maximum.reduceat(samples, starts, axis=1).max(axis=0)
    levels: npt.NDArray[np.int8] = np.rint(np.clip(np.stack([low, high], axis=1), -1.0, 1.0) * 127).astype(np.int8)
    return levels


def _cause(error: Exception | None, path: Path) -> str:
    # libsndfile reports a full disk as "System error", so the free space is what helps.
    if not path.parent.is_dir():
        return f"there is no folder `{path.parent.name}`"
    free = f"{shutil.disk_usage(path.parent).free / 1e6:,.0f} MB are free there"
    return f"{error}; {free}" if error else free


def read_sound(path: Path) -> Waveform:
    """The sound of an audio file, as it decodes.

    Raises: StoreError when it can't be read.
    """
    try:
        frames, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise StoreError(f"`{path}` can't be read", why=str(error), help="move it away, then render again") from error
    return Waveform(samples=frames.T.copy())
