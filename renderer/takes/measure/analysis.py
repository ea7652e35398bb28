"""What a sound says about itself: tempo, key, loudness, peak, silence, clipping; heavy imports inside functions."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np

from renderer.takes.measure.values import Measured

if TYPE_CHECKING:
    import numpy.typing as npt

    Sound = npt.NDArray[np.float32]

# librosa's numba compiles for the processor it finds; what it makes for AMD's Zen 5 ends the process at the first beat
# (numba 0.68.1, llvmlite 0.50.0). Code for any processor of the kind is fast enough here, and the same everywhere.
os.environ.setdefault("NUMBA_CPU_NAME", "generic")

ANALYSIS_RATE = 22_050  # Hz; what librosa's tempo and chroma defaults are tuned for
MIN_LOUDNESS_SECONDS = 0.4  # one gating block of EBU R128
MIN_MUSIC_SECONDS = 4.0  # shorter sounds hold too few beats and chords
ONSET_HOP = 512  # samples
MIN_PULSE = 0.25  # autocorrelation of the onsets at the beat: music has 0.8 and more, noise stays below 0.15
SILENCE_DB = -60.0
SILENCE_FRAME_SECONDS = 0.01
QUIET_DB = -18.0  # against the louder half: a verse lies less below a chorus, the end of a fade more
QUIET_FRAME_SECONDS = 0.5
OVERSAMPLING = 4
CLIPPED_RUN = 3  # samples; two neighbours at the very peak happen in clean sound
CLIPPED_LEVEL = 0.1  # below that a flat top is no overload
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
# How well each scale step fits a key to the ear. Source: C. Krumhansl, "Cognitive Foundations of Musical Pitch",
# 1990, chapter 4. They name the key of 19 of 24 songs of mini's composer, profiles counted from scores that of 11.
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
CHROMA_HOP = 2_048  # samples; only their mean counts
MIN_KEY_CORRELATION = 0.5  # below that the pitches fit no key
MIN_KEY_CONTRAST = 0.15  # spread of the twelve pitches over their mean: noise has them all alike


def analyse(sound: Sound, rate: int) -> Measured:
    """Everything about a sound: float32 [frames, channels]."""
    mono = _mono(sound, rate)
    bpm, beats = rhythm(mono)
    head, tail = silence(sound, rate)
    head_quiet, tail_quiet = quiet(sound, rate)
    return Measured(
        duration_seconds=len(sound) / rate,
        bpm=bpm,
        keyscale=key(mono),
        loudness_lufs=loudness(sound, rate),
        true_peak_db=true_peak(sound),
        head_silence_seconds=head,
        tail_silence_seconds=tail,
        head_quiet_seconds=head_quiet,
        tail_quiet_seconds=tail_quiet,
        num_clipped=clipped(sound),
        beats=beats,
    )


def tempo(mono: Sound) -> float | None:
    """Beats a minute of a mono sound at ANALYSIS_RATE; None without beats."""
    return rhythm(mono)[0]


def rhythm(mono: Sound, *, min_pulse: float = MIN_PULSE) -> tuple[float | None, tuple[float, ...]]:
    """The same with when the beats are heard, in seconds; below `min_pulse` they aren't told."""
    from librosa.beat import beat_track  # noqa: PLC0415 - seconds of imports, in the measuring process only
    from librosa.core import frames_to_time  # noqa: PLC0415 - as above
    from librosa.onset import onset_strength  # noqa: PLC0415 - as above

    if len(mono) < MIN_MUSIC_SECONDS * ANALYSIS_RATE:
        return None, ()
    onsets = onset_strength(y=mono, sr=ANALYSIS_RATE, hop_length=ONSET_HOP)
    if onsets.max() < np.finfo(np.float32).eps:
        return None, ()
    found, beats = beat_track(onset_envelope=onsets, sr=ANALYSIS_RATE)
    rough = float(np.atleast_1d(found)[0])
    if len(beats) < 4 or _pulse(onsets, rough) < min_pulse:  # noqa: PLR2004 - a bar
        return None, ()
    seconds = frames_to_time(beats, sr=ANALYSIS_RATE)
    # What rises in a frame is told a frame later: on clicks of known times, 24 ms.
    heard = np.maximum(seconds - ONSET_HOP / ANALYSIS_RATE, 0.0)
    return _steady_tempo(seconds, rough), tuple(round(float(one), 3) for one in heard)


def key(mono: Sound) -> str | None:
    """`A minor`, from the mean weights of the pitches, each moment scaled to its strongest; None without a fit."""
    from librosa.effects import harmonic  # noqa: PLC0415 - as above
    from librosa.feature import chroma_cqt  # noqa: PLC0415 - as above

    if len(mono) < MIN_MUSIC_SECONDS * ANALYSIS_RATE or not np.any(mono):
        return None
    tones = harmonic(mono, margin=2.0)
    weights = chroma_cqt(y=tones, sr=ANALYSIS_RATE, hop_length=CHROMA_HOP).mean(axis=1)
    if weights.std() < MIN_KEY_CONTRAST * weights.mean():
        return None
    best, fit = best_key(weights)
    return best if fit >= MIN_KEY_CORRELATION else None


def best_key(weights: npt.NDArray[np.floating]) -> tuple[str, float]:
    """The key whose profile the twelve pitches' weights, from C on, resemble most, and the correlation."""
    fits = {
        f"{pitch} {mode}": float(np.corrcoef(weights, np.roll(profile, shift))[0, 1])
        for shift, pitch in enumerate(PITCHES)
        for mode, profile in PROFILES.items()
    }
    best = max(fits, key=lambda name: fits[name])
    return best, fits[best]


def loudness(sound: Sound, rate: int) -> float | None:
    """Integrated loudness in LUFS (EBU R128, ITU-R BS.1770); None for silence and shorter than a gating block."""
    import pyloudnorm  # noqa: PLC0415 - as above

    if len(sound) < MIN_LOUDNESS_SECONDS * rate:
        return None
    found = float(pyloudnorm.Meter(rate).integrated_loudness(sound.astype(np.float64)))
    return found if math.isfinite(found) else None


def true_peak(sound: Sound) -> float | None:
    """Highest level between the samples too, in dBTP; None for silence. Source: ITU-R BS.1770-4, annex 2."""
    from scipy.signal import resample_poly  # noqa: PLC0415 - as above

    # In blocks that overlap by more than the filter reaches: ten minutes at 192 kHz would take a gigabyte.
    block, margin = 480_000, 1_000
    peak = 0.0
    for start in range(0, len(sound), block):
        piece = sound[max(0, start - margin) : start + block + margin]
        peak = max(peak, float(np.abs(resample_poly(piece, OVERSAMPLING, 1, axis=0)).max(initial=0.0)))
    return 20 * math.log10(peak) if peak > 0 else None


def silence(sound: Sound, rate: int) -> tuple[float, float]:
    """Seconds below SILENCE_DB at head and tail; the whole length twice when nothing sounds."""
    frame = int(SILENCE_FRAME_SECONDS * rate)
    loud = np.flatnonzero(np.abs(sound).max(axis=1) > 10 ** (SILENCE_DB / 20))
    if not len(loud):
        return len(sound) / rate, len(sound) / rate
    head, tail = loud[0] // frame * frame, (len(sound) - 1 - loud[-1]) // frame * frame
    return float(head / rate), float(tail / rate)


def quiet(sound: Sound, rate: int) -> tuple[float, float]:
    """Seconds at head and tail that lie QUIET_DB below the level of the sound's louder half; of silence, none."""
    frame = int(QUIET_FRAME_SECONDS * rate)
    whole = sound[: len(sound) // frame * frame]
    if not len(whole):
        return 0.0, 0.0
    power = (whole.astype(np.float64) ** 2).mean(axis=1).reshape(-1, frame).mean(axis=1)
    loud = np.flatnonzero(power > np.median(power[power >= np.median(power)]) * 10 ** (QUIET_DB / 10))
    if not len(loud):
        return 0.0, 0.0
    return float(loud[0] * QUIET_FRAME_SECONDS), float((len(power) - 1 - loud[-1]) * QUIET_FRAME_SECONDS)


def clipped(sound: Sound) -> int:
    """Samples in flat tops: runs of CLIPPED_RUN and more at the sound's own peak, since peaks are scaled to -1 dBFS."""
    level = np.abs(sound)
    peak = float(level.max(initial=0.0))
    if peak < CLIPPED_LEVEL:
        return 0
    return sum(_in_runs(channel >= peak * (1 - 2**-20)) for channel in level.T)


def _in_runs(at_peak: npt.NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], at_peak, [False])).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= CLIPPED_RUN].sum())


def _pulse(onsets: npt.NDArray[np.float32], bpm: float) -> float:
    """How well the onsets repeat after a beat, from -1 to 1: a tracker names some tempo for noise as well."""
    around = onsets - onsets.mean()
    lag = round(60 / bpm * ANALYSIS_RATE / ONSET_HOP)
    shifted = [float(np.dot(around[place:], around[: len(around) - place])) for place in (lag - 1, lag, lag + 1)]
    return max(shifted) / float(np.dot(around, around))


def _steady_tempo(beat_seconds: npt.NDArray[np.float64], rough: float) -> float:
    # librosa's tempo comes from a grid of lags several bpm apart; a line through the beats it found is finer.
    numbers = np.arange(len(beat_seconds))
    seconds_a_beat = float(np.polyfit(numbers, beat_seconds, 1)[0])
    fine = 60 / seconds_a_beat
    # A missed beat bends the line; then the rough figure is the better one.
    return fine if abs(fine - rough) < 0.1 * rough else rough


def _mono(sound: Sound, rate: int) -> Sound:
    from librosa.core import resample  # noqa: PLC0415 - as above

    mono: Sound = resample(sound.mean(axis=1), orig_sr=rate, target_sr=ANALYSIS_RATE, res_type="soxr_hq")
    return mono
