"""The instruments: drum kits and pitched tones as arrays at 48 kHz, from closed formulas and one fixed noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from renderer.facts import SAMPLE_RATE, SAMPLES_PER_CODE

if TYPE_CHECKING:
    import numpy.typing as npt

    Sound = npt.NDArray[np.float32]

TOP = 14_000.0  # Hz: the highest partial
LOWEST_IN_A_CODE = 190.0  # Hz: lower tones may take two codes to repeat, or four
NOISE = np.random.default_rng(7).standard_normal(2 * SAMPLE_RATE).astype(np.float32)
VOWELS = {
    "a": (800, 1200, 2600),
    "e": (450, 2000, 2700),
    "i": (300, 2300, 3100),
    "o": (450, 850, 2500),
    "u": (330, 720, 2400),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """A pitched instrument: harmonics and how they fade."""

    slope: float
    """Amplitude of harmonic n is n ** -slope."""
    odd: bool = False
    brightness: float = 0.0
    """Share of a bright attack that fades fast, for plucked and struck sounds."""
    attack: float = 0.005
    decay: float = 0.0
    """Seconds to 1/e; 0 sustains."""
    release: float = 0.05
    width: float = 0.0
    """Radians between the ears, turned from harmonic to harmonic."""
    drive: float = 0.0
    tremolo: float = 0.0
    """How much of the level swells and fades five times a second."""
    cutoff: float = TOP
    """Hz above which harmonics fall by 12 dB an octave."""


TONES = {
    "808": Tone(slope=2.6, drive=0.4, decay=0.9, release=0.06),
    "round": Tone(slope=1.8, decay=0.6, cutoff=500),
    "rumble": Tone(slope=1.5, decay=0.25, cutoff=300, drive=1.0),
    "reese": Tone(slope=1.0, width=0.5, cutoff=600, drive=0.8, tremolo=0.3),
    "upright": Tone(slope=2.0, decay=0.45, brightness=0.3, cutoff=700),
    "pulse": Tone(slope=1.0, odd=True, decay=0.3, cutoff=700, width=0.2),
    "picked": Tone(slope=1.1, decay=0.5, brightness=0.3, cutoff=900, drive=0.6),
    "drone": Tone(slope=1.8, attack=1.2, release=1.0, cutoff=300, width=0.2),
    "bell": Tone(slope=2.4, decay=0.8, brightness=0.4, release=0.2, width=0.3),
    "stab": Tone(slope=1.3, decay=0.22, width=0.5, cutoff=1_500, release=0.06),
    "pad": Tone(slope=1.6, attack=0.2, release=0.3, width=0.7, cutoff=1_200, tremolo=0.15),
    "epiano": Tone(slope=2.6, decay=1.1, brightness=0.25, release=0.1, width=0.3),
    "power": Tone(slope=1.0, decay=2.0, drive=1.0, width=0.5, cutoff=1_500),
    "piano": Tone(slope=1.9, decay=0.9, brightness=0.3, release=0.12, width=0.3, cutoff=2_000),
    "strings": Tone(slope=1.5, attack=0.1, release=0.18, width=0.6, tremolo=0.15, cutoff=2_000),
    "staccato": Tone(slope=1.4, attack=0.02, decay=0.16, release=0.05, width=0.6, cutoff=2_500),
    "pluck": Tone(slope=1.5, decay=0.25, brightness=0.3, release=0.05, width=0.5),
    "acid": Tone(slope=1.2, decay=0.16, brightness=0.4, cutoff=1_500, drive=0.6),
    "guitar": Tone(slope=1.4, decay=0.5, brightness=0.5, release=0.06, width=0.2),
    "lead": Tone(slope=1.3, attack=0.01, width=0.4, tremolo=0.2, release=0.08, cutoff=4_000),
    "saw": Tone(slope=1.2, attack=0.01, width=0.5, tremolo=0.15, release=0.08, cutoff=3_500),
    "square": Tone(slope=1.2, odd=True, attack=0.01, width=0.3, tremolo=0.1, cutoff=3_500),
    "flute": Tone(slope=2.6, attack=0.04, tremolo=0.25, release=0.1, width=0.2),
    "brass": Tone(slope=1.2, attack=0.04, tremolo=0.1, release=0.08, width=0.3, cutoff=2_500),
}
SUNG_TREMOLO = 0.25


def frequency(midi: float) -> float:
    """Hz of a MIDI pitch, to the nearest number of cycles that a code holds whole (two below G3, four below G2).

    So a held note looks alike in every code, and what a model must keep of it is its pitch, not its phase. At most
    22 cents off, 8 on average.
    """
    exact = 440.0 * 2 ** ((midi - 69) / 12)
    step = SAMPLE_RATE / _period(exact)
    return round(exact / step) * step


def _period(hertz: float) -> int:
    """Samples after which every tone of this height repeats."""
    halvings = max(0, math.ceil(math.log2(LOWEST_IN_A_CODE / hertz)))
    return SAMPLES_PER_CODE << halvings


def tone(name: str, midi: int, num_samples: int, start: int) -> Sound:
    """A note of a tone, [2, n]: `num_samples` held from sample `start` of the song on, then its release."""
    spec = TONES[name]
    level, bright = _levels(name, num_samples)
    sound = _from(_wave(name, midi), start, len(level)) * level
    if spec.brightness:
        sound += _from(_bright_wave(name, midi), start, len(level)) * bright
    return np.tanh(sound * np.float32(1 + spec.drive)) if spec.drive else sound


def vowel(letter: str, midi: int, num_samples: int, start: int) -> Sound:
    """A sung vowel, [2, n]: harmonics under three formants, swelling."""
    time = (np.arange(num_samples) / SAMPLE_RATE).astype(np.float32)
    level = np.minimum(1, time / 0.04) * np.minimum(1, (num_samples / SAMPLE_RATE - time) / 0.06)
    return np.asarray(_from(_sung_wave(letter, midi), start, num_samples) * level, dtype=np.float32)


def _from(wave: Sound, start: int, length: int) -> Sound:
    """`length` samples of an endless wave [2, period] from sample `start` on."""
    offset = start % wave.shape[1]
    repeats = -(-(offset + length) // wave.shape[1])
    return np.asarray(np.tile(wave, repeats)[:, offset : offset + length])


@lru_cache(maxsize=1_024)
def _levels(name: str, num_samples: int) -> tuple[Sound, Sound]:
    """How loud a note is at each sample, and its bright attack."""
    spec = TONES[name]
    time = (np.arange(num_samples + int(spec.release * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)
    level = np.minimum(1, time / spec.attack)
    if spec.decay:
        level = level * np.exp(-time / spec.decay)
    fade = np.clip(1 - (time - num_samples / SAMPLE_RATE) / spec.release, 0, 1)
    level = (level * fade**2).astype(np.float32)
    return level, np.asarray(spec.brightness * level * np.exp(-time * 18), dtype=np.float32)


@lru_cache(maxsize=2_048)
def _wave(name: str, midi: int) -> Sound:
    spec = TONES[name]
    return _repeating(frequency(midi), _partials(spec, midi, spec.slope, spec.cutoff), spec.width, spec.tremolo)


@lru_cache(maxsize=1_024)
def _bright_wave(name: str, midi: int) -> Sound:
    spec = TONES[name]
    return _repeating(frequency(midi), _partials(spec, midi, spec.slope * 0.5, TOP), spec.width, 0.0)


@lru_cache(maxsize=512)
def _sung_wave(letter: str, midi: int) -> Sound:
    hertz = frequency(midi)
    number = np.arange(1, max(2, int(6_000 / hertz)), dtype=np.float64)
    at = number * hertz
    level = sum(
        weight / (1 + ((at - formant) / (60 + 0.06 * formant)) ** 2)
        for formant, weight in zip(VOWELS[letter], (1.0, 0.6, 0.3), strict=True)
    )
    return _repeating(hertz, number**-0.7 * (level + 0.02), 0.0, SUNG_TREMOLO)


def _partials(spec: Tone, midi: int, slope: float, cutoff: float) -> npt.NDArray[np.float64]:
    number = np.arange(1, max(2, int(TOP / frequency(midi))), dtype=np.float64)
    level = number**-slope / (1 + (number * frequency(midi) / cutoff) ** 2)
    return level * (number % 2) if spec.odd else level


def _repeating(hertz: float, level: npt.NDArray[np.float64], width: float, tremolo: float) -> Sound:
    """One period of a wave with these harmonics, [2, samples], RMS 0.35; phases spread so that peaks don't pile up."""
    samples = _period(hertz)
    cycles = round(hertz * samples / SAMPLE_RATE)
    number = np.arange(1, len(level) + 1)
    spread = np.exp(1j * np.pi * number**2 / max(len(level), 8))
    swell = 1 + tremolo * np.sin(2 * np.pi * 5 * np.arange(samples) / SAMPLE_RATE)
    ears = []
    for side in (-0.5, 0.5):
        spectrum = np.zeros(samples // 2 + 1, dtype=np.complex128)
        spectrum[cycles * number] = level * spread * np.exp(1j * side * width * (-1) ** number)
        ear = np.fft.irfft(spectrum)
        ears.append(0.35 * ear / np.sqrt(np.mean(ear**2)) * swell)
    return np.stack(ears).astype(np.float32)


@lru_cache(maxsize=64)
def drum(kit: str, name: str) -> Sound:
    """One hit of a kit's drum, mono [n]; `none` has no drums."""
    body, length = KITS[kit][name]
    time = np.arange(int(length * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    sound = body(time)
    fade = np.minimum(1, (length - time) / 0.01)
    hit: Sound = (sound * fade).astype(np.float32)
    return hit


def _kick(top: float, low: float, fall: float, decay: float, click: float):  # type: ignore[no-untyped-def]  # noqa: ANN202 - see below
    def sound(time: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        turns = low * time + (top - low) * fall * (1 - np.exp(-time / fall))
        hit = np.sin(2 * np.pi * turns) * np.exp(-time / decay)
        return np.asarray(np.tanh(1.8 * hit) + click * NOISE[: len(time)] * np.exp(-time / 0.003), dtype=np.float32)

    return sound


def _noise(decay: float, tone_hertz: float, tone_level: float, bright: float):  # type: ignore[no-untyped-def]  # noqa: ANN202
    def sound(time: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        raw = NOISE[1_000 : 1_000 + len(time) + 1]
        hiss = (1 - bright) * raw[1:] + bright * (raw[1:] - raw[:-1])
        ring = tone_level * np.sin(2 * np.pi * tone_hertz * time) * np.exp(-time / (decay * 0.8))
        return np.asarray(0.5 * hiss * np.exp(-time / decay) + ring, dtype=np.float32)

    return sound


def _metal(decay: float, *partials: float):  # type: ignore[no-untyped-def]  # noqa: ANN202
    def sound(time: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        ring = sum(np.sign(np.sin(2 * np.pi * hertz * time)) for hertz in partials)
        hiss = NOISE[5_000 : 5_000 + len(time) + 1]
        mixed = 0.25 * ring + 0.6 * (hiss[1:] - hiss[:-1])
        return np.asarray(0.35 * mixed * np.exp(-time / decay), dtype=np.float32)

    return sound


HATS = {
    "hat": (_metal(0.03, 6_300, 8_100), 0.1),
    "extra": (_metal(0.16, 5_900, 7_700), 0.4),
    "crash": (_metal(0.7, 4_300, 6_100), 1.8),
}
KITS = {
    "trap": {"kick": (_kick(190, 36, 0.05, 0.12, 0.3), 0.4), "snare": (_noise(0.12, 210, 0.3, 0.8), 0.3), **HATS},
    "club": {"kick": (_kick(240, 40, 0.035, 0.11, 0.4), 0.32), "snare": (_noise(0.1, 900, 0.05, 0.7), 0.25), **HATS},
    "break": {"kick": (_kick(220, 60, 0.02, 0.1, 0.5), 0.25), "snare": (_noise(0.14, 190, 0.6, 0.6), 0.3), **HATS},
    "dusty": {"kick": (_kick(150, 40, 0.05, 0.1, 0.15), 0.3), "snare": (_noise(0.09, 240, 0.4, 0.2), 0.25), **HATS},
    "gated": {"kick": (_kick(200, 38, 0.045, 0.11, 0.4), 0.35), "snare": (_noise(0.3, 180, 0.5, 0.4), 0.28), **HATS},
    "live": {"kick": (_kick(190, 42, 0.04, 0.1, 0.5), 0.3), "snare": (_noise(0.16, 200, 0.7, 0.5), 0.35), **HATS},
    "soft": {"kick": (_kick(130, 40, 0.05, 0.1, 0.1), 0.3), "snare": (_noise(0.2, 260, 0.1, 0.3), 0.35), **HATS},
    "jazz": {"kick": (_kick(140, 42, 0.04, 0.09, 0.1), 0.25), "snare": (_noise(0.15, 260, 0.15, 0.4), 0.3), **HATS},
    "dembow": {"kick": (_kick(210, 40, 0.035, 0.11, 0.4), 0.3), "snare": (_noise(0.07, 330, 0.7, 0.6), 0.2), **HATS},
    "timpani": {"kick": (_kick(130, 36, 0.06, 0.12, 0.3), 0.4), "snare": (_noise(0.25, 180, 0.1, 0.5), 0.4), **HATS},
}
