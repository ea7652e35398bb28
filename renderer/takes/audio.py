"""Waveform -> audio file of any of `FORMATS`: bytes that depend on nothing but sound and tags.

Writes to exactly the path it is given; naming, renaming and flushing to disk are the store's.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from renderer.artifacts import Waveform
from renderer.errors import StoreError
from renderer.formats.splice import TagError
from renderer.formats.table import FORMATS
from renderer.takes.encoding import encode, sound_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from renderer.formats.pictures import Picture
    from renderer.formats.table import Format


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
    row = FORMATS[format]
    try:
        fault_in = encode(waveform.samples.T, path, row)
        _tag(path, row, tags, cover)
        fault = fault_in(path)
    except (soundfile.LibsndfileError, TagError, OSError) as error:
        raise StoreError(f"could not write `{path.name}` as {format}", why=_cause(error, path)) from error
    if fault:
        raise StoreError(
            f"`{path.name}` is not what was written: {fault}",
            why=_cause(None, path),
            help="check the drive, then render the take again; its latents are stored",
        )


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
