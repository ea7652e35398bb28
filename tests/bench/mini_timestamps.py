"""Whether `mini`'s attention tells when sections are sung, and which takes are sung to their own lyrics.

`python -m tests.bench.mini_timestamps choose` looks for the heads on songs of their own;  `judge` measures such
heads on thirty others, which neither training nor choosing saw. Songs are the composer's, whose sections' times
are known, through its own sound's codes and the DiT, as the stages make them.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from renderer.artifacts import Codes, Cot, Latents
from renderer.facts import LATENT_RATE, MAX_LYRIC_TOKENS
from renderer.models.ace_step.dit.conditions import ConditionCache
from renderer.models.ace_step.dit.prepare import prepare_take
from renderer.models.ace_step.dit.timestamps import read_attention
from renderer.models.ace_step.protocol.alignment import consensus, token_times, warp
from renderer.models.ace_step.protocol.lyric_lines import lyric_rows, own_texts, timed_lines, timed_tokens
from renderer.models.ace_step.protocol.lyric_score import energy_of, lyric_score, sung_rows
from renderer.models.ace_step.protocol.metas import think_yaml
from renderer.models.ace_step.protocol.requests import TimestampsRequest
from renderer.models.catalog.zoo import MINI_FOLDER, resolve
from renderer.models.family import family
from renderer.models.stage_job import StageJob
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from tests.bench import mini_quality_ladder as ladder
from tests.mini_factory.composer.layout import lay_out
from tests.mini_factory.sizes import MINI
from tests.mini_factory.train.texts import cot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from renderer.artifacts import Float32s
    from renderer.models.ace_step.protocol.lyric_lines import LyricRows
    from tests.mini_factory.composer.song import Piece

    Costs = Callable[[Float32s], Float32s]

NUM_JUDGED, NUM_CHOSEN_ON = 30, 24
CLOSE_SECONDS = 0.5
MOST_HEADS = 8
HALF = 0.5
MODEL = "mini"


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """A piece with what the DiT made of it."""

    piece: Piece
    latents: Any
    codes: Any


def pieces() -> tuple[list[Piece], list[Piece]]:
    """Those to choose heads on, and those to judge by: songs with two sections or more."""
    found = [one for one in ladder.held_out(90) if len(starts(one)) > 1]
    return found[NUM_JUDGED : NUM_JUDGED + NUM_CHOSEN_ON], found[:NUM_JUDGED]


def starts(piece: Piece) -> list[float]:
    """Seconds at which the composer begins each tagged section."""
    if piece.lyrics.count("[") < 2:
        return []
    return [span.start_seconds for span in lay_out(piece.lyrics, piece.bpm, piece.timesignature, piece.duration)]


def rendered(chosen: Sequence[Piece], threads: int) -> list[Song]:
    """The pieces' own sound as codes, and their latents of these by the DiT."""
    latents = ladder.encoded(MINI_FOLDER, ladder.compose(chosen))
    codes, _ = ladder.through_codes(MODEL, latents)
    made = ladder.denoise(MODEL, chosen, codes, None, threads)
    return [Song(piece=one, latents=made[one.seed], codes=codes[one.seed]) for one in chosen]


def shuffled(piece: Piece) -> Piece:
    """The same song with its lines in another order, each section as long as before."""
    lines = piece.lyrics.split("\n")
    places = [place for place, line in enumerate(lines) if line.strip() and not line.startswith("[")]
    order = list(places)
    while order == places and len({lines[place] for place in places}) > 1:
        random.Random(piece.seed).shuffle(order)
        if order == places:
            order.reverse()
    mixed = list(lines)
    for place, other in zip(places, order, strict=True):
        mixed[place] = lines[other]
    return replace(piece, lyrics="\n".join(mixed))


class Attended(NamedTuple):
    """What the DiT attended to, [heads, tokens, patches]: in noise, and in the latents."""

    rows: LyricRows
    before: Float32s
    after: Float32s
    num_frames: int


class Reader:
    """The DiT, resident: songs to what it attended to, as the stage reads it."""

    def __init__(self, threads: int) -> None:
        files, settings = resolve(MODEL).files, pick_settings(Options(device="cpu", threads=threads))
        assert files is not None
        self._part: Any = family("ace_step").loader().load("dit", files, settings, ladder.Nobody())
        self.encoders = self._part.encoders(ladder.Nobody())
        self.all_heads = tuple((layer, tuple(range(MINI.dit.heads))) for layer in range(MINI.dit.layers))

    def attended(self, song: Song, words: Piece, heads: Any) -> Attended:
        """What it attends to in the lyrics of `words` while it looks at the song's latents."""
        asked = ladder.latents_request(words)
        metas = cot_of(words)
        upstream: Mapping[str, Any] = {
            "cot": Cot(text=think_yaml(metas), metas=metas),
            "codes": Codes(codes=song.codes),
            "latents": Latents(frames=np.ascontiguousarray(song.latents, dtype=np.float32)),
        }
        job = StageJob(id="one", request=TimestampsRequest(latents=asked, heads=heads), upstream=upstream)
        take = prepare_take(ConditionCache(self.encoders), replace(job, request=asked))
        tokens = self.encoders.tokens
        rows = lyric_rows(tokens, take.prompt.lyrics, take.prompt.metas.language, MAX_LYRIC_TOKENS)
        before, after = read_attention(self._part.dit(ladder.Nobody()), job, take, rows, ladder.Nobody())
        return Attended(rows=rows, before=before.numpy(), after=after.numpy(), num_frames=song.latents.shape[0])

    def starts(self, attended: Attended, costs: Costs) -> list[float]:
        """The starts of the lines that are tags, by the path of least costs."""
        tokens, ids = self.encoders.tokens, attended.rows.ids
        length = attended.num_frames / LATENT_RATE
        times = token_times(warp(costs(attended.after)), len(ids), length / attended.after.shape[-1])
        every = [True] * len(ids)
        lines = timed_lines(tuple(timed_tokens(tokens, ids, times, every, every)))
        return [line.start for line in lines if line.text.startswith("[")]

    def score(self, attention: Float32s, attended: Attended) -> float:
        """The lyric alignment score."""
        return lyric_score(attention, sung_rows(own_texts(self.encoders.tokens, attended.rows.ids))).score


def by_consensus(attention: Float32s) -> Float32s:
    """The costs that the stage has: ACE-Step's."""
    return -consensus(attention)


def by_energy(attention: Float32s) -> Float32s:
    """Those of the lyric alignment score, which are relative: any head that tells of time at all shows here."""
    return -(energy_of(attention) ** 2)


WAYS: Mapping[str, Costs] = {"consensus": by_consensus, "energy": by_energy}


def errors(told: Sequence[float], true: Sequence[float]) -> list[float]:
    """Seconds between what is told and what is; of a section that isn't told, infinity."""
    padded = [*told, *[float("inf")] * len(true)]
    return [abs(one - other) for one, other in zip(padded, true, strict=False)]


def uniform(piece: Piece) -> list[float]:
    """The floor: sections of equal length."""
    count = len(starts(piece))
    return [piece.duration * place / count for place in range(count)]


def by_lines(piece: Piece) -> list[float]:
    """A better floor: each section as long as it has lines, its tag one of them."""
    lines = [line for line in piece.lyrics.split("\n") if line.strip()]
    return [piece.duration * place / len(lines) for place, line in enumerate(lines) if line.startswith("[")]


def share(found: Sequence[Sequence[float]]) -> float:
    """Of sections within half a second, the first ones of songs apart, which begin with the song."""
    later = [error for one in found for error in one[1:]]
    return sum(error <= CLOSE_SECONDS for error in later) / len(later)


def picked(attended: Attended, places: Sequence[int]) -> Attended:
    """Of all heads, these."""
    return replace(attended, before=attended.before[list(places)], after=attended.after[list(places)])


def choose(threads: int) -> None:
    """Heads by themselves, then the best few together, each added while it helps; prints the map of either way."""
    chosen, _ = pieces()
    songs, reader = rendered(chosen, threads), Reader(threads)
    every = [(layer, head) for layer, heads in reader.all_heads for head in heads]
    read = [reader.attended(song, song.piece, reader.all_heads) for song in songs]
    print("most attention of a patch to a token:", round(max(float(one.after.max()) for one in read), 3))
    print(
        "mean share of attention on lyrics:", round(float(np.mean([one.after.sum(axis=1).mean() for one in read])), 3)
    )

    def rated(places: Sequence[int], costs: Costs) -> tuple[float, float]:
        found = [
            errors(reader.starts(picked(one, places), costs), starts(song.piece))
            for song, one in zip(songs, read, strict=True)
        ]
        later = [min(error, 10.0) for one in found for error in one[1:]]
        # Close ones first; then, where none is close, nearer ones.
        return round(share(found), 4), -round(sum(later) / len(later), 3)

    for way, costs in WAYS.items():
        alone = sorted(((rated([place], costs), place) for place in range(len(every))), reverse=True)
        print(way, "alone:", [(every[place], *rate) for rate, place in alone[:6]], flush=True)
        together, best = [alone[0][1]], alone[0][0]
        while len(together) < MOST_HEADS:
            others = (place for _, place in alone[:16] if place not in together)
            rate, place = max((rated([*together, place], costs), place) for place in others)
            if rate <= best:
                break
            together, best = [*together, place], rate
        print(way, "together:", *best, sorted(every[one] for one in together), flush=True)
    floors = {"uniform": uniform, "by lines": by_lines}
    found = {name: share([errors(floor(one), starts(one)) for one in chosen]) for name, floor in floors.items()}
    print("floors:", found)


def judge(threads: int, chosen: Sequence[tuple[int, int]]) -> None:
    """What heads come to on songs that choosing never saw."""
    _, judged = pieces()
    songs, reader = rendered(judged, threads), Reader(threads)
    every = [(layer, head) for layer, heads in reader.all_heads for head in heads]
    places = [every.index(one) for one in chosen]

    def read(song: Song, words: Piece) -> Attended:
        return picked(reader.attended(song, words, reader.all_heads), places)

    own = [read(song, song.piece) for song in songs]
    wrong = rendered([shuffled(song.piece) for song in songs], threads)
    other = [read(song, right.piece) for song, right in zip(wrong, songs, strict=True)]
    pairs = [(reader.score(a.after, a), reader.score(b.after, b)) for a, b in zip(own, other, strict=True)]
    truth = [starts(song.piece) for song in songs]
    told = {
        **{name: [reader.starts(one, costs) for one in own] for name, costs in WAYS.items()},
        "floor: uniform": [uniform(song.piece) for song in songs],
        "floor: by lines": [by_lines(song.piece) for song in songs],
    }
    by_way = {name: [errors(*pair) for pair in zip(one, truth, strict=True)] for name, one in told.items()}
    document = {
        "songs": len(songs),
        "sections behind the first": sum(len(one) - 1 for one in truth),
        **{
            name: {
                "within 0.5 s": round(share(found), 3),
                "songs with most of them so": sum(share([one]) > HALF for one in found),
                "median error, s": round(float(np.median([error for one in found for error in one[1:]])), 2),
            }
            for name, found in by_way.items()
        },
        "right above shuffled": f"{sum(a > b for a, b in pairs)} of {len(pairs)}",
        "equal": sum(a == b for a, b in pairs),
    }
    print(json.dumps(document, indent=1))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("choose", "judge"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--heads", default="1:0", help="To judge: `3:4,5:2`, layer and head.")
    asked = parser.parse_args()
    if asked.what == "choose":
        choose(asked.threads)
    else:
        named = (one.split(":") for one in asked.heads.split(","))
        judge(asked.threads, [(int(layer), int(head)) for layer, head in named])


if __name__ == "__main__":
    main()
