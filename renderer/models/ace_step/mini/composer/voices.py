"""The instruments: drum kits and pitched tones as arrays at 48 kHz, from closed formulas and one fixed noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from renderer.song import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy.typing as npt

    Sound = npt.NDArray[np.float32]

TABLE = 2_048  # samples of one cycle
TOP = 14_000.0  # Hz: the highest partial
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
    detune: float = 0.0
    """Cents between left and right."""
    drive: float = 0.0
    vibrato: float = 0.0
    """Cents."""
    cutoff: float = TOP
    """Hz above which harmonics fall by 12 dB an octave."""


TONES = {
    "808": Tone(slope=3.0, drive=1.6, decay=0.9, release=0.06),
    "round": Tone(slope=1.8, decay=0.6, cutoff=500),
    "rumble": Tone(slope=1.5, decay=0.25, cutoff=300, drive=1.0),
    "reese": Tone(slope=1.0, detune=26, cutoff=700, drive=0.8),
    "upright": Tone(slope=2.0, decay=0.45, brightness=0.4, cutoff=900),
    "pulse": Tone(slope=1.0, odd=True, decay=0.3, cutoff=900, detune=6),
    "picked": Tone(slope=1.1, decay=0.5, brightness=0.4, cutoff=1_200, drive=0.6),
    "drone": Tone(slope=1.8, attack=1.2, release=1.0, cutoff=300, detune=6),
    "bell": Tone(slope=1.7, decay=0.8, brightness=0.6, release=0.2, detune=4),
    "stab": Tone(slope=1.0, decay=0.16, detune=14, cutoff=2_500, release=0.06),
    "pad": Tone(slope=1.2, attack=0.25, release=0.4, detune=16, cutoff=1_600),
    "epiano": Tone(slope=2.2, decay=1.1, brightness=0.3, release=0.1, detune=5),
    "power": Tone(slope=0.8, decay=2.0, drive=3.0, detune=10, cutoff=2_500),
    "piano": Tone(slope=1.5, decay=0.9, brightness=0.5, release=0.12, detune=5, cutoff=3_000),
    "strings": Tone(slope=1.1, attack=0.12, release=0.18, detune=12, vibrato=10, cutoff=3_000),
    "staccato": Tone(slope=1.1, attack=0.02, decay=0.14, release=0.05, detune=12, cutoff=4_000),
    "pluck": Tone(slope=1.1, decay=0.22, brightness=0.5, release=0.05, detune=12),
    "acid": Tone(slope=0.9, decay=0.14, brightness=0.6, cutoff=1_800, drive=1.0),
    "guitar": Tone(slope=1.0, decay=0.5, brightness=0.8, release=0.06, detune=4),
    "lead": Tone(slope=0.9, attack=0.01, detune=14, vibrato=14, release=0.08, cutoff=5_000),
    "saw": Tone(slope=0.9, attack=0.01, detune=14, vibrato=12, release=0.08, cutoff=5_000),
    "square": Tone(slope=1.0, odd=True, attack=0.01, detune=8, vibrato=8, cutoff=4_000),
    "flute": Tone(slope=2.2, attack=0.04, vibrato=16, release=0.1, detune=4),
    "brass": Tone(slope=0.9, attack=0.05, vibrato=8, release=0.08, detune=8, cutoff=3_500),
}


def frequency(midi: float) -> float:
    """Hz of a MIDI pitch."""
    return float(440.0 * 2 ** ((midi - 69) / 12))


@lru_cache(maxsize=4_096)
def tone(name: str, midi: int, num_samples: int) -> Sound:
    """A note of a tone, [2, n]: `num_samples` held, then its release."""
    spec = TONES[name]
    hertz = frequency(midi)
    held = num_samples + int(spec.release * SAMPLE_RATE)
    time = (np.arange(held) / SAMPLE_RATE).astype(np.float32)
    level = _envelope(spec, time, num_samples)
    body = _cycle(spec.slope, spec.odd, round(hertz, 2), spec.cutoff)
    sides = []
    for sign in (-1, 1):
        cents = sign * spec.detune / 2
        phase = _phase(hertz * 2 ** (cents / 1200), time, spec.vibrato)
        sound = body[phase] * level
        if spec.brightness:
            bright = _cycle(spec.slope * 0.5, spec.odd, round(hertz, 2), TOP)
            sound = sound + spec.brightness * bright[phase] * level * np.exp(-time * 18)
        sides.append(np.tanh(sound * (1 + spec.drive)) if spec.drive else sound)
    return np.stack(sides).astype(np.float32)


@lru_cache(maxsize=2_048)
def vowel(letter: str, midi: int, num_samples: int) -> Sound:
    """A sung vowel, [2, n]: harmonics under three formants, with vibrato."""
    time = (np.arange(num_samples) / SAMPLE_RATE).astype(np.float32)
    hertz = frequency(midi)
    phase = _phase(hertz, time, 18)
    attack = np.minimum(1, time / 0.04) * np.minimum(1, (num_samples / SAMPLE_RATE - time) / 0.06)
    sound = _sung_cycle(letter, round(hertz, 2))[phase] * attack
    return np.stack([sound, sound]).astype(np.float32)


def _envelope(spec: Tone, time: npt.NDArray[np.float32], num_samples: int) -> npt.NDArray[np.float32]:
    level = np.minimum(1, time / spec.attack)
    if spec.decay:
        level = level * np.exp(-time / spec.decay)
    fade = np.clip(1 - (time - num_samples / SAMPLE_RATE) / spec.release, 0, 1)
    faded: npt.NDArray[np.float32] = (level * fade**2).astype(np.float32)
    return faded


def _phase(hertz: float, time: npt.NDArray[np.float32], vibrato: float) -> npt.NDArray[np.int64]:
    turns = time.astype(np.float64) * hertz
    if vibrato:
        depth = hertz * (2 ** (vibrato / 1200) - 1) / (2 * np.pi * 5.2)
        turns = turns + depth * np.sin(2 * np.pi * 5.2 * time) * np.minimum(1, time / 0.3)
    wrapped: npt.NDArray[np.int64] = (turns * TABLE).astype(np.int64) & (TABLE - 1)
    return wrapped


@lru_cache(maxsize=1_024)
def _cycle(slope: float, odd: bool, hertz: float, cutoff: float) -> npt.NDArray[np.float32]:
    number = np.arange(1, max(2, int(TOP / hertz)), dtype=np.float64)
    level = number**-slope / (1 + (number * hertz / cutoff) ** 2)
    if odd:
        level = level * (number % 2)
    return _from_partials(level)


@lru_cache(maxsize=512)
def _sung_cycle(letter: str, hertz: float) -> npt.NDArray[np.float32]:
    number = np.arange(1, max(2, int(6_000 / hertz)), dtype=np.float64)
    at = number * hertz
    level = sum(
        weight / (1 + ((at - formant) / (60 + 0.06 * formant)) ** 2)
        for formant, weight in zip(VOWELS[letter], (1.0, 0.6, 0.3), strict=True)
    )
    return _from_partials(number**-0.7 * (level + 0.02))


def _from_partials(level: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """One cycle with these harmonics, RMS 0.35; phases spread so that peaks don't pile up."""
    spectrum = np.zeros(TABLE // 2 + 1, dtype=np.complex128)
    count = min(len(level), TABLE // 2)
    number = np.arange(1, count + 1)
    spectrum[1 : count + 1] = level[:count] * np.exp(1j * np.pi * number**2 / max(count, 8))
    cycle = np.fft.irfft(spectrum)
    level_set: npt.NDArray[np.float32] = (0.35 * cycle / np.sqrt(np.mean(cycle**2))).astype(np.float32)
    return level_set


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
    "trap": {"kick": (_kick(180, 48, 0.03, 0.22, 0.3), 0.4), "snare": (_noise(0.12, 210, 0.3, 0.8), 0.3), **HATS},
    "club": {"kick": (_kick(240, 50, 0.025, 0.16, 0.4), 0.32), "snare": (_noise(0.1, 900, 0.05, 0.7), 0.25), **HATS},
    "break": {"kick": (_kick(220, 60, 0.02, 0.1, 0.5), 0.25), "snare": (_noise(0.14, 190, 0.6, 0.6), 0.3), **HATS},
    "dusty": {"kick": (_kick(140, 55, 0.03, 0.14, 0.1), 0.3), "snare": (_noise(0.09, 240, 0.4, 0.2), 0.25), **HATS},
    "gated": {"kick": (_kick(200, 52, 0.03, 0.18, 0.4), 0.35), "snare": (_noise(0.3, 180, 0.5, 0.4), 0.28), **HATS},
    "live": {"kick": (_kick(180, 62, 0.025, 0.13, 0.5), 0.3), "snare": (_noise(0.16, 200, 0.7, 0.5), 0.35), **HATS},
    "soft": {"kick": (_kick(120, 55, 0.03, 0.15, 0.05), 0.3), "snare": (_noise(0.2, 260, 0.1, 0.3), 0.35), **HATS},
    "jazz": {"kick": (_kick(130, 60, 0.02, 0.12, 0.05), 0.25), "snare": (_noise(0.15, 260, 0.15, 0.4), 0.3), **HATS},
    "dembow": {"kick": (_kick(200, 52, 0.025, 0.15, 0.4), 0.3), "snare": (_noise(0.07, 330, 0.7, 0.6), 0.2), **HATS},
    "timpani": {"kick": (_kick(100, 72, 0.05, 0.5, 0.1), 1.0), "snare": (_noise(0.25, 180, 0.1, 0.5), 0.4), **HATS},
}
