from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from renderer.takes.measure import analysis

pytestmark = pytest.mark.slow

RATE = 48_000
Sound = npt.NDArray[np.float32]


def sine(hertz: float, seconds: float, level_db: float, phase: float = 0.0) -> Sound:
    time = np.arange(int(seconds * RATE)) / RATE
    wave = 10 ** (level_db / 20) * np.sin(2 * np.pi * hertz * time + phase)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def faded(sound: Sound) -> Sound:
    ramp = np.minimum(1, np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / (0.05 * RATE))
    return (sound * ramp[:, None]).astype(np.float32)


def beats(bpm: float, seconds: float = 20.0) -> Sound:
    """Kick and snare in turn, with a little noise."""
    wave = np.zeros(int(seconds * RATE))
    for number, at in enumerate(np.arange(0, seconds, 60 / bpm)):
        start = int(at * RATE)
        time = np.arange(min(4_800, len(wave) - start)) / RATE
        hit = np.exp(-40 * time) * np.sin(2 * np.pi * (180 if number % 2 else 60) * time)
        noise = np.random.default_rng(number).normal(size=len(time)) * np.exp(-60 * time) * 0.2
        wave[start : start + len(time)] += hit + noise
    return np.stack([wave, wave], axis=1).astype(np.float32)


def chords(root: int, mode: str) -> Sound:
    """I IV V I VI IV V I in the key, harmonic minor's leading note included."""
    scale = [0, 2, 4, 5, 7, 9, 11] if mode == "major" else [0, 2, 3, 5, 7, 8, 10]
    time = np.arange(int(0.7 * RATE)) / RATE
    bars = []
    for degree in (0, 3, 4, 0, 5, 3, 4, 0):
        bar = np.zeros(len(time))
        for third in (0, 2, 4):
            octave, place = divmod(degree + third, 7)
            raised = mode == "minor" and degree == 4 and third == 2
            hertz = 261.6256 * 2 ** ((root + scale[place] + 12 * octave + raised) / 12)
            bar += sum(np.sin(2 * np.pi * hertz * part * time) / part for part in (1, 2, 3))
        bars.append(bar * np.exp(-1.5 * time))
    wave = np.concatenate(bars)
    wave *= 0.7 / np.abs(wave).max()
    return np.stack([wave, wave], axis=1).astype(np.float32)


@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_the_ebu_reference_tones_have_their_loudness(level: float) -> None:
    # Source: EBU Tech 3341, cases 1 and 2: a stereo sine of 1 kHz at -23 and -33 dBFS, within 0.1 LU.
    assert analysis.loudness(sine(1000, 20, level), RATE) == pytest.approx(level, abs=0.1)


@pytest.mark.slow
def test_loudness_leaves_out_the_quiet_parts() -> None:
    # Source: EBU Tech 3341, case 3: -36, -23, -36 dBFS for 10, 60, 10 s is -23 LUFS, within 0.1 LU.
    parts = [sine(1000, 10, -36), sine(1000, 60, -23), sine(1000, 10, -36)]
    assert analysis.loudness(np.concatenate(parts), RATE) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(("part", "phase"), [(4, 0), (4, 45), (6, 60), (8, 67.5)])
def test_the_ebu_peak_tones_have_their_peak_between_the_samples(part: int, phase: float) -> None:
    # Source: EBU Tech 3341, cases 15 to 18: -6.0 dBTP, +0.2 / -0.4 dB, although no sample may reach it.
    tone = faded(sine(RATE / part, 1, -6.0, np.deg2rad(phase)))
    peak = analysis.true_peak(tone)
    assert peak is not None
    assert -6.4 <= peak <= -5.8


def test_a_peak_on_the_seam_of_two_blocks_is_found() -> None:
    sound = np.zeros((1_000_000, 2), dtype=np.float32)
    sound[480_000 - 200 : 480_000 + 200] = faded(sine(RATE / 4, 1, -6.0, np.pi / 4))[20_000:20_400]
    assert analysis.true_peak(sound) == pytest.approx(-6.0, abs=0.4)


@pytest.mark.slow
@pytest.mark.parametrize("bpm", [72, 100, 128, 174])
def test_a_beat_has_its_tempo(bpm: int) -> None:
    found = analysis.analyse(beats(bpm), RATE).bpm
    assert found == pytest.approx(bpm, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("root", "mode"), [(0, "major"), (9, "minor"), (6, "major"), (3, "minor"), (4, "minor")])
def test_chords_have_their_key(root: int, mode: str) -> None:
    assert analysis.analyse(chords(root, mode), RATE).keyscale == f"{analysis.PITCHES[root]} {mode}"


@pytest.mark.slow
def test_a_loud_stretch_on_one_bass_note_does_not_decide_the_key() -> None:
    soft, loud = 0.1 * chords(9, "minor"), sine(2 * 61.7354, 2, -1.0)
    assert analysis.analyse(np.concatenate([soft, soft, loud]), RATE).keyscale == "A minor"


def test_a_loop_without_a_leading_note_has_its_minor_key() -> None:
    time = np.arange(int(0.7 * RATE)) / RATE
    # A minor, F, C, G: what many songs are made of; as pitches above C.
    triads = ((9, 12, 16), (5, 9, 12), (0, 4, 7), (7, 11, 14))
    bars = [sum(np.sin(2 * np.pi * 261.6256 * 2 ** (note / 12) * time) for note in (*t, t[0] - 12)) for t in triads]
    wave = np.concatenate([bars[0], bars[0], *bars, bars[0], *bars, bars[0]]) * 0.1
    assert analysis.analyse(np.stack([wave, wave], axis=1).astype(np.float32), RATE).keyscale == "A minor"


def test_noise_has_neither_beat_nor_key_made_up_for_it() -> None:
    noise = np.random.default_rng(0).normal(size=(8 * RATE, 2)).astype(np.float32) * 0.1
    found = analysis.analyse(noise, RATE)
    assert (found.bpm, found.keyscale) == (None, None)


@pytest.mark.parametrize("num_frames", [0, 100, 8 * RATE])
def test_silence_has_no_numbers(num_frames: int) -> None:
    found = analysis.analyse(np.zeros((num_frames, 2), dtype=np.float32), RATE)
    assert (found.bpm, found.keyscale, found.loudness_lufs, found.true_peak_db) == (None, None, None, None)
    assert found.head_silence_seconds == found.duration_seconds == num_frames / RATE


def test_silence_at_both_ends_is_counted_apart() -> None:
    quiet = np.zeros((RATE, 2), dtype=np.float32)
    sound = np.concatenate([quiet, sine(440, 1, -6), quiet, sine(440, 1, -6), quiet, quiet])
    head, tail = analysis.silence(sound, RATE)
    assert head == pytest.approx(1.0, abs=0.02)
    assert tail == pytest.approx(2.0, abs=0.02)


def test_flat_tops_are_clipping_and_a_clean_crest_is_not() -> None:
    loud = sine(440, 1, 0)
    assert analysis.clipped(loud) == 0
    assert analysis.clipped(sine(30, 1, -1)) == 0
    cut = np.clip(loud * 1.5, -1, 1) * np.float32(0.891251)  # scaled to -1 dBFS afterwards, as takes are
    assert analysis.clipped(cut) == pytest.approx(2 * RATE * 0.53, rel=0.05)


def test_a_quiet_end_is_counted_and_a_quiet_verse_or_a_fade_is_not() -> None:
    song, quiet = sine(440, 60, -14), sine(440, 20, -35)
    assert analysis.quiet(np.concatenate([song, quiet]), RATE) == (0.0, 20.0)
    assert analysis.quiet(np.concatenate([quiet, song]), RATE) == (20.0, 0.0)
    verse = np.concatenate([sine(440, 30, -26), song])
    assert analysis.quiet(verse, RATE) == (0.0, 0.0)
    ramp = np.concatenate([np.ones(55 * RATE), np.linspace(1, 0, 5 * RATE)])[:, None]
    assert analysis.quiet((song * ramp).astype(np.float32), RATE)[1] < 3
