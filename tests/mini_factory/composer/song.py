"""Drawing songs and playing them: a seed to a `Piece`, a `Piece` to stereo sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from renderer.facts import SAMPLE_RATE
from renderer.song import INSTRUMENTAL_LYRICS
from tests.mini_factory.composer import words
from tests.mini_factory.composer.layout import Span, bar_seconds, lay_out
from tests.mini_factory.composer.styles import (
    BY_NAME,
    MOODS_MAJOR,
    MOODS_MAJOR_ES,
    MOODS_MINOR,
    MOODS_MINOR_ES,
    STYLES,
    Style,
)
from tests.mini_factory.composer.voices import drum, tone, vowel

if TYPE_CHECKING:
    import numpy.typing as npt

    from tests.mini_factory.composer.voices import Sound

NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PEAK = 0.89  # -1 dBFS
TICK = SAMPLE_RATE // 100
TICK_SECONDS = TICK / SAMPLE_RATE
"""What starts, starts on a multiple: four places in a latent frame."""
TARGET_RMS = 0.16  # of the loudest section: about -14 LUFS for the whole song


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A song as the composer knows it: everything that decides its sound, and the words that tell of it."""

    style: str
    mood: str
    bpm: int
    tonic: int
    """0 is C."""
    mode: str
    timesignature: str
    duration: int
    """Seconds."""
    lyrics: str
    language: str
    """`en`, `es` or `unknown`."""
    caption: str
    retold: str
    """The same song in other words: what a chain of thought writes."""
    seed: int

    @property
    def keyscale(self) -> str:
        """`A minor`."""
        return f"{NOTES[self.tonic]} {self.mode}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How a kind of section is played."""

    drums: int
    """0 none, 1 light, 2 the beat, 3 with what a chorus adds."""
    bass: bool
    chords: float
    arp: float
    lead: float
    gain: float


MIXES = {
    "intro": Mix(drums=1, bass=False, chords=0.8, arp=0.6, lead=0.0, gain=0.50),
    "verse": Mix(drums=2, bass=True, chords=0.5, arp=0.0, lead=0.0, gain=0.62),
    "prechorus": Mix(drums=2, bass=True, chords=0.7, arp=0.5, lead=0.0, gain=0.72),
    "chorus": Mix(drums=3, bass=True, chords=1.0, arp=0.8, lead=1.0, gain=1.0),
    "bridge": Mix(drums=1, bass=True, chords=0.9, arp=0.3, lead=0.0, gain=0.52),
    "solo": Mix(drums=2, bass=True, chords=0.5, arp=0.0, lead=0.0, gain=0.8),
    "break": Mix(drums=0, bass=False, chords=0.9, arp=0.7, lead=0.0, gain=0.5),
    "outro": Mix(drums=1, bass=True, chords=0.8, arp=0.3, lead=0.0, gain=0.5),
}


def draw(seed: int, *, shortest: int = 16, longest: int = 60) -> Piece:
    """The piece of that seed: style, mood, words and all, 16 to 60 s unless told otherwise."""
    rng = np.random.default_rng([seed, 1])
    style = STYLES[int(rng.integers(len(STYLES)))]
    spoken = "es" if rng.random() < 0.25 or (style.name in {"latin trap", "reggaeton"} and rng.random() < 0.4) else "en"
    mood, mode = _mood(rng, style, spoken)
    sung = rng.random() < style.vocal_share
    written = spoken if not sung or rng.random() < 0.9 else str(rng.integers(len(words.SCRIPTS)))
    form = words.FORMS[int(rng.integers(len(words.FORMS)))]
    lyrics = words.lyrics(rng, form, written if sung else "", solo_share=0.5)
    if not sung and rng.random() < 0.4:
        lyrics = INSTRUMENTAL_LYRICS
    return Piece(
        style=style.name,
        mood=mood,
        bpm=int(rng.integers(style.bpm[0], style.bpm[1] + 1)),
        tonic=int(rng.integers(12)),
        mode=mode,
        timesignature=style.timesignature,
        duration=int(rng.integers(shortest, longest + 1)),
        lyrics=lyrics,
        language=written if sung and written in {"en", "es"} else "unknown",
        caption=words.caption(rng, style, mood, spoken),
        retold=words.caption(rng, style, mood, "en" if spoken == "en" else spoken),
        seed=seed,
    )


def _mood(rng: np.random.Generator, style: Style, language: str) -> tuple[str, str]:
    """A mood word (or none) and the mode that goes with it."""
    mode = "minor" if rng.random() < style.minor_share else "major"
    if rng.random() < 0.25:
        return "", mode
    minor, major = (MOODS_MINOR_ES, MOODS_MAJOR_ES) if language == "es" else (MOODS_MINOR, MOODS_MAJOR)
    return words.pick(rng, minor if mode == "minor" else major), mode


def play(piece: Piece, band: str | None = None) -> Sound:
    """The piece as sound: float32 [2, duration · 48,000], peak at most -1 dBFS; `band` is whose instruments play."""
    spans = lay_out(piece.lyrics, piece.bpm, piece.timesignature, piece.duration)
    desk = _Desk(piece, BY_NAME[piece.style] if band is None else with_band(BY_NAME[piece.style], BY_NAME[band]))
    for span in spans:
        for bar in range(span.num_bars + (span is spans[-1])):
            desk.play_bar(span, bar)
    return desk.master(spans)


def with_band(style: Style, band: Style) -> Style:
    """What a style plays, on another's instruments; drums stay where the other has none."""
    kit = style.kit if "none" in (style.kit, band.kit) else band.kit
    return replace(style, kit=kit, bass=band.bass, chord=band.chord, arp=band.arp, lead=band.lead, reverb=band.reverb)


class _Desk:
    """A piece being played: where its notes are added up."""

    def __init__(self, piece: Piece, style: Style) -> None:
        rng = np.random.default_rng([piece.seed, 2])
        self.style = style
        self.piece = piece
        self.slots = 12 if piece.timesignature == "3" else 16
        self.bar = bar_seconds(piece.bpm, piece.timesignature)
        self.length = piece.duration * SAMPLE_RATE
        room = self.length + 4 * SAMPLE_RATE
        self.dry: Sound = np.zeros((2, room), dtype=np.float32)
        self.wet: Sound = np.zeros((2, room), dtype=np.float32)
        progressions = self.style.minor if piece.mode == "minor" else self.style.major
        order = rng.permutation(len(progressions))
        self.verse_chords = progressions[order[0]]
        self.chorus_chords = progressions[order[-1]] if rng.random() < 0.5 else progressions[order[0]]
        self.motifs = {kind: _motif(rng, self.slots, dense) for kind, dense in DENSITIES.items()}
        self.letters = [str(letter) for letter in rng.choice(list("aeiou"), 16)]

    def play_bar(self, span: Span, bar: int) -> None:
        """Everything that sounds in bar `bar` of `span`."""
        at = (span.first_bar + bar) * self.bar
        if at >= self.piece.duration:
            return
        mix = MIXES[span.kind]
        if span.solo:
            mix = MIXES["solo"]
        chords = self.chorus_chords if span.kind == "chorus" else self.verse_chords
        degree = chords[bar % len(chords)]
        last = bar == span.num_bars - 1 and span.num_bars > 1
        self._drums(at, mix, fill=last, crash=bar == 0 and mix.drums == 3)
        if mix.bass:
            self._bass(at, degree, mix)
        self._chords(at, degree, mix)
        if mix.arp:
            self._arp(at, degree, mix)
        self._melody(at, degree, span, bar, mix)

    def _pitch(self, degree: int, low: int) -> int:
        """MIDI pitch of a scale degree whose tonic lies in the octave above `low`."""
        octave, step = divmod(degree, 7)
        tonic = low + (self.piece.tonic - low) % 12
        return tonic + 12 * octave + SCALES[self.piece.mode][step]

    def _add(self, sound: Sound, start: int, gain: float, pan: float = 0.0, send: float = 0.0) -> None:
        end = min(start + sound.shape[-1], self.dry.shape[1])
        if end <= start:
            return
        part = sound[..., : end - start] * np.float32(gain)
        left, right = (part, part) if part.ndim == 1 else part
        for bus, level in ((self.dry, 1.0), (self.wet, send)):
            if level:
                bus[0, start:end] += left * np.float32(level * min(1, 1 - pan))
                bus[1, start:end] += right * np.float32(level * min(1, 1 + pan))

    def _sample(self, at: float, slot: int) -> int:
        """Where a slot of the bar that begins at `at` seconds starts, to the nearest 10 ms."""
        late = self.style.swing if slot % 2 else 0.0
        return round((at + (slot + late) * self.bar / self.slots) / TICK_SECONDS) * TICK

    def _hits(self, pattern: str) -> list[tuple[int, float]]:
        marks = pattern.replace("|", "")
        return [(slot, 1.0 if mark == "x" else 0.5) for slot, mark in enumerate(marks) if mark != "."]

    def _held(self, hits: list[tuple[int, float]], index: int) -> int:
        """Samples from one hit to the next, or to the bar's end."""
        after = hits[index + 1][0] if index + 1 < len(hits) else self.slots
        return self._length(after - hits[index][0])

    def _length(self, slots: float) -> int:
        """Samples that so many slots are held, a little less than they last, in whole ticks."""
        return max(1, round(0.93 * slots * self.bar / self.slots / TICK_SECONDS)) * TICK

    def _drums(self, at: float, mix: Mix, *, fill: bool, crash: bool) -> None:  # noqa: C901 - a kit has many parts
        kit = self.style.kit
        if kit == "none" or not mix.drums:
            return
        if mix.drums >= 2:
            for slot, level in self._hits(self.style.kick):
                self._add(drum(kit, "kick"), self._sample(at, slot), 0.75 * level)
            for slot, level in self._hits(self.style.snare):
                self._add(drum(kit, "snare"), self._sample(at, slot), 0.5 * level, send=0.3)
        hats = 0.28 if mix.drums >= 2 else 0.18
        for slot, level in self._hits(self.style.hat):
            self._add(drum(kit, "hat"), self._sample(at, slot), hats * level, pan=0.25)
        if mix.drums == 3:
            for slot, level in self._hits(self.style.extra):
                self._add(drum(kit, "extra"), self._sample(at, slot), 0.22 * level, pan=-0.3)
        if crash:
            self._add(drum(kit, "crash"), self._sample(at, 0), 0.4, send=0.3)
        if fill and mix.drums >= 2:
            for index, slot in enumerate(range(self.slots - 4, self.slots)):
                self._add(drum(kit, "snare"), self._sample(at, slot), 0.25 + 0.1 * index, send=0.3)

    def _bass(self, at: float, degree: int, mix: Mix) -> None:
        hits = self._hits(self.style.bass_pattern)
        if mix.drums < 2:
            hits = hits[:1]
        low = 40 if self.style.bass == "staccato" else 31
        for index, (slot, level) in enumerate(hits):
            walk = (0, 2, 4)[index % 3] if self.style.name == "jazz waltz" else 0
            start = self._sample(at, slot)
            note = tone(self.style.bass, self._pitch(degree + walk, low), self._held(hits, index), start)
            self._add(note, start, 0.5 * level)

    def _chords(self, at: float, degree: int, mix: Mix) -> None:
        hits = self._hits(self.style.chord_pattern)
        shape = (0, 4, 7) if self.style.chord == "power" else (0, 2, 4)
        for index, (slot, level) in enumerate(hits):
            held, start = self._held(hits, index), self._sample(at, slot)
            for voice, third in enumerate(shape):
                pitch = self._pitch(degree + third, 43 if self.style.chord == "power" else 55)
                pitch -= 12 * (pitch > 72)
                self._add(
                    tone(self.style.chord, pitch, held, start),
                    start,
                    VOICING[voice] * level * mix.chords,
                    pan=0.3 * (voice - 1),
                    send=self.style.reverb,
                )

    def _arp(self, at: float, degree: int, mix: Mix) -> None:
        hits = self._hits(self.style.arp_pattern)
        for index, (slot, level) in enumerate(hits):
            third = (0, 2, 4, 7, 4, 2)[index % 6]
            start = self._sample(at, slot)
            note = tone(self.style.arp, self._pitch(degree + third, 64), self._held(hits, index), start)
            self._add(note, start, 0.16 * level * mix.arp, pan=0.4 * (-1) ** index, send=self.style.reverb)

    def _melody(self, at: float, degree: int, span: Span, bar: int, mix: Mix) -> None:
        """The voice where there are words, the solo instrument in a solo, else a chorus's lead."""
        kind = "solo" if span.solo else "chorus" if span.kind == "chorus" else "verse"
        motif = self.motifs[kind][bar % 2]
        sings = span.num_lines > 0 and not span.solo
        if not (sings or span.solo or mix.lead):
            return
        instrument = span.solo or self.style.lead
        low = 60 if sings else 67
        for index, (slot, length, step) in enumerate(motif):
            held, start = self._length(length), self._sample(at, slot)
            pitch = self._pitch(degree + step if slot % 4 == 0 else step, low + (2 if span.kind == "chorus" else 0))
            if sings:
                letter = self.letters[(4 * bar + index) % len(self.letters)]
                self._add(vowel(letter, pitch, held, start), start, 0.42, send=0.25 + 0.3 * self.style.reverb)
            else:
                self._add(
                    tone(instrument, pitch, held, start), start, 0.36 if span.solo else 0.28, send=self.style.reverb
                )

    def master(self, spans: tuple[Span, ...]) -> Sound:
        """Reverb in, sections at their loudness, soft limit, a short fade at the end."""
        mixed = (self.dry + reverberate(self.wet))[:, : self.length]
        mixed = mixed * _section_gains(spans, self.length)
        loud = max(_rms(mixed, span) for span in spans)
        driven = np.tanh(mixed * np.float32(TARGET_RMS / max(loud, 1e-6) * 1.35)) / np.float32(1.1)
        driven *= np.float32(min(1.0, PEAK / max(float(np.abs(driven).max()), 1e-6)))
        tail = min(self.length, SAMPLE_RATE)
        driven[:, -tail:] *= np.linspace(1, 0, tail, dtype=np.float32) ** np.float32(0.7)
        return np.asarray(driven, dtype=np.float32)


VOICING = (0.3, 0.19, 0.17)
"""How loud a chord's root, third and fifth are: the root is what a key is heard by."""
# Chance of a note on a beat, and between beats.
DENSITIES = {"verse": (0.7, 0.2), "chorus": (0.85, 0.3), "solo": (1.0, 0.85)}


def _motif(
    rng: np.random.Generator, slots: int, density: tuple[float, float]
) -> tuple[list[tuple[int, int, int]], ...]:
    """Two bars of (slot, length in slots, scale step): a phrase and its answer."""
    bars = []
    for _ in range(2):
        starts = [slot for slot in range(0, slots, 2) if rng.random() < density[0 if slot % 4 == 0 else 1]] or [0]
        step = int(rng.choice([0, 0, 2, 4]))
        notes = []
        for index, start in enumerate(starts):
            end = starts[index + 1] if index + 1 < len(starts) else slots
            notes.append((start, min(end - start, 6), step))
            step = int(np.clip(step + rng.integers(-2, 3), -1, 7))
        bars.append(notes)
    return tuple(bars)


def reverberate(send: Sound) -> Sound:
    """A small room: two feedback delays an ear, added block by block."""
    out = np.zeros_like(send)
    for ear, delays in enumerate(((1_789, 2_903), (1_999, 3_121))):
        for delay in delays:
            ring = send[ear].copy()
            for start in range(delay, ring.shape[0], delay):
                block = ring[start : start + delay]
                block += np.float32(0.72) * ring[start - delay : start - delay + block.shape[0]]
            out[ear, delay:] += np.float32(0.5) * ring[:-delay]
    return out


def _section_gains(spans: tuple[Span, ...], length: int) -> npt.NDArray[np.float32]:
    """Each section's gain, with 30 ms between two."""
    gains = np.empty(length, dtype=np.float32)
    ramp = int(0.03 * SAMPLE_RATE)
    levels = [MIXES["solo" if span.solo else span.kind].gain for span in spans]
    for span, level, following in zip(spans, levels, [*levels[1:], levels[-1]], strict=True):
        start, end = (min(length, int(at * SAMPLE_RATE)) for at in (span.start_seconds, span.end_seconds))
        gains[start:end] = level
        turn = min(ramp, end - start)
        gains[end - turn : end] = np.linspace(level, following, turn, dtype=np.float32)
    return gains


def _rms(sound: Sound, span: Span) -> float:
    part = sound[:, int(span.start_seconds * SAMPLE_RATE) : int(span.end_seconds * SAMPLE_RATE)]
    return float(np.sqrt(np.mean(part * part))) if part.size else 0.0
