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
from renderer.takes.read_back import CHUNK_FRAMES, compare_samples, fault_in_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy.typing as npt

    from renderer.formats.table import Format
    from renderer.takes.read_back import Each

    Frames = npt.NDArray[np.float32]
    Compare = Callable[[Path, Each], Callable[[], str]]

LOSSY_FRAMES = 65_536  # libsndfile's Ogg encoder overflows the stack on minutes in one call (libsndfile#1095)


def encode(frames: Frames, path: Path, row: Format) -> Compare:
    """Encode float32 [frames, channels]; what is returned begins to read a file back, with `map` or an executor's.

    What that gives waits, and tells what is amiss, or nothing. Raises: LibsndfileError, OSError, TagError.
    """
    if row.lossless:
        _encode(frames, path, row)
        return partial(compare_samples, frames)
    # In memory first: what the drive then gives back is compared with that.
    encoded = BytesIO()
    _encode(frames, encoded, row)
    path.write_bytes(encoded.getbuffer())
    encoded.seek(0)
    return partial(_compare_bytes, _digest(row.tagger().sound(encoded)), len(frames), row)


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
        size = CHUNK_FRAMES if row.lossless else LOSSY_FRAMES
        buffer = np.empty((size, frames.shape[1]), dtype=np.float32)
        for start in range(0, len(frames), size):
            chunk = frames[start : start + size]
            # The library's own way to lay channels side by side takes three times as long.
            for channel in range(frames.shape[1]):
                buffer[: len(chunk), channel] = chunk[:, channel]
            sound.write(buffer[: len(chunk)])


def _compare_bytes(digest: bytes, num_frames: int, row: Format, path: Path, _each: Each) -> Callable[[], str]:
    return partial(_fault_in_bytes, digest, num_frames, row, path)


def _fault_in_bytes(digest: bytes, num_frames: int, row: Format, path: Path) -> str:
    if sound_digest(path, row) != digest:
        return "its sound is not what the encoder gave"
    return fault_in_length(audio_length(path), num_frames)


def audio_length(path: Path) -> int:
    """Frames (samples a channel) that the file really decodes to, whatever its header says."""
    num_frames = 0
    buffer = np.empty((LOSSY_FRAMES, 2), dtype=np.float32)
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
