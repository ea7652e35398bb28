"""What `mini_quality` hears in a sound: the product's own estimators, sections, bands, distances, a style classifier.

Sounds are float32 [samples, 2] at 48 kHz. Nothing here knows models or where a sound comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.signal import stft

from renderer.facts import SAMPLE_RATE
from renderer.takes.measure import analysis
from tests.mini_factory.composer.layout import Span, lay_out

if TYPE_CHECKING:
    import numpy.typing as npt

    Sound = npt.NDArray[np.float32]

LEAD_BAND = (600.0, 5_000.0)  # Hz: where the composer's solos and leads have their first harmonics
STFT_WINDOWS = (2_048, 1_024, 512)
MEL_BANDS = 80
FLOOR_DB = -80.0  # below the loudest: nobody hears a difference there
STYLE_FLOOR_DB = -50.0
NUM_REMIXES = 8
FOLD_TOLERANCE = 0.04
QUIET = 1e-3  # RMS of a frame that counts as silence
FRAME = 480  # samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a sound should be: the song's words and metas as they finally counted."""

    style: str
    beat: bool
    """Whether the style has drums, so that a tempo can be heard."""
    lyrics: str
    bpm: int
    keyscale: str
    timesignature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was heard; None where the question doesn't arise."""

    bpm: float | None
    keyscale: str
    style: str
    tempo_folded: bool | None
    tempo_strict: bool | None
    key: bool
    key_or_relative: bool
    style_right: bool
    chorus_louder: bool | None
    chorus_louder_or_denser: bool | None
    solo_leads: bool | None
    loudness: float | None
    unclipped: bool
    longest_gap: float
    """Seconds of silence inside the song."""
    dc: float


def listen(sound: Sound, asked: Asked, judge: Any) -> Facts:
    """Everything about one sound; `judge` is what `learn_styles` gives."""
    mono = analysis._mono(sound, SAMPLE_RATE)
    bpm, keyscale = analysis.tempo(mono), heard_key(mono)
    heard_style = str(judge.predict([style_features(mono)])[0])
    spans = lay_out(asked.lyrics, asked.bpm, asked.timesignature, len(sound) / SAMPLE_RATE)
    louder, denser = chorus_over_verse(sound, mono, spans)
    return Facts(
        bpm=bpm,
        keyscale=keyscale,
        style=heard_style,
        tempo_folded=same_tempo(bpm, asked.bpm, folded=True) if asked.beat else None,
        tempo_strict=same_tempo(bpm, asked.bpm, folded=False) if asked.beat else None,
        key=same_key(keyscale, asked.keyscale),
        key_or_relative=same_key(keyscale, asked.keyscale) or same_key(keyscale, relative(asked.keyscale)),
        style_right=heard_style == asked.style,
        chorus_louder=None if louder is None else louder > 0,
        chorus_louder_or_denser=None if louder is None or denser is None else louder > 0 or denser > 0,
        solo_leads=solo_leads(sound, spans),
        loudness=analysis.loudness(sound, SAMPLE_RATE),
        unclipped=analysis.clipped(sound) == 0,
        longest_gap=longest_gap(sound),
        dc=float(np.abs(sound.mean(axis=0)).max()),
    )


def same_tempo(heard: float | None, asked: float, *, folded: bool) -> bool:
    """Within 4 %; folded also at half and double the tempo."""
    if heard is None:
        return False
    factors = (0.5, 1.0, 2.0) if folded else (1.0,)
    return any(abs(heard * factor / asked - 1) < FOLD_TOLERANCE for factor in factors)


def pitch_and_mode(keyscale: str) -> tuple[int, str]:
    """`Eb minor` to (3, "minor")."""
    note, mode = keyscale.split()
    sharp = note.count("#") + note.count("♯") - note.count("b") - note.count("♭")
    return ({"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[note[0]] + sharp) % 12, mode


def heard_key(mono: Sound) -> str:
    """The best fitting key of a mono sound at 22,050 Hz.

    As the product's `key`, which stays silent where the pitches fit none well; this one always answers, so that shares
    can be compared.
    """
    from librosa.effects import harmonic
    from librosa.feature import chroma_cqt

    tones = harmonic(mono, margin=2.0)
    weights = chroma_cqt(y=tones, sr=analysis.ANALYSIS_RATE, hop_length=analysis.CHROMA_HOP, tuning=0.0).mean(axis=1)
    return analysis.best_key(weights)[0]


def same_key(heard: str, asked: str) -> bool:
    """However it is spelled."""
    return pitch_and_mode(heard) == pitch_and_mode(asked)


def relative(keyscale: str) -> str:
    """`A minor` for `C major` and back."""
    pitch, mode = pitch_and_mode(keyscale)
    other, shift = ("major", 3) if mode == "minor" else ("minor", 9)
    return f"{analysis.PITCHES[(pitch + shift) % 12]} {other}"


def chorus_over_verse(sound: Sound, mono: Sound, spans: tuple[Span, ...]) -> tuple[float | None, float | None]:
    """How much louder (dB) and how much denser (onset strength, share) choruses are than verses."""
    found = {kind: [span for span in spans if span.kind == kind and not span.solo] for kind in ("verse", "chorus")}
    if not all(found.values()):
        return None, None
    from librosa.onset import onset_strength

    onsets = onset_strength(y=mono, sr=analysis.ANALYSIS_RATE, hop_length=analysis.ONSET_HOP)
    rate = analysis.ANALYSIS_RATE / analysis.ONSET_HOP
    level = {kind: decibels(stretches(sound, chosen, SAMPLE_RATE)) for kind, chosen in found.items()}
    density = {kind: float(stretches(onsets, chosen, rate).mean()) for kind, chosen in found.items()}
    return level["chorus"] - level["verse"], density["chorus"] / max(density["verse"], 1e-6) - 1


def stretches(values: npt.NDArray[Any], spans: list[Span], rate: float) -> npt.NDArray[Any]:
    """What lies in these sections, along the first axis."""
    return np.concatenate([values[int(span.start_seconds * rate) : int(span.end_seconds * rate)] for span in spans])


def decibels(sound: npt.NDArray[Any]) -> float:
    """RMS in dB of full scale."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))


def solo_leads(sound: Sound, spans: tuple[Span, ...]) -> bool | None:
    """Whether the lead band is louder in annotated solos than in verses (or, without one, in the rest)."""
    solos = [span for span in spans if span.solo]
    others = [span for span in spans if not span.solo and span.kind == "verse"] or [
        span for span in spans if not span.solo
    ]
    if not solos or not others:
        return None
    band = band_passed(sound.mean(axis=1), *LEAD_BAND)
    solo, rest = (decibels(stretches(band, chosen, SAMPLE_RATE)) for chosen in (solos, others))
    return solo > rest


def band_passed(mono: Sound, low: float, high: float) -> Sound:
    """Only what lies between two frequencies."""
    spectrum = np.fft.rfft(mono)
    hertz = np.fft.rfftfreq(len(mono), 1 / SAMPLE_RATE)
    spectrum[(hertz < low) | (hertz > high)] = 0
    return np.fft.irfft(spectrum, len(mono)).astype(np.float32)


def low_passed(sound: Sound, hertz: float) -> Sound:
    """Each channel below `hertz` only."""
    return np.stack([band_passed(channel, 0.0, hertz) for channel in sound.T], axis=1)


def longest_gap(sound: Sound) -> float:
    """Seconds of the longest silence that has sound before and after it."""
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME * 2)
    loud = np.flatnonzero(np.sqrt(np.mean(frames**2, axis=1)) > QUIET)
    return float(np.diff(loud).max(initial=1) - 1) * FRAME / SAMPLE_RATE if len(loud) else len(sound) / SAMPLE_RATE


@cache
def mel_filters(length: int) -> npt.NDArray[np.float32]:
    """[bands, bins]."""
    from librosa.filters import mel

    return np.asarray(mel(sr=SAMPLE_RATE, n_fft=length, n_mels=MEL_BANDS))


def magnitudes(sound: Sound, length: int) -> npt.NDArray[np.float32]:
    """|STFT| of both channels side by side, [bins, frames]."""
    both = [np.abs(stft(channel, nperseg=length, noverlap=3 * length // 4)[2]) for channel in sound.T]
    return np.concatenate(both, axis=1).astype(np.float32)


def log_mel(sound: Sound) -> npt.NDArray[np.float32]:
    """dB below the loudest band, [bands, frames]."""
    power = mel_filters(2_048) @ magnitudes(sound, 2_048) ** 2
    return np.maximum(10 * np.log10(power / max(power.max(), 1e-12) + 1e-12), FLOOR_DB)


def log_mel_distance(made: Sound, true: Sound) -> float:
    """Mean difference in dB."""
    ours, theirs = at_same_level(made, true)
    return float(np.abs(log_mel(ours) - log_mel(theirs)).mean())


def stft_distance(made: Sound, true: Sound) -> float:
    """Spectral convergence plus log-magnitude L1 (natural logarithm), mean of three resolutions.

    Source: R. Yamamoto et al., "Parallel WaveGAN", ICASSP 2020
    """
    ours, theirs = at_same_level(made, true)
    total = 0.0
    for length in STFT_WINDOWS:
        x, y = magnitudes(ours, length), magnitudes(theirs, length)
        floor = 1e-4 * y.max()  # -80 dB
        total += float(np.linalg.norm(y - x) / np.linalg.norm(y))
        total += float(np.abs(np.log(np.maximum(y, floor)) - np.log(np.maximum(x, floor))).mean())
    return total / len(STFT_WINDOWS)


def at_same_level(made: Sound, true: Sound) -> tuple[Sound, Sound]:
    """Both at their common length, the first at the second's RMS: the product scales every take to its peak."""
    length = min(len(made), len(true))
    ours, theirs = made[:length], true[:length]
    return (ours * np.float32(10 ** ((decibels(theirs) - decibels(ours)) / 20))), theirs


def likeness(one: Sound, other: Sound) -> float:
    """Correlation of two takes' log-mel spectra."""
    length = min(len(one), len(other))
    return float(np.corrcoef(log_mel(one[:length]).ravel(), log_mel(other[:length]).ravel())[0, 1])


def style_features(mono: Sound) -> npt.NDArray[np.float32]:
    """Colour and rhythm of a mono sound at 22,050 Hz: mel bands' levels, spread and movement, onsets' repetition."""
    from librosa.feature import melspectrogram
    from librosa.onset import onset_strength

    power = melspectrogram(y=mono, sr=analysis.ANALYSIS_RATE, n_mels=40, fmax=8_000)
    bands = 10 * np.log10(power + 1e-10)
    bands = np.maximum(bands - bands.max(), STYLE_FLOOR_DB)
    onsets = onset_strength(S=bands)
    around = onsets - onsets.mean()
    repeats = np.correlate(around, around, "full")[len(around) :][:100] / max(float(around @ around), 1e-9)
    colour = (bands.mean(axis=1) - bands.mean(), bands.std(axis=1), np.abs(np.diff(bands)).mean(axis=1))
    return np.concatenate([*colour, repeats]).astype(np.float32)


def learn_styles(features: npt.NDArray[np.float32], names: list[str]) -> Any:
    """A linear classifier of `style_features`, taught on other mixes of the same songs too.

    It is to hear style; how faithful a sound is has rows of its own. So colour counts up to a tilt and a contrast.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    mixes = [features, *(remixed(features, rng) for _ in range(NUM_REMIXES))]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=2_000))
    return model.fit(np.concatenate(mixes), names * len(mixes))


def remixed(features: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Features [songs, values] as of another mix: tilted by up to 10 dB, each band off by some, contrast changed."""
    mixed = features.copy()
    count = len(features)
    tilt = rng.uniform(-10, 10, (count, 1)) * np.linspace(-0.5, 0.5, 40) + rng.normal(0, 3, (count, 40))
    mixed[:, :40] += tilt - tilt.mean(axis=1, keepdims=True)
    mixed[:, 40:120] *= rng.uniform(0.6, 1.2, (count, 1))
    mixed[:, 120:] *= rng.uniform(0.5, 1.1, (count, 1))
    return mixed
