"""Benchmark: whether `mini` follows masks, covers and reference voices, on songs that training never saw.

    python -m tests.bench.mini_edits FOLDER [--pairs 30] [--model mini] [--threads 2] [--workers 2]

Every song is rendered by the command line, then repainted inside a window, covered in another style, covered from a
shuffled source, and sung by a voice and by a shuffled one. Prints shares of pairs; writes them, with every pair's
figures, to FOLDER/mini_edits.json. The sounds stay in FOLDER; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import tomli_w

from renderer.facts import SAMPLE_RATE
from renderer.takes.measure import analysis
from tests.bench import mini_quality_ladder as ladder
from tests.bench.mini_quality import share, style_judge
from tests.bench.mini_quality_listen import decibels, log_mel_distance, same_tempo, style_features
from tests.mini_factory.composer.kin import in_style, long_term
from tests.mini_factory.composer.layout import lay_out
from tests.mini_factory.composer.song import draw, play
from tests.mini_factory.composer.styles import BY_NAME, STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tests.mini_factory.composer.song import Piece

    Sound = npt.NDArray[np.float32]

FIRST_SEED = 20_500_000
"""Nothing that was trained on or that judges are taught comes near."""
SECONDS, VOICE_SECONDS = 24, 30
WINDOW = (8.0, 16.0)
RAMP_SECONDS = 0.05
"""The widest cross-fade around a window."""
TILE = 64
"""Latent frames a VAE tile of the second decode."""
LEVEL_DB = 2.0
"""Sections that differ by less are equally loud."""
KEPT_ORDERS = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A song, the style it is covered in, and a voice."""

    song: Piece
    cover: Piece
    voice: Piece

    @property
    def name(self) -> str:
        """The spec's."""
        return f"song-{self.song.seed}"

    @property
    def voice_file(self) -> str:
        """Beside the specs."""
        return f"voice-{self.voice.seed}.wav"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was heard in one pair's takes; None where the question doesn't arise."""

    song: str
    outside_is_the_source: bool
    inside_distance: float
    """Log-mel, dB, of the window's sound to the source's."""
    two_decodes: float
    """The same between two decodes of the source's latents."""
    inside_like_its_song: bool
    """Whether the window's long-term spectrum is nearer to its own song's than to another's."""
    repaint_keeps_tempo: bool | None
    cover_keeps_tempo: bool | None
    cover_tempo_is_told: bool | None
    """Whether its beat is strong enough for `report` to tell of it."""
    cover_keeps_energy: bool | None
    cover_changes_style: bool
    """Whether it isn't heard as the song's style any more."""
    cover_has_style: bool
    """Whether it is heard as the style asked for; at the source's tempo the composer's own covers are in 41 %."""
    shuffled_keeps_tempo: bool | None
    shuffled_keeps_energy: bool | None
    voice_nearer: bool
    """Whether the long-term spectrum is nearer to the voice's than without it."""
    shuffled_voice_nearer: bool
    voice_moved: float
    """By how much of the distance."""
    shuffled_voice_moved: float


AIMS = {
    "outside_is_the_source": 1.0,
    "inside_is_new": 1.0,
    "cover_keeps_tempo": 0.8,
    "cover_keeps_energy": 0.8,
    "cover_changes_style": 0.7,
    "voice_nearer": 0.7,
}


def main() -> None:
    """Read the command line, render, listen, tell."""
    parser = argparse.ArgumentParser(prog="mini_edits", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--model", default="mini", help="a model set's name or folder")
    parser.add_argument(
        "--dcw", action=argparse.BooleanOptionalAction, help="with or without, whatever the set's row says"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2, help="processes that listen")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    pairs = drawn(asked.pairs)
    judge = style_judge(asked.folder, asked.workers)
    render(asked.folder, ladder.project_settings(asked.model, asked.dcw), pairs, asked.threads)
    others = [*pairs[1:], pairs[0]]
    with ProcessPoolExecutor(asked.workers, get_context("spawn")) as pool:
        heard = list(pool.map(partial(hear, asked.folder, judge), pairs, others))
    table = shares(heard)
    for name, value in table.items():
        print(f"{name:28} {value:8.3f}" + (f"   aim {AIMS[name]:.2f}" if name in AIMS else ""))
    report = {"pairs": asked.pairs, "model": asked.model, "shares": table, "heard": [asdict(one) for one in heard]}
    (asked.folder / "mini_edits.json").write_text(ladder.dumped(report), "utf-8")


def drawn(count: int) -> list[Pair]:
    """Songs with a beat in four, by turns of style; a cover's style and a voice's are others than the song's."""
    beating = [style for style in STYLES if style.kit != "none" and style.timesignature == "4"]
    pairs: list[Pair] = []
    seed = FIRST_SEED
    while len(pairs) < count:
        song = draw(seed, shortest=SECONDS, longest=SECONDS)
        own = BY_NAME[song.style]
        if own is beating[len(pairs) % len(beating)]:
            rng = np.random.default_rng([seed, 6])
            style, sung = (_another(rng, beating, own) for _ in range(2))
            told = draw(seed + FIRST_SEED, shortest=VOICE_SECONDS, longest=VOICE_SECONDS)
            bpm = int(rng.integers(sung.bpm[0], sung.bpm[1] + 1))
            voice = replace(in_style(told, sung, rng), bpm=bpm, timesignature="4")
            pairs.append(Pair(song=song, cover=in_style(song, style, rng), voice=voice))
        seed += 1
    return pairs


def _another(rng: np.random.Generator, styles: Sequence[Any], own: Any) -> Any:
    choices = [style for style in styles if style is not own]
    return choices[int(rng.integers(len(choices)))]


def render(folder: Path, settings: dict[str, Any], pairs: Sequence[Pair], threads: int) -> None:
    """The pairs as specs of a project, then the sources once more from their latents, under the name `again`."""
    specs = folder / "specs"
    specs.mkdir(exist_ok=True)
    (folder / "renderer.toml").write_text(tomli_w.dumps(settings), "utf-8")
    for pair, other in zip(pairs, [*pairs[1:], pairs[0]], strict=True):
        soundfile.write(specs / pair.voice_file, play(pair.voice).T, SAMPLE_RATE)
        tables = ladder.spec_tables(pair.song)
        tables["seeds"] = [1]
        tables["variants"] = {
            "voice": {"reference_audio": pair.voice_file},
            "shuffled-voice": {"reference_audio": other.voice_file},
        }
        repaint = {"task": "repaint", "src_audio": "s1", "at": [list(WINDOW)], "seeds": [21]}
        cover = {"task": "cover", "caption": pair.cover.caption, "seeds": [11]}
        tables["edits"] = {
            "repaint": repaint,
            "cover": {**cover, "src_audio": "s1"},
            "shuffled": {**cover, "src_audio": f"{other.name}.s1"},
        }
        (specs / f"{pair.name}.toml").write_text(tomli_w.dumps(tables, multiline_strings=True), "utf-8")
    ladder.run_render(folder, threads)
    for pair in pairs:
        kept = folder / "first" / f"{pair.name}.wav"
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(path_of(folder, pair, "s1").read_bytes())
    again = [f"{pair.name}.s1" for pair in pairs]
    ladder.run_render(folder, threads, "--vae-tile", str(TILE), *again)


def path_of(folder: Path, pair: Pair, take: str) -> Path:
    """A take's file."""
    return folder / "outputs" / pair.name / f"{pair.name}.{take}.wav"


def read(path: Path) -> Sound:
    """[samples, 2]."""
    sound: Sound = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return sound


def hear(folder: Path, judge: Any, pair: Pair, other: Pair) -> Heard:
    """Everything about one pair; `other` gave the shuffled source and voice."""
    source, other_source = (read(folder / "first" / f"{one.name}.wav") for one in (pair, other))
    takes = {
        name: read(path_of(folder, pair, take))
        for name, take in {
            "again": "s1",
            "repaint": "repaint.s21",
            "cover": "cover.s11",
            "shuffled": "shuffled.s11",
            "voice": "voice.s1",
            "shuffled voice": "shuffled-voice.s1",
        }.items()
    }
    tempo, style = heard_tempo(source), heard_style(judge, takes["cover"])
    return Heard(
        song=pair.name,
        **repainted(source, takes["repaint"], takes["again"], other_source),
        repaint_keeps_tempo=keeps_tempo(tempo, takes["repaint"]),
        cover_keeps_tempo=keeps_tempo(tempo, takes["cover"]),
        cover_tempo_is_told=None if tempo is None else heard_tempo(takes["cover"]) is not None,
        cover_keeps_energy=keeps_energy(pair.song, source, takes["cover"]),
        cover_changes_style=style != pair.song.style,
        cover_has_style=style == pair.cover.style,
        shuffled_keeps_tempo=keeps_tempo(tempo, takes["shuffled"]),
        shuffled_keeps_energy=keeps_energy(pair.song, source, takes["shuffled"]),
        **voiced(source, takes, read(folder / "specs" / pair.voice_file)),
    )


def repainted(source: Sound, made: Sound, again: Sound, other: Sound) -> dict[str, Any]:
    """What a repaint did to its source."""
    start, end = (round(at * SAMPLE_RATE) for at in WINDOW)
    ramp = round(RAMP_SECONDS * SAMPLE_RATE)
    around = np.r_[0 : start - ramp, end + ramp : len(source)]
    to_own, to_other = (distance(made[start:end], whole) for whole in (source, other))
    return {
        "outside_is_the_source": len(made) == len(source) and np.array_equal(made[around], source[around]),
        "inside_distance": log_mel_distance(made[start:end], source[start:end]),
        "two_decodes": log_mel_distance(again[start:end], source[start:end]),
        "inside_like_its_song": to_own < to_other,
    }


def voiced(plain: Sound, takes: dict[str, Sound], voice: Sound) -> dict[str, Any]:
    """What a voice, and a shuffled one, did to a take's long-term spectrum."""
    without = distance(plain, voice)
    moved = {name: 1 - distance(takes[name], voice) / without for name in ("voice", "shuffled voice")}
    return {
        "voice_nearer": moved["voice"] > 0,
        "shuffled_voice_nearer": moved["shuffled voice"] > 0,
        "voice_moved": moved["voice"],
        "shuffled_voice_moved": moved["shuffled voice"],
    }


def distance(one: Sound, other: Sound) -> float:
    """Mean difference of two sounds' long-term spectra, dB."""
    return float(np.abs(long_term(one.T) - long_term(other.T)).mean())


def heard_tempo(sound: Sound) -> float | None:
    """Beats a minute, as `report` tells them; None where the beat is too weak to."""
    return analysis.tempo(analysis._mono(sound, SAMPLE_RATE))


def keeps_tempo(tempo: float | None, made: Sound) -> bool | None:
    """Whether the likeliest tempo is the source's, octaves folded; None where the source has none."""
    # A cover as a ballad has a weak beat: `report` keeps silent there, and silence is no other tempo. What is made from
    # a shuffled source shows what comes of mere guessing.
    likeliest = analysis.rhythm(analysis._mono(made, SAMPLE_RATE), min_pulse=0.0)[0]
    return None if tempo is None else same_tempo(likeliest, tempo, folded=True)


def keeps_energy(piece: Piece, source: Sound, made: Sound) -> bool | None:
    """Whether sections of unequal level in the source are in the same order in what was made of it."""
    spans = lay_out(piece.lyrics, piece.bpm, piece.timesignature, len(source) / SAMPLE_RATE)
    bounds = [(int(span.start_seconds * SAMPLE_RATE), int(span.end_seconds * SAMPLE_RATE)) for span in spans]
    levels = [[decibels(sound[start:end]) for sound in (source, made)] for start, end in bounds]
    pairs = [(one, other) for one, other in combinations(levels, 2) if abs(one[0] - other[0]) >= LEVEL_DB]
    kept = [(one[0] > other[0]) == (one[1] > other[1]) for one, other in pairs]
    return bool(np.mean(kept) >= KEPT_ORDERS) if kept else None


def heard_style(judge: Any, sound: Sound) -> str:
    """What the classifier takes it for."""
    return str(judge.predict([style_features(analysis._mono(sound, SAMPLE_RATE))])[0])


def shares(heard: Sequence[Heard]) -> dict[str, float | None]:
    """Of pairs; means of figures."""
    told = [
        asdict(one)
        | {
            "inside_is_new": one.inside_distance > one.two_decodes,
            "voice_before_shuffled": one.voice_moved > one.shuffled_voice_moved,
        }
        for one in heard
    ]
    return {name: share([one[name] for one in told]) for name in told[0] if name != "song"}


if __name__ == "__main__":
    main()
