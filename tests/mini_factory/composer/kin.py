"""Songs that belong together: what edits and reference voices are taught by. numpy only.

A song, its cover (the same words, key, tempo and sections in another style), a voice (another song in any style), and
the song as who sounds like the voice plays it: on that style's instruments, its long-term spectrum near the voice's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from renderer.facts import SAMPLE_RATE
from tests.mini_factory.composer import words
from tests.mini_factory.composer.farm import FULL_SCALE
from tests.mini_factory.composer.song import PEAK, draw, play
from tests.mini_factory.composer.styles import BY_NAME, MOODS_MAJOR_ES, MOODS_MINOR_ES, STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tests.mini_factory.composer.song import Piece
    from tests.mini_factory.composer.styles import Style

    Sound = npt.NDArray[np.float32]
    Floats = Sequence[float] | npt.NDArray[np.floating]

SONG, COVER, PLAYED, VOICE = range(4)
KIN = 4
VOICE_SEEDS = 500_000_000
"""Where the voices' own songs are drawn from."""
VOICE_SECONDS = (30, 36)
"""A reference is 30 s of sound."""
COLOURED_SHARE = 0.5
"""Voices with a colour of their own, which no style has."""
COLOUR_HERTZ = (50.0, 160.0, 500.0, 1_600.0, 5_000.0, 16_000.0)
COLOUR_DB = 4.0
"""Standard deviation of a colour's gains."""
MOST_DB = 8.0
MATCH_HERTZ = np.geomspace(40.0, 16_000.0, 24)
MATCHED_SHARE = 0.75
"""How much of the difference to the voice's long-term spectrum an equaliser takes away."""
MOST_MATCHED_DB = 12.0
SPECTRUM_WINDOW = 4_096
QUIET_DB = 60.0
"""Below the loudest band: nothing there to raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """What is played, and how."""

    song: Piece
    cover: Piece
    voice: Piece
    colour: tuple[float, ...] = ()
    """dB at `COLOUR_HERTZ`, of the voice."""

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What tells of each: by `SONG`, `COVER`, `PLAYED`, `VOICE`."""
        return (self.song, self.cover, self.song, self.voice)


def kin(seed: int) -> Kin:
    """The kin of that seed."""
    rng = np.random.default_rng([seed, 5])
    song = draw(seed)
    style = BY_NAME[song.style]
    others = [other for other in STYLES if other.kit != "none" and other.timesignature == style.timesignature]
    cover = _one_of(rng, [other for other in others if other is not style] or [style])
    band = _one_of(rng, [other for other in STYLES if other is not style])
    own = draw(VOICE_SEEDS + seed, shortest=VOICE_SECONDS[0], longest=VOICE_SECONDS[1])
    voice = replace(
        in_style(own, band, rng), bpm=int(rng.integers(band.bpm[0], band.bpm[1] + 1)), timesignature=band.timesignature
    )
    drawn = np.clip(rng.normal(0, COLOUR_DB, len(COLOUR_HERTZ)), -MOST_DB, MOST_DB)
    colour = tuple((drawn - drawn.mean()).tolist()) if rng.random() < COLOURED_SHARE else ()
    return Kin(song=song, cover=in_style(song, cover, rng), voice=voice, colour=colour)


def in_style(piece: Piece, style: Style, rng: np.random.Generator) -> Piece:
    """The piece in another style: other words tell of it, all else stays."""
    spoken = "es" if piece.mood in (*MOODS_MINOR_ES, *MOODS_MAJOR_ES) else "en"
    told, retold = (words.caption(rng, style, piece.mood, spoken) for _ in range(2))
    return replace(piece, style=style.name, caption=told, retold=retold)


def play_kin(kin: Kin) -> tuple[Sound, ...]:
    """float32 [2, duration · 48,000] each, peaks at most -1 dBFS: by `SONG`, `COVER`, `PLAYED`, `VOICE`."""
    voice = play(kin.voice)
    if kin.colour:
        voice = equalised(voice, COLOUR_HERTZ, kin.colour)
    played = matched(play(kin.song, kin.voice.style), voice)
    return play(kin.song), play(kin.cover), played, voice


def long_term(sound: Sound) -> npt.NDArray[np.float64]:
    """dB at `MATCH_HERTZ` of sound [2, samples] as a whole, 0 on average."""
    mono = sound.mean(axis=0)
    frames = mono[: len(mono) // SPECTRUM_WINDOW * SPECTRUM_WINDOW].reshape(-1, SPECTRUM_WINDOW)
    power = (np.abs(np.fft.rfft(frames * np.hanning(SPECTRUM_WINDOW))) ** 2).mean(axis=0)
    hertz = np.fft.rfftfreq(SPECTRUM_WINDOW, 1 / SAMPLE_RATE)
    edges = np.sqrt(MATCH_HERTZ[1:] * MATCH_HERTZ[:-1])
    band = np.digitize(hertz, edges)
    level = 10 * np.log10(np.bincount(band, power) / np.maximum(np.bincount(band), 1) + 1e-12)
    level = np.maximum(level, level.max() - QUIET_DB)
    found: npt.NDArray[np.float64] = level - level.mean()
    return found


def matched(sound: Sound, other: Sound) -> Sound:
    """The sound, its long-term spectrum brought most of the way to another's."""
    wanted = MATCHED_SHARE * (long_term(other) - long_term(sound))
    return equalised(sound, MATCH_HERTZ, np.clip(wanted, -MOST_MATCHED_DB, MOST_MATCHED_DB))


def equalised(sound: Sound, hertz: Floats, gains: Floats) -> Sound:
    """Sound [2, samples] through an equaliser that delays nothing: these gains, in dB, along the logarithm of Hz."""
    bins = np.fft.rfftfreq(sound.shape[1], 1 / SAMPLE_RATE)
    gain = np.interp(np.log(bins + 1.0), np.log(hertz), gains)
    made = np.fft.irfft(np.fft.rfft(sound) * 10 ** (gain / 20), sound.shape[1])
    return np.asarray(made * min(1.0, PEAK / max(float(np.abs(made).max()), 1e-6)), dtype=np.float32)


def write_kin(order: tuple[int, str]) -> tuple[int, str]:
    """Play the kin of (seed, folder) into one raw int16 file [samples, 2], one behind the other; its seed and path."""
    seed, folder = order
    path = Path(folder) / f"{seed}.raw"
    sound = np.concatenate(play_kin(kin(seed)), axis=1)
    np.ascontiguousarray((sound.T * FULL_SCALE).astype(np.int16)).tofile(path)
    return seed, str(path)


def _one_of(rng: np.random.Generator, styles: list[Style]) -> Style:
    return styles[int(rng.integers(len(styles)))]
