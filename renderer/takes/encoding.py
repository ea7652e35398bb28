"""Sound -> an encoded file, and what tells whether a file still holds it: the samples, or the encoder's bytes.

Frames counted are not enough: a byte that a drive changed leaves their number as it is.
"""

from __future__ import annotations

import hashlib
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from renderer.facts import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy.typing as npt

    from renderer.formats.table import Format

    Frames = npt.NDArray[np.float32]
    FaultIn = Callable[[Path], str]

CHUNK_FRAMES = 65_536  # libsndfile's Ogg encoder overflows the stack on minutes in one call (libsndfile#1095)


def encode(frames: Frames, path: Path, row: Format) -> FaultIn:
    """Encode float32 [frames, channels]; what is returned tells of a file whether it holds them.

    It gives what is amiss, or nothing. Raises: LibsndfileError, OSError, TagError.
    """
    if row.lossless:
        _encode(frames, path, row)
        return partial(_fault_in_samples, frames)
    # In memory first: what the drive then gives back is compared with that.
    encoded = BytesIO()
    _encode(frames, encoded, row)
    path.write_bytes(encoded.getbuffer())
    encoded.seek(0)
    return partial(_fault_in_bytes, _digest(row.tagger().sound(encoded)), len(frames), row)


def _encode(frames: Frames, target: Path | BytesIO, row: Format) -> None:
    with soundfile.SoundFile(
        target,
        "w",
        samplerate=SAMPLE_RATE,
        channels=frames.shape[1],
        format=row.container,
        subtype=row.encoding,
        **row.options,
    ) as sound:
        for start in range(0, len(frames), CHUNK_FRAMES):
            sound.write(frames[start : start + CHUNK_FRAMES])


def _fault_in_samples(frames: Frames, path: Path) -> str:
    # libsndfile cuts floats to 24 bits for WAV and rounds them for FLAC: whichever it does, it does for all.
    like = set(_TO_24_BITS)
    read = 0
    with soundfile.SoundFile(path) as sound:
        if (sound.samplerate, sound.channels) != (SAMPLE_RATE, frames.shape[1]):
            return f"{sound.channels} channels at {sound.samplerate} Hz"
        while len(found := sound.read(CHUNK_FRAMES, dtype="int32", always_2d=True)):
            wanted = frames[read : read + len(found)]
            like = {way for way in like if np.array_equal(found >> 8, way(wanted))}
            read += len(found)
            if not like:
                return f"a sample is another before {read / SAMPLE_RATE:.1f} s"
    return _fault_in_length(read, len(frames))


# In float32, which is exact here: powers of two alone, and what exceeds 24 bits has no fraction.
_FULL_SCALE_24, _FULL_SCALE_32, _CUT_OFF = (np.float32(2**bits) for bits in (23, 31, 8))


def _cut(frames: Frames) -> npt.NDArray[np.int32]:
    steps = np.rint(frames * _FULL_SCALE_32)
    return _within_24_bits(np.floor(np.divide(steps, _CUT_OFF, out=steps), out=steps))


def _rounded(frames: Frames) -> npt.NDArray[np.int32]:
    return _within_24_bits(np.rint(frames * _FULL_SCALE_24))


def _within_24_bits(steps: Frames) -> npt.NDArray[np.int32]:
    return np.clip(steps, -_FULL_SCALE_24, _FULL_SCALE_24 - 1, out=steps).astype(np.int32)


_TO_24_BITS = (_cut, _rounded)


def _fault_in_bytes(digest: bytes, num_frames: int, row: Format, path: Path) -> str:
    if sound_digest(path, row) != digest:
        return "its sound is not what the encoder gave"
    return _fault_in_length(audio_length(path), num_frames)


def _fault_in_length(read: int, expected: int) -> str:
    return "" if read == expected else f"{read:,} of {expected:,} frames read back"


def audio_length(path: Path) -> int:
    """Frames (samples a channel) that the file really decodes to, whatever its header says."""
    num_frames = 0
    buffer = np.empty((CHUNK_FRAMES, 2), dtype=np.float32)
    with soundfile.SoundFile(path) as sound:
        while read := len(sound.read(out=buffer[:, : sound.channels], fill_value=None)):
            num_frames += read
    return num_frames


def sound_digest(path: Path, row: Format) -> bytes:
    """SHA-256 of a file's sound, without its tags.

    Raises: TagError, OSError.
    """
    with path.open("rb") as file:
        return _digest(row.tagger().sound(file))


def _digest(pieces: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()
