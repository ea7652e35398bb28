"""Benchmark: how far `mini` is from the composer it learnt from, stage by stage, on songs that training never saw.

    python -m tests.bench.mini_quality FOLDER [--specs 12] [--model mini] [--encoder SET] [--codec] [--threads 2]

Prints a table with a column for each rung from the untrained set to the composer itself; writes it, and every take's
figures, to FOLDER/mini_quality.json. The sounds stay in FOLDER for listening; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from renderer.facts import SAMPLE_RATE
from renderer.models.catalog.zoo import MINI_FOLDER
from renderer.takes.measure import analysis
from tests.bench import mini_quality_ladder as ladder
from tests.bench.mini_quality_listen import (
    Facts,
    learn_styles,
    likeness,
    listen,
    log_mel_distance,
    stft_distance,
    style_features,
)
from tests.mini_factory.build import build_set
from tests.mini_factory.composer.song import draw, play
from tests.mini_factory.composer.styles import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.mini_quality_ladder import Take
    from tests.mini_factory.composer.song import Piece

CLASSIFIER_SEED = 20_000_000
CLASSIFIER_SONGS = 240
NUM_REPEATED = 3
"""Specs rendered twice to compare bytes."""
FLOOR_SHARE = 3
"""Every third spec is enough to know what an untrained set does."""
ALIKE = 0.98
LOUDNESS = (-20.0, -8.0)
LONGEST_GAP = 1.0
KEYSCALE = re.compile(r"[A-G](#|b|♯|♭)? (major|minor)")

Rungs = dict[str, list["Take"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A take and what was heard in it."""

    take: Take
    facts: Facts
    mel_distance: float
    """To the composer's sound of the same piece, dB."""
    stft_distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table: what is counted, in which takes."""

    name: str
    of: Callable[[Heard], float | bool | None]


ROWS = (
    Row(name="tempo, octaves folded", of=lambda heard: heard.facts.tempo_folded),
    Row(name="tempo, strict", of=lambda heard: heard.facts.tempo_strict),
    Row(name="key", of=lambda heard: heard.facts.key),
    Row(name="key or its relative", of=lambda heard: heard.facts.key_or_relative),
    Row(name="style", of=lambda heard: heard.facts.style_right),
    Row(name="chorus louder than verse", of=lambda heard: heard.facts.chorus_louder),
    Row(name="chorus louder or denser", of=lambda heard: heard.facts.chorus_louder_or_denser),
    Row(name="solo raises the lead band", of=lambda heard: heard.facts.solo_leads),
    Row(name="loudness -20 to -8 LUFS", of=lambda heard: within(heard.facts.loudness, LOUDNESS)),
    Row(name="no clipping", of=lambda heard: heard.facts.unclipped),
    Row(name="no silence over 1 s inside", of=lambda heard: gapless(heard)),  # noqa: PLW0108 - it stands below
    Row(name="DC offset, largest", of=lambda heard: heard.facts.dc),
    Row(name="log-mel distance, dB", of=lambda heard: heard.mel_distance),
    Row(name="STFT distance", of=lambda heard: heard.stft_distance),
)
FIGURES = ("DC offset, largest", "log-mel distance, dB", "STFT distance")
"""Rows that are no shares."""


def main() -> None:
    """Read the command line, climb the rungs, tell."""
    parser = argparse.ArgumentParser(prog="mini_quality", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--specs", type=int, default=12)
    parser.add_argument("--model", default="mini", help="a model set's name or folder")
    parser.add_argument("--encoder", type=Path, help="folder of a set with the encoder, where the model's has none")
    parser.add_argument("--codec", action="store_true", help="only the rungs that need neither DiT nor LM")
    parser.add_argument("--product", action="store_true", help="only what users get, and the composer beside it")
    parser.add_argument(
        "--dcw", action=argparse.BooleanOptionalAction, help="with or without, whatever the set's row says"
    )
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    pieces = ladder.held_out(asked.specs)
    judge = style_judge(asked.folder, asked.threads)
    rungs, tellings = climb(asked, pieces)
    with ProcessPoolExecutor(asked.threads, get_context("spawn")) as pool:
        heard = {name: list(pool.map(partial(hear, judge, rungs["composer"]), takes)) for name, takes in rungs.items()}
    table = tabulate(heard)
    tellings |= agreement(heard)
    print(drawn(table))
    for name, told in tellings.items():
        print(f"{name}: {told}")
    report = {
        "specs": asked.specs,
        "model": asked.model,
        "table": table,
        "beside": tellings,
        "takes": {name: [told_of(one) for one in found] for name, found in heard.items()},
    }
    (asked.folder / "mini_quality.json").write_text(ladder.dumped(report), "utf-8")


def climb(asked: argparse.Namespace, pieces: Sequence[Piece]) -> tuple[Rungs, dict[str, Any]]:
    """Takes by rung, and what is told beside the table."""
    sounds = ladder.compose(pieces)
    rungs = {"composer": ladder.keep(asked.folder / "composer", pieces, sounds)}
    encoder = asked.encoder or (MINI_FOLDER if asked.model == "mini" else Path(asked.model))
    if not ladder.has_encoder(encoder):
        if asked.codec:
            raise SystemExit(f"{encoder} has no encoder of sound: name a set that has with --encoder")
        print(f"{encoder} has no encoder of sound: the rungs with true latents and codes are left out")
    tellings: dict[str, Any] = {}
    if ladder.has_encoder(encoder) and not asked.product:
        codec_rungs(asked, pieces, sounds, encoder, rungs, tellings)
    if not asked.codec:
        product_rungs(asked, pieces, rungs, tellings)
    return rungs, tellings


def codec_rungs(
    asked: argparse.Namespace,
    pieces: Sequence[Piece],
    sounds: dict[int, Any],
    encoder: Path,
    rungs: Rungs,
    tellings: dict[str, Any],
) -> None:
    """The composer's sound through more and more of the codec, then its codes through the DiT."""

    def put(name: str, made: dict[int, Any]) -> None:
        rungs[name] = ladder.keep(asked.folder / name.replace(" ", "-"), pieces, made)

    put("low-pass", ladder.baseline(sounds))
    latents = ladder.encoded(encoder, sounds)
    put("VAE", ladder.decode(asked.model, latents, asked.threads))
    codes, hints = ladder.through_codes(asked.model, latents)
    put("codes", ladder.decode(asked.model, hints, asked.threads))
    used = len(set(np.concatenate(list(codes.values())).tolist()))
    tellings["codes in use"] = used
    if asked.codec:
        return
    shuffled = {seed: np.random.default_rng(seed).permutation(found) for seed, found in codes.items()}
    for name, given in (("DiT true codes", codes), ("DiT shuffled codes", shuffled), ("DiT no codes", None)):
        put(
            name,
            ladder.decode(
                asked.model, ladder.denoise(asked.model, pieces, given, asked.dcw, asked.threads), asked.threads
            ),
        )


def product_rungs(asked: argparse.Namespace, pieces: Sequence[Piece], rungs: Rungs, tellings: dict[str, Any]) -> None:
    """What users get, and what they would get from a set that has learnt nothing."""
    first, second = ladder.render(asked.folder / "product", asked.model, pieces, asked.threads, dcw=asked.dcw)
    rungs["product"] = [*first, *second]
    alike = [likeness(one.sound(), other.sound()) for one, other in zip(first, second, strict=True)]
    tellings["takes of a song differ"] = share([value < ALIKE for value in alike])
    tellings |= thoughts(pieces, first)
    if asked.product:
        return
    untrained = asked.folder / "untrained"
    if not (untrained / "model_index.json").exists():
        build_set(untrained, "mini")
    rungs["untrained"] = ladder.render(
        asked.folder / "floor", str(untrained.resolve()), pieces[::FLOOR_SHARE], asked.threads
    )[0]
    few = pieces[:NUM_REPEATED]
    repeated = ladder.same_bytes(asked.folder / "again", asked.model, few, asked.threads, first, dcw=asked.dcw)
    tellings["same seed, same bytes"] = share(repeated)


def thoughts(pieces: Sequence[Piece], takes: Sequence[Take]) -> dict[str, Any]:
    """What the chains of thought are worth; those of specs without metas."""
    said = [(piece, take.said) for piece, take in zip(pieces, takes, strict=True) if not ladder.is_told(piece)]
    bpm = [BY_NAME[piece.style].bpm[0] <= cot["bpm"] <= BY_NAME[piece.style].bpm[1] for piece, cot in said]
    mode = [cot["keyscale"].split()[1] == piece.mode for piece, cot in said if piece.mood]
    metre = [str(cot["timesignature"]) == piece.timesignature for piece, cot in said]
    return {
        "chains of thought": len(said),
        "chain of thought legal": share([legal(cot) for _, cot in said]),
        "bpm within the style's": share(bpm),
        "mode as the mood word's": share(mode),
        "time signature the style's": share(metre),
    }


def legal(cot: Any) -> bool:
    """Whether all six fields are there and say something the protocol knows."""
    return (
        30 <= cot["bpm"] <= 300
        and bool(cot["caption"])
        and 10 <= cot["duration"] <= 600
        and KEYSCALE.fullmatch(cot["keyscale"]) is not None
        and bool(cot["language"])
        and str(cot["timesignature"]) in {"2", "3", "4", "6"}
    )


def style_judge(folder: Path, workers: int) -> Any:
    """A classifier taught on the composer's own songs; their features are kept in `folder`."""
    path = folder / "style_features.npz"
    if not path.exists():
        seeds = range(CLASSIFIER_SEED, CLASSIFIER_SEED + CLASSIFIER_SONGS)
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            found = list(pool.map(composed_features, seeds, chunksize=8))
        names, features = zip(*found, strict=True)
        np.savez(path, names=np.array(names), features=np.array(features))
    kept = np.load(path)
    return learn_styles(kept["features"], kept["names"].tolist())


def composed_features(seed: int) -> tuple[str, Any]:
    """Style and features of one short song."""
    piece = draw(seed, shortest=16, longest=30)
    return piece.style, style_features(analysis._mono(play(piece).T, SAMPLE_RATE))


def hear(judge: Any, originals: Sequence[Take], take: Take) -> Heard:
    """One take against what was asked and against the composer's own."""
    sound = take.sound()
    original = next(one for one in originals if one.piece == take.piece).sound()
    return Heard(
        take=take,
        facts=listen(sound, take.asked, judge),
        mel_distance=log_mel_distance(sound, original),
        stft_distance=stft_distance(sound, original),
    )


def tabulate(heard: dict[str, list[Heard]]) -> dict[str, dict[str, float | None]]:
    """Rows by name, columns by rung: shares of takes, means of figures."""
    return {row.name: {name: share([row.of(one) for one in found]) for name, found in heard.items()} for row in ROWS}


def agreement(heard: dict[str, list[Heard]]) -> dict[str, Any]:
    """How often estimates of a reconstruction are the original's, and distances against the low-pass."""
    tellings: dict[str, Any] = {}
    truth = [one.facts for one in heard["composer"]]
    for name in ("VAE", "codes"):
        if name in heard:
            made = [one.facts for one in heard[name]]
            pairs = list(zip(truth, made, strict=True))
            tellings[f"{name}: tempo as the original's"] = share(
                [close(one.bpm, other.bpm) for one, other in pairs if one.tempo_strict is not None]
            )
            tellings[f"{name}: key as the original's"] = share([one.keyscale == other.keyscale for one, other in pairs])
            tellings[f"{name}: style as the original's"] = share([one.style == other.style for one, other in pairs])
            for figure in ("mel_distance", "stft_distance"):
                ours, theirs = (np.mean([getattr(one, figure) for one in heard[rung]]) for rung in (name, "low-pass"))
                tellings[f"{name}: {figure} against the low-pass"] = round(float(ours / theirs), 3)
    if {"DiT true codes", "DiT shuffled codes"} <= heard.keys():
        true, shuffled = heard["DiT true codes"], heard["DiT shuffled codes"]
        nearer = [one.mel_distance < other.mel_distance for one, other in zip(true, shuffled, strict=True)]
        tellings["true codes nearer to the original than shuffled ones"] = share(nearer)
    return tellings


def close(one: float | None, other: float | None) -> bool:
    """The same tempo, or none in both."""
    return one == other if one is None or other is None else abs(one / other - 1) < 0.04


def within(value: float | None, limits: tuple[float, float]) -> bool:
    """Whether there is a value, between its limits."""
    return value is not None and limits[0] <= value <= limits[1]


def gapless(heard: Heard) -> bool | None:
    """No long silence inside; ambient may pause."""
    return None if not heard.take.asked.beat else heard.facts.longest_gap <= LONGEST_GAP


def share(values: Sequence[float | bool | None]) -> float | None:
    """The mean of what there is."""
    there = [float(value) for value in values if value is not None]
    return round(float(np.mean(there)), 4) if there else None


def drawn(table: dict[str, dict[str, float | None]]) -> str:
    """The table for a terminal."""
    names = list(next(iter(table.values())))
    lines = [f"{'':28}" + "".join(f"{name:>{max(9, len(name) + 2)}}" for name in names)]
    for row, cells in table.items():
        lines.append(f"{row:28}" + "".join(f"{cell(row, cells[name]):>{max(9, len(name) + 2)}}" for name in names))
    return "\n".join(lines)


def cell(row: str, value: float | None) -> str:
    """A share in per cent, a figure as it is."""
    if value is None:
        return "-"
    return f"{value:.3f}" if row in FIGURES else f"{100 * value:.0f} %"


def told_of(heard: Heard) -> dict[str, Any]:
    """One take for the JSON."""
    return {
        "piece": heard.take.piece,
        "file": heard.take.path.name,
        **asdict(heard.take.asked),
        "heard": asdict(heard.facts),
        "mel_distance": heard.mel_distance,
        "stft_distance": heard.stft_distance,
    }


if __name__ == "__main__":
    main()
