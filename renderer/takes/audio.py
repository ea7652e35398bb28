"""Waveform -> audio file: one row a format in WRITERS, bytes that depend on nothing but sound and tags.

Writes to exactly the path it is given; naming, renaming and flushing to disk are the store's.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile

from renderer.errors import StoreError
from renderer.takes.encoding import audio_length, sound_digest, write_by_memory, write_exactly
from renderer.takes.tags.flac import flac_sound, tag_flac
from renderer.takes.tags.mp3 import mp3_sound, tag_mp3
from renderer.takes.tags.opus import opus_sound, tag_opus
from renderer.takes.tags.splice import TagError
from renderer.takes.tags.wav import tag_wav, wav_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from renderer.artifacts import Waveform
    from renderer.takes.encoding import FaultIn, Frames

__all__ = ["WRITERS", "Writer", "audio_length", "change_tags", "peaks", "write_audio"]
PEAK_BINS = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """How a format is encoded and tagged."""

    container: str
    """libsndfile's name of the file format."""
    encoding: str
    """libsndfile's name of the sample encoding."""
    tag: Callable[[Path, Mapping[str, str]], None]
    """Replaces the tags of a file already written; the sound stays as it is."""
    sound: Callable[[BinaryIO], Iterator[bytes]]
    """The bytes that tags leave alone."""
    write: Callable[[Frames, Path, Writer], FaultIn]
    """Encodes; gives what tells whether a file holds the sound."""
    options: Mapping[str, str | float] = field(default_factory=dict)
    """libsndfile's encoder settings."""


# 24 bit: rounding then lies at -146 dBFS, below what any converter resolves, so fades need no dither (which would need
# a generator of its own), and browsers play it. PCM WAV has no PEAK chunk, whose time stamp would change the bytes.
WRITERS: Mapping[str, Writer] = {
    "wav": Writer(container="WAV", encoding="PCM_24", tag=tag_wav, sound=wav_sound, write=write_exactly),
    "flac": Writer(container="FLAC", encoding="PCM_24", tag=tag_flac, sound=flac_sound, write=write_exactly),
    # LAME's V0, about 245 kbit/s.
    "mp3": Writer(
        container="MP3",
        encoding="MPEG_LAYER_III",
        tag=tag_mp3,
        sound=mp3_sound,
        write=write_by_memory,
        options={"bitrate_mode": "VARIABLE", "compression_level": 0.0},
    ),
    # libsndfile maps 0..1 to 256..6 kbit/s a channel: 0.64 is 192 kbit/s in stereo.
    "opus": Writer(
        container="OGG",
        encoding="OPUS",
        tag=tag_opus,
        sound=opus_sound,
        write=write_by_memory,
        options={"compression_level": 0.64},
    ),
}


def write_audio(waveform: Waveform, path: Path, format: str, tags: Mapping[str, str]) -> None:  # noqa: A002 - the spec's word
    """Encode to `path` (any name will do), add tags, read back and compare, sample by sample or byte by byte.

    The same waveform and tags give the same bytes.
    Raises: StoreError when the file can't be written or does not hold what was written.
    """
    writer = WRITERS[format]
    try:
        fault_in = writer.write(waveform.samples.T, path, writer)
        writer.tag(path, tags)
        fault = fault_in(path)
    except (soundfile.LibsndfileError, TagError, OSError) as error:
        raise StoreError(f"could not write `{path.name}` as {format}", why=_cause(error, path)) from error
    if fault:
        raise StoreError(
            f"`{path.name}` is not what was written: {fault}",
            why=_cause(None, path),
            help="check the drive, then render the take again; its latents are stored",
        )


def change_tags(source: Path, target: Path, format: str, tags: Mapping[str, str]) -> None:  # noqa: A002 - the spec's word
    """Write `source` to `target`, sound byte by byte as it is, with these tags and no others.

    Raises: StoreError when `target` can't be written, or came out with another sound.
    """
    writer = WRITERS[format]
    try:
        shutil.copyfile(source, target)
        writer.tag(target, tags)
        kept = sound_digest(source, writer) == sound_digest(target, writer)
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
    low = np.minimum.reduceat(samples.min(axis=0), starts)
    high = np.maximum.reduceat(samples.max(axis=0), starts)
    levels: npt.NDArray[np.int8] = np.rint(np.clip(np.stack([low, high], axis=1), -1.0, 1.0) * 127).astype(np.int8)
    return levels


def _cause(error: Exception | None, path: Path) -> str:
    # libsndfile reports a full disk as "System error", so the free space is what helps.
    if not path.parent.is_dir():
        return f"there is no folder `{path.parent.name}`"
    free = f"{shutil.disk_usage(path.parent).free / 1e6:,.0f} MB are free there"
    return f"{error}; {free}" if error else free
