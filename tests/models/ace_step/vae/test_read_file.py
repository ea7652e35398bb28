"""Sound files of every kind are read as upstream reads them, or refused in words; none gives another length."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch

from renderer.errors import RendererError
from renderer.models.ace_step.protocol.sound_files import look_at
from renderer.models.ace_step.vae.encoder import PIECE, chunks, pieces
from renderer.models.ace_step.vae.read_file import read_file
from renderer.models.ace_step.vae.resample import resample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 2.0


def sine(rate: int, channels: int = 2, seconds: float = SECONDS) -> Any:
    times = np.arange(round(rate * seconds)) / rate
    return np.stack([0.4 * np.sin(2 * np.pi * (220 + 110 * one) * times) for one in range(channels)], axis=1)


def written(name: str, rate: int = 48_000, channels: int = 2, **how: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        soundfile.write(path, sine(rate, channels), rate, **how)
        return path

    return write


READ = {
    "wav": written("a.wav"),
    "wav of 8 bits": written("a.wav", subtype="PCM_U8"),
    "wav of 24 bits": written("a.wav", subtype="PCM_24"),
    "wav of 32 bits": written("a.wav", subtype="PCM_32"),
    "wav of floats": written("a.wav", subtype="FLOAT"),
    "wav of doubles": written("a.wav", subtype="DOUBLE"),
    "wav in a-law": written("a.wav", subtype="ALAW"),
    "wav in mu-law": written("a.wav", subtype="ULAW"),
    "wav of one channel": written("a.wav", channels=1),
    "wav of six channels": written("a.wav", channels=6),
    "rf64": written("a.rf64", format="RF64"),
    "w64": written("a.w64", format="W64"),
    "aiff": written("a.aiff"),
    "caf": written("a.caf", format="CAF"),
    "flac": written("a.flac"),
    "flac of 16 bits at 44.1 kHz": written("a.flac", 44_100, subtype="PCM_16"),
    "mp3": written("a.mp3", 44_100),
    "mp3 of one channel": written("a.mp3", 48_000, channels=1),
    "opus": written("a.opus", format="OGG", subtype="OPUS"),
    "vorbis": written("a.ogg", 44_100),
    "8 kHz": written("a.wav", 8_000),
    "11.025 kHz": written("a.wav", 11_025),
    "22.05 kHz": written("a.wav", 22_050),
    "88.2 kHz": written("a.wav", 88_200),
    "96 kHz": written("a.wav", 96_000),
    "192 kHz": written("a.wav", 192_000),
    "flac called wav": written("a.wav", format="FLAC"),
    "wav called mp3": written("a.mp3", format="WAV"),
    "wav called raw": written("a.raw", format="WAV"),
    "wav without a suffix": written("sound", format="WAV"),
    "a name of signs": written("ä b'\"$(x) 🎵.wav"),
}


def bytes_of(content: bytes, name: str = "a.wav") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return write


def samples_of(samples: Any, rate: int = 48_000) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "a.wav"
        soundfile.write(path, samples, rate, subtype="FLOAT")
        return path

    return write


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.wav")
    return folder / "a.wav"


def _cut(name: str, kept: float) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = written(name)(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * kept)])
        return path

    return write


REFUSED = {
    "nothing there": lambda folder: folder / "none.wav",
    "a folder": lambda folder: folder,
    "a pipe": _pipe,
    "empty": bytes_of(b""),
    "text": bytes_of(b"this is no sound at all\n" * 50),
    "zeros": bytes_of(bytes(100_000)),
    "noise": bytes_of(np.random.default_rng(1).bytes(100_000)),
    "noise called mp3": bytes_of(np.random.default_rng(2).bytes(3_000), "a.mp3"),
    "a picture": bytes_of(b"\x89PNG\r\n\x1a\n" + bytes(500), "a.wav"),
    "a zip": bytes_of(b"PK\x03\x04" + bytes(500), "a.flac"),
    "a wav's head alone": bytes_of(b"RIFF\x24\x00\x00\x00WAVEfmt "),
    "raw samples": bytes_of(np.zeros(5_000, np.int16).tobytes(), "a.raw"),
    "a flac cut off": _cut("a.flac", 0.1),
    "silence": samples_of(np.zeros((96_000, 2))),
    "next to silence": samples_of(np.full((96_000, 2), 5e-7)),
    "NaN": samples_of(np.full((96_000, 2), np.nan)),
    "infinity": samples_of(np.full((96_000, 2), np.inf)),
    "half a second": samples_of(sine(48_000, seconds=0.5)),
    "no samples": samples_of(np.zeros((0, 2))),
    "one sample": samples_of(np.ones((1, 2))),
    "three hours": samples_of(np.full((4_000 * 10_800, 1), 0.1, dtype=np.float32), 4_000),
    "a rate of 100 Hz": samples_of(sine(100, seconds=20.0), 100),
    "a rate of a million Hz": samples_of(sine(48_000), 1_000_000),
    "a rate of 47,999 Hz": samples_of(sine(47_999), 47_999),
}


@pytest.mark.parametrize("kind", READ)
def test_a_file_is_read_in_its_length_at_48_khz_in_stereo(kind: str, tmp_path: Path) -> None:
    file = look_at(READ[kind](tmp_path), 600.0)
    samples = read_file(file)
    assert samples.shape == (2, round(file.seconds * 48_000))
    assert abs(file.seconds - SECONDS) < 0.1  # what MP3 fills up
    assert 0.3 < float(samples.abs().max()) <= 1.0


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_sound_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    with pytest.raises(RendererError) as refused:
        read_file(look_at(REFUSED[kind](tmp_path), 600.0))
    assert refused.value.message
    assert "Traceback" not in refused.value.message + refused.value.why


def test_a_file_that_changes_between_plan_and_stage_is_told_of(tmp_path: Path) -> None:
    path = READ["wav"](tmp_path)
    file = look_at(path, 600.0)
    soundfile.write(path, sine(48_000) * 0.5, 48_000)
    with pytest.raises(RendererError, match="was changed"):
        read_file(file)


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_a_sine_is_the_same_sine_at_another_rate(rate: int) -> None:
    asked = torch.from_numpy(sine(48_000).T.astype(np.float32))
    found = resample(torch.from_numpy(sine(rate).T.astype(np.float32)), rate, 48_000)
    assert found.shape == asked.shape
    assert (found - asked)[:, 2_000:-2_000].abs().max() < 2e-3


def test_chunks_cover_a_sound_once() -> None:
    for length in (48_000, 30 * 48_000, 30 * 48_000 + 1, 100 * 48_000 + 77):
        kept = [one[2:] for one in chunks(length)]
        assert kept[0][0] == 0
        assert kept[-1][1] == length
        assert all(before[1] == after[0] for before, after in pairwise(kept))


def test_a_reference_is_three_pieces_of_its_thirds_by_the_seed() -> None:
    sound = torch.arange(100 * 48_000, dtype=torch.float32).repeat(2, 1)
    made, offsets = pieces(sound, torch.Generator().manual_seed(3))
    again, same = pieces(sound, torch.Generator().manual_seed(3))
    assert made.shape == (2, 3 * PIECE)
    assert torch.equal(made, again)
    assert offsets == same
    third = sound.shape[1] // 3
    for number, offset in enumerate(offsets):
        assert number * third <= offset <= (number + 1) * third + 2 - PIECE
        assert float(made[0, number * PIECE]) == offset
    assert pieces(sound[:, :PIECE], torch.Generator())[0].shape == (2, 3 * PIECE)
