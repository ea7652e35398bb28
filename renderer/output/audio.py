"""Waveform -> audio file: one row a format in WRITERS, bytes that depend on nothing but sound and tags.

Writes to exactly the path it is given; naming, renaming and flushing to disk are the store's.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile

from renderer.errors import StoreError
from renderer.output.tags.flac import flac_sound, tag_flac
from renderer.output.tags.mp3 import mp3_sound, tag_mp3
from renderer.output.tags.opus import opus_sound, tag_opus
from renderer.output.tags.splice import TagError
from renderer.output.tags.wav import tag_wav, wav_sound
from renderer.song import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from renderer.artifacts import Waveform

CHUNK_FRAMES = 65_536  # libsndfile's Ogg encoder overflows the stack on minutes in one call (libsndfile#1095)
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
    options: Mapping[str, str | float] = field(default_factory=dict)
    """libsndfile's encoder settings."""


# 24 bit: rounding then lies at -146 dBFS, below what any converter resolves, so fades need no dither (which would need
# a generator of its own), and browsers play it. PCM WAV has no PEAK chunk, whose time stamp would change the bytes.
WRITERS: Mapping[str, Writer] = {
    "wav": Writer(container="WAV", encoding="PCM_24", tag=tag_wav, sound=wav_sound),
    "flac": Writer(container="FLAC", encoding="PCM_24", tag=tag_flac, sound=flac_sound),
    # LAME's V0, about 245 kbit/s.
    "mp3": Writer(
        container="MP3",
        encoding="MPEG_LAYER_III",
        tag=tag_mp3,
        sound=mp3_sound,
        options={"bitrate_mode": "VARIABLE", "compression_level": 0.0},
    ),
    # libsndfile maps 0..1 to 256..6 kbit/s a channel: 0.64 is 192 kbit/s in stereo.
    "opus": Writer(
        container="OGG", encoding="OPUS", tag=tag_opus, sound=opus_sound, options={"compression_level": 0.64}
    ),
}


def write_audio(waveform: Waveform, path: Path, format: str, tags: Mapping[str, str]) -> None:  # noqa: A002 - the spec's word
    """Encode to `path` (any name will do), add tags, read back and count.

    The same waveform and tags give the same bytes.
    Raises: StoreError when the file can't be written or does not hold what was written.
    """
    writer = WRITERS[format]
    frames = waveform.samples.T
    try:
        _encode(frames, path, writer)
        writer.tag(path, tags)
        written = audio_length(path)
    except (soundfile.LibsndfileError, TagError, OSError) as error:
        raise StoreError(f"could not write `{path.name}` as {format}", why=_cause(error, path)) from error
    if written != len(frames):
        raise StoreError(
            f"`{path.name}` is not whole: {written:,} of {len(frames):,} frames read back",
            why=_cause(None, path),
            help="render the take again; its latents are stored",
        )


def change_tags(source: Path, target: Path, format: str, tags: Mapping[str, str]) -> None:  # noqa: A002 - the spec's word
    """Write `source` to `target`, sound byte by byte as it is, with these tags and no others.

    Raises: StoreError when `target` can't be written, or came out with another sound.
    """
    writer = WRITERS[format]
    try:
        shutil.copyfile(source, target)
        writer.tag(target, tags)
        kept = _sound_digest(source, writer) == _sound_digest(target, writer)
    except (TagError, OSError) as error:
        raise StoreError(f"could not write the tags of `{source.name}`", why=_cause(error, target)) from error
    if not kept:
        raise StoreError(
            f"`{source.name}` came out with another sound than it had",
            why=_cause(None, target),
            help="check the drive, then start again; the file is as it was",
        )


def audio_length(path: Path) -> int:
    """Frames (samples a channel) that the file really decodes to, whatever its header says."""
    num_frames = 0
    buffer = np.empty((CHUNK_FRAMES, 2), dtype=np.float32)
    with soundfile.SoundFile(path) as sound:
        while read := len(sound.read(out=buffer[:, : sound.channels], fill_value=None)):
            num_frames += read
    return num_frames


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


def _sound_digest(path: Path, writer: Writer) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in writer.sound(file):
            digest.update(piece)
    return digest.digest()


def _encode(frames: npt.NDArray[np.float32], path: Path, writer: Writer) -> None:
    with soundfile.SoundFile(
        path,
        "w",
        samplerate=SAMPLE_RATE,
        channels=frames.shape[1],
        format=writer.container,
        subtype=writer.encoding,
        **writer.options,
    ) as sound:
        for start in range(0, len(frames), CHUNK_FRAMES):
            sound.write(frames[start : start + CHUNK_FRAMES])


def _cause(error: Exception | None, path: Path) -> str:
    # libsndfile reports a full disk as "System error", so the free space is what helps.
    if not path.parent.is_dir():
        return f"there is no folder `{path.parent.name}`"
    free = f"{shutil.disk_usage(path.parent).free / 1e6:,.0f} MB are free there"
    return f"{error}; {free}" if error else free
