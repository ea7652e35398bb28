"""What `mini` carries of picking: whether plan scores know the right texts, and whether they find the best takes.

    python -m tests.bench.mini_pick pairs [--songs 30]
    python -m tests.bench.mini_pick winner FOLDER [--songs 6]

`pairs` scores the composer's own codes under their lyrics and caption, and under wrong ones. `winner` renders all 16
takes of songs that training never saw, in FOLDER, measures them, and looks for the best of the 16 by `renderer pick`
among the four whose plans score best.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import tomli_w
from scipy.stats import spearmanr

from renderer.artifacts import Codes, Cot
from renderer.models.ace_step.protocol.metas import think_yaml
from renderer.models.ace_step.protocol.requests import PlanScoreRequest
from renderer.models.catalog.zoo import MINI_FOLDER
from renderer.models.stage_job import StageJob
from renderer.pipeline.pick import ranking
from renderer.settings import Metas
from renderer.takes.ranking import SCORES, ranked, standardised
from tests.bench import mini_quality_ladder as ladder
from tests.bench.mini_timestamps import pieces, shuffled
from tests.mini_factory.train.texts import cot_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.artifacts import PlanScore
    from renderer.pipeline.pick import SongRanking
    from tests.mini_factory.composer.song import Piece

MODEL = "mini"
PLANS, FINISH = 16, 4
NOT_OF_SOUND = frozenset({"plan", "alignment", "lines", "words"})
SECONDS = 12
"""Of a song: plans are compared, not endurance."""


def pairs(num_songs: int, threads: int) -> dict[str, Any]:
    """How often the right text scores above a wrong one."""
    _, judged = pieces()
    judged = judged[:num_songs]
    codes, _ = ladder.through_codes(MODEL, ladder.encoded(MINI_FOLDER, ladder.compose(judged)))
    others = [*judged[1:], judged[0]]
    jobs: list[StageJob] = []
    for piece, other in zip(judged, others, strict=True):
        own = cot_of(piece)
        asked = {
            "right": (piece.lyrics, own),
            "shuffled": (shuffled(piece).lyrics, own),
            "other lyrics": (other.lyrics, own),
            "other caption": (piece.lyrics, replace(own, caption=cot_of(other).caption)),
            "other metas": (piece.lyrics, replace(cot_of(other), caption=own.caption)),
        }
        for name, (lyrics, cot) in asked.items():
            request = PlanScoreRequest(caption=piece.caption, lyrics=lyrics, metas=Metas())
            upstream = {"codes": Codes(codes=codes[piece.seed]), "cot": Cot(text=think_yaml(cot), metas=cot)}
            jobs.append(StageJob(id=f"{piece.seed} {name}", request=request, upstream=upstream))
    made: dict[str, PlanScore] = ladder.run_stage(MODEL, "plan_score", jobs, threads)

    def share(wrong: str, field: str) -> str:
        rows = [(made[f"{one.seed} right"].scores[field], made[f"{one.seed} {wrong}"].scores[field]) for one in judged]
        return f"{sum(right > other for right, other in rows)} of {len(rows)}, {sum(a == b for a, b in rows)} equal"

    return {
        "songs": len(judged),
        "right lyrics above shuffled ones": share("shuffled", "lyrics"),
        "right lyrics above another song's": share("other lyrics", "lyrics"),
        "right caption above another song's": share("other caption", "caption"),
        "right metas above another song's": share("other metas", "metas"),
        "mean pmi of right lyrics": round(fmean(made[f"{one.seed} right"].lyrics_pmi or 0.0 for one in judged), 3),
        "mean pmi of right captions": round(fmean(made[f"{one.seed} right"].caption_pmi or 0.0 for one in judged), 3),
    }


def winner(folder: Path, num_songs: int, threads: int) -> dict[str, Any]:
    """The share of winners that the plans' scores keep, and the time that picking saves."""
    write(folder, [replace(piece, duration=SECONDS) for piece in pieces()[1][:num_songs]])
    renderer = [sys.executable, "-m", "renderer"]
    for command in (["render", "--plan-scores", "--no-measure", "--threads", str(threads)], ["report"]):
        subprocess.run([*renderer, *command], cwd=folder, check=True)
    songs = ranking([str(folder / "specs")], None).songs
    by_sound = {row.name: row.weight if row.name not in NOT_OF_SOUND else 0.0 for row in SCORES}
    places = [place_of_winner(song, by_sound) for song in songs]
    times = [seconds(song) for song in songs]
    whole = sum(sum(one.values()) - one["plan_score"] for one in times)
    planned = sum(one["cot"] + one["codes"] + one["plan_score"] for one in times)
    finished = sum(one["latents"] + one["waveform"] for one in times) * FINISH / PLANS
    return {
        "songs": len(songs),
        "winner by sound among the four": f"{sum(place <= FINISH for place in places)} of {len(places)}",
        "by chance": f"{FINISH / PLANS:.0%}",
        "places of the winner's plan": places,
        "songs in which the winner is the first alone": sum(leads(song, by_sound) for song in songs),
        "songs in which a score of sound tells takes apart": told_apart(songs),
        "rank correlation of plan and sound": [correlation(song, by_sound) for song in songs],
        "winner by all scores among the four": sum(
            place_of_winner(song, {row.name: row.weight for row in SCORES}) <= FINISH for song in songs
        ),
        "computing seconds, all finished": round(whole, 1),
        "computing seconds, picked": round(planned + finished, 1),
        "saved": f"{1 - (planned + finished) / whole:.0%}",
        "seconds by stage": {stage: round(sum(one[stage] for one in times), 1) for stage in times[0]},
    }


def write(folder: Path, chosen: Sequence[Piece]) -> None:
    """A project of these songs with 16 seeds each."""
    (folder / "specs").mkdir(parents=True, exist_ok=True)
    (folder / "renderer.toml").write_text(tomli_w.dumps({"model": MODEL, "outputs": "outputs"}), "utf-8")
    for piece in chosen:
        spec = {**tomllib.loads(ladder.spec_of(piece)), "seeds": [*range(PLANS)]}
        text = tomli_w.dumps(spec, multiline_strings=True)
        (folder / "specs" / f"song-{piece.seed}.toml").write_text(text, "utf-8")


def place_of_winner(song: SongRanking, weights: dict[str, float]) -> int:
    """Where the plan of the best take stands among the plans, from 1."""
    best = ranked(song.scores, weights)[0].name
    plans = sorted(song.scores, key=lambda name: -(song.scores[name].plan or 0.0))
    return plans.index(best) + 1


def leads(song: SongRanking, weights: dict[str, float]) -> bool:
    """Whether one take is better than all others."""
    first, second = ranked(song.scores, weights)[:2]
    return first.points > second.points


def told_apart(songs: Sequence[SongRanking]) -> dict[str, int]:
    """Score of sound -> songs whose takes differ in it."""
    standards = [standardised(song.scores) for song in songs]
    names = [row.name for row in SCORES if row.name not in NOT_OF_SOUND]
    return {name: sum(any(one.get(name) for one in takes.values()) for takes in standards) for name in names}


def correlation(song: SongRanking, weights: dict[str, float]) -> float:
    """Spearman's, of the takes' plan scores and their points by sound; 0 where these are all the same."""
    by_sound = {take.name: take.points for take in ranked(song.scores, weights)}
    if len(set(by_sound.values())) == 1:
        return 0.0
    rows = [[song.scores[name].plan or 0.0, points] for name, points in by_sound.items()]
    return round(float(spearmanr(rows).statistic), 2)


def seconds(song: SongRanking) -> dict[str, float]:
    """Stage -> seconds of computing; a shared chain of thought once."""
    found: dict[str, float] = {}
    for record in song.records.values():
        for stage, took in record.provenance.seconds.items():
            found[stage] = took if stage == "cot" else found.get(stage, 0.0) + took
    return {stage: found.get(stage, 0.0) for stage in ("cot", "codes", "plan_score", "latents", "waveform")}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("pairs", "winner"))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--songs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    found = (
        pairs(asked.songs, asked.threads) if asked.what == "pairs" else winner(asked.folder, asked.songs, asked.threads)
    )
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
