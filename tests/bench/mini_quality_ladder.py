"""Held-out songs at every rung between the composer and the product: which stage loses what.

In: pieces and a model set. Out: sounds by rung, each made by the product's own stages (`runner_of`) or its command
line; only the encoder of sound, which rendering doesn't have, comes from the training code.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import tomli_w
import torch

from renderer.artifacts import Codes, Cot, Latents
from renderer.facts import SAMPLE_RATE, SAMPLES_PER_LATENT
from renderer.models.ace_step.protocol.metas import think_yaml
from renderer.models.ace_step.protocol.requests import LatentsRequest, WaveformRequest
from renderer.models.ace_step.vae.tiles import Tiles
from renderer.models.catalog.zoo import model_facts, resolve
from renderer.models.family import family, runner_of
from renderer.models.stage_job import Done, StageJob
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from renderer.settings import Metas
from tests.bench.mini_quality_listen import Asked, low_passed
from tests.mini_factory.composer.song import draw, play
from tests.mini_factory.composer.styles import BY_NAME
from tests.mini_factory.encoder import FILE, encode, load_encoder
from tests.mini_factory.sizes import MINI
from tests.mini_factory.train.texts import cot_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from tests.mini_factory.composer.song import Piece

    Sound = npt.NDArray[np.float32]

FIRST_SEED = 10_000_000
"""Training draws from 0 up; nothing comes near."""
LATENT_VALUES_A_SECOND = 1_600
BASELINE_HERTZ = LATENT_VALUES_A_SECOND / 2 / 2  # two channels, two values a cycle
SEEDS = (1, 2)
DCW: dict[str, Any] = {"dcw_enabled": True, "dcw_mode": "double", "dcw_scaler": 0.05, "dcw_high_scaler": 0.02}


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A sound on disk with what it should be."""

    piece: int
    """The composer's seed."""
    path: Path
    asked: Asked
    said: Mapping[str, Any] = field(default_factory=dict)
    """The chain of thought's fields where there was one."""

    def sound(self) -> Sound:
        """[samples, 2]."""
        return soundfile.read(self.path, dtype="float32", always_2d=True)[0]


def held_out(num: int) -> list[Piece]:
    """Pieces that training never saw; styles by turns, so that few pieces cover many."""
    pieces: list[Piece] = []
    seed = FIRST_SEED
    while len(pieces) < num:
        piece = draw(seed)
        if piece.style == list(BY_NAME)[len(pieces) % len(BY_NAME)]:
            pieces.append(piece)
        seed += 1
    return pieces


def asked_of(piece: Piece) -> Asked:
    """What the piece itself is."""
    return Asked(
        style=piece.style,
        beat=BY_NAME[piece.style].kit != "none",
        lyrics=piece.lyrics,
        bpm=piece.bpm,
        keyscale=piece.keyscale,
        timesignature=piece.timesignature,
    )


class Nobody:
    """A listener that doesn't listen."""

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """Nothing."""

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """Nothing."""

    def cancelled(self, job_id: str) -> bool:  # noqa: ARG002 - the seam's
        """Never."""
        return False


def run_stage(model: str, stage: str, jobs: Sequence[StageJob], threads: int) -> dict[str, Any]:
    """Artifacts by job; the part is loaded as the worker loads it."""
    files = resolve(model).files
    assert files is not None
    settings = pick_settings(Options(device="cpu", threads=threads))
    known = family("ace_step")
    part = known.loader().load(known.stages[stage].part, files, settings, Nobody())
    made = {}
    for result in runner_of(known.stages[stage])(part, jobs, Nobody()):
        assert isinstance(result, Done), result
        made[result.id] = result.artifact
    part.close()
    return made


def decode(model: str, latents: Mapping[int, npt.NDArray[np.float32]], threads: int) -> dict[int, Sound]:
    """Latents [frames, channels] by piece to sounds, through the VAE stage."""
    jobs = [
        StageJob(
            id=str(seed),
            request=WaveformRequest(duration=None),
            upstream={"latents": Latents(frames=np.ascontiguousarray(frames, dtype=np.float32))},
        )
        for seed, frames in latents.items()
    ]
    return {int(seed): made.samples.T for seed, made in run_stage(model, "waveform", jobs, threads).items()}


def denoise(
    model: str, pieces: Sequence[Piece], codes: Mapping[int, Any] | None, dcw: bool | None, threads: int
) -> dict[int, Any]:
    """Latents of the pieces' own texts and metas with these codes, or with none, through the DiT stage."""
    runs_dcw = model_facts(model).dcw if dcw is None else dcw
    correction = DCW if runs_dcw else {}
    jobs = []
    for piece in pieces:
        metas = cot_of(piece)
        upstream: dict[str, Any] = {"cot": Cot(text=think_yaml(metas), metas=metas)}
        if codes is not None:
            upstream["codes"] = Codes(codes=codes[piece.seed])
        jobs.append(
            StageJob(id=str(piece.seed), request=replace(latents_request(piece), **correction), upstream=upstream)
        )
    return {int(seed): made.frames for seed, made in run_stage(model, "latents", jobs, threads).items()}


def latents_request(piece: Piece) -> LatentsRequest:
    """The piece as a user would ask for it who knows all its metas."""
    return LatentsRequest(
        caption=piece.caption,
        lyrics=piece.lyrics,
        metas=Metas(
            bpm=piece.bpm,
            keyscale=piece.keyscale,
            timesignature=piece.timesignature,
            duration=float(piece.duration),
        ),
        use_cot_caption=True,
        use_cot_language=True,
        max_duration=MINI.max_seconds,
        preview=None,
        inference_steps=8,
        guidance_scale=1.0,
        infer_method="ode",
        shift=3.0,
        dcw_enabled=False,
        timesteps=None,
        cfg_interval_start=0.0,
        cfg_interval_end=1.0,
        seed=SEEDS[0],
    )


@torch.no_grad()
def encoded(folder: Path, sounds: Mapping[int, Sound]) -> dict[int, npt.NDArray[np.float32]]:
    """Latents of sounds [samples, 2], by the encoder in `folder`; in tiles, as whole songs leave the cache."""
    encoder = load_encoder(folder, MINI)
    tiles = Tiles(length=96, overlap=16)
    made = {}
    for seed, sound in sounds.items():
        pieces = []
        for start, end, first, last in tiles.windows(len(sound) // SAMPLES_PER_LATENT):
            heard = torch.from_numpy(sound[start * SAMPLES_PER_LATENT : end * SAMPLES_PER_LATENT].T.copy())
            pieces.append(encode(encoder, heard[None])[0, first - start : last - start].numpy())
        made[seed] = np.concatenate(pieces)
    return made


@torch.no_grad()
def through_codes(
    model: str, latents: Mapping[int, npt.NDArray[np.float32]]
) -> tuple[dict[int, npt.NDArray[np.int32]], dict[int, npt.NDArray[np.float32]]]:
    """Codes of these latents, and what the detokenizer makes of them: the hints that the DiT is given."""
    from diffusers.pipelines.ace_step import AceStepAudioTokenDetokenizer, AceStepAudioTokenizer

    files = resolve(model).files
    assert files is not None
    load = {"local_files_only": True, "torch_dtype": torch.float32, "low_cpu_mem_usage": False}
    tokenizer = AceStepAudioTokenizer.from_pretrained(files.dit, subfolder="audio_tokenizer", **load)
    detokenizer = AceStepAudioTokenDetokenizer.from_pretrained(files.dit, subfolder="audio_token_detokenizer", **load)
    codes, hints = {}, {}
    for seed, frames in latents.items():
        whole = torch.from_numpy(frames[: len(frames) // 5 * 5])[None]
        quantised, indices = tokenizer.tokenize(whole)
        codes[seed] = indices[0, :, 0].numpy().astype(np.int32)
        hints[seed] = detokenizer(quantised)[0].numpy()
    return codes, hints


def compose(pieces: Sequence[Piece]) -> dict[int, Sound]:
    """The composer's own sound."""
    return {piece.seed: np.ascontiguousarray(play(piece).T) for piece in pieces}


def baseline(sounds: Mapping[int, Sound]) -> dict[int, Sound]:
    """As many numbers a second as the latents have, spent on the lowest frequencies."""
    return {seed: low_passed(sound, BASELINE_HERTZ) for seed, sound in sounds.items()}


def keep(folder: Path, pieces: Sequence[Piece], sounds: Mapping[int, Sound]) -> list[Take]:
    """Write sounds for listening and measuring."""
    folder.mkdir(parents=True, exist_ok=True)
    takes = []
    for piece in pieces:
        path = folder / f"{piece.seed}-{piece.style.replace(' ', '-')}.wav"
        soundfile.write(path, sounds[piece.seed], SAMPLE_RATE, subtype="FLOAT")
        takes.append(Take(piece=piece.seed, path=path, asked=asked_of(piece)))
    return takes


def is_told(piece: Piece) -> bool:
    """Whether the spec gives all metas; the others leave bpm and key to the chain of thought."""
    return piece.seed % 2 == 0


def spec_of(piece: Piece) -> str:
    """The piece as a user would write it."""
    return tomli_w.dumps(spec_tables(piece), multiline_strings=True)


def spec_tables(piece: Piece) -> dict[str, Any]:
    """The same as tables."""
    metas: dict[str, Any] = {"duration": piece.duration}
    if is_told(piece):
        metas |= {"bpm": piece.bpm, "keyscale": piece.keyscale, "timesignature": piece.timesignature}
        metas |= {"vocal_language": piece.language} if piece.language != "unknown" else {}
    return {
        "title": f"{piece.style} {piece.seed}",
        "caption": piece.caption,
        "lyrics": piece.lyrics,
        "seeds": list(SEEDS),
        "metas": metas,
    }


def render(
    folder: Path, model: str, pieces: Sequence[Piece], threads: int, *, dcw: bool | None = None
) -> list[list[Take]]:
    """The pieces as specs of a project in `folder`, rendered by the command line; takes by seed, then by piece."""
    (folder / "specs").mkdir(parents=True, exist_ok=True)
    (folder / "renderer.toml").write_text(tomli_w.dumps(project_settings(model, dcw)), "utf-8")
    for piece in pieces:
        (folder / "specs" / f"song-{piece.seed}.toml").write_text(spec_of(piece), "utf-8")
    run_render(folder, threads)
    return [[rendered(folder, piece, seed) for piece in pieces] for seed in SEEDS]


def project_settings(model: str, dcw: bool | None) -> dict[str, Any]:
    """What a project's `renderer.toml` says."""
    settings: dict[str, Any] = {"model": model, "output": {"format": "wav"}}
    return settings if dcw is None else {**settings, "inference": {"dcw_enabled": dcw}}


def run_render(folder: Path, threads: int, *options: str) -> None:
    """The project in `folder` by the command line.

    Raises: RuntimeError when it fails.
    """
    command = [sys.executable, "-m", "renderer", "render", "--no-measure", "--json", "--threads", str(threads)]
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"renderer render: {done.stdout[-2_000:]}{done.stderr[-2_000:]}")
    (folder / "summary.json").write_text(done.stdout, "utf-8")


def rendered(folder: Path, piece: Piece, seed: int) -> Take:
    """One take of the project, judged by the metas that finally counted."""
    path = folder / "outputs" / f"song-{piece.seed}" / f"song-{piece.seed}.s{seed}.wav"
    sidecar = tomllib.loads(path.with_suffix(".toml").read_text("utf-8"))
    decided = sidecar["made"]["noted"]["latents"]["metas"]
    own = asked_of(piece)
    asked = Asked(
        style=own.style,
        beat=own.beat,
        lyrics=own.lyrics,
        bpm=int(decided["bpm"]),
        keyscale=decided["keyscale"],
        timesignature=str(decided["timesignature"]),
    )
    return Take(piece=piece.seed, path=path, asked=asked, said=sidecar.get("decided", {}))


def same_bytes(
    folder: Path,
    model: str,
    pieces: Sequence[Piece],
    threads: int,
    earlier: Sequence[Take],
    *,
    dcw: bool | None,
) -> list[bool]:
    """Whether a second project renders the first seed of these pieces to the same bytes."""
    again = render(folder, model, pieces, threads, dcw=dcw)[0]
    return [one.path.read_bytes() == other.path.read_bytes() for one, other in zip(again, earlier, strict=False)]


def has_encoder(folder: Path) -> bool:
    """Whether a model set's folder holds the encoder of sound."""
    return (folder / FILE).exists()


def dumped(value: object) -> str:
    """JSON for people and machines."""
    return json.dumps(value, indent=2, default=str) + "\n"
