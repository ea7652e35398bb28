"""Runs one stage of the training or all: `python -m renderer.models.ace_step.mini.train all --work DIR --scale 0.02`.

Stages, each from files and to files below DIR: `codec` (VAE, silence, tokenizer pair, first encoded songs), `songs`
(more encoded songs), `dit` (text and condition encoders with the DiT), `lm`. `all` runs `codec`, then the other three
side by side. A stage that was stopped goes on where it stood.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.models.ace_step.mini.train.course import Budget, Course, Pace

log = logging.getLogger(__name__)

SILENCE_FILE = "silence.safetensors"
READY_FILE = "codec.ready"
"""Appears once the codec is whole and the first songs are encoded."""
DONE_FILE = "codec.done"
"""Appears once all the codec's songs are encoded: the stage needn't run again."""
SHARD_SONGS = 100
CODEC_SONGS = 5_000
MORE_SONGS = 24_000
FIRST_SONGS = 400
"""There before the VAE's clock starts."""
VAE_SHARE = 0.85
"""Of the codec's minutes."""
PATIENCE_SECONDS = 300.0
VOCABULARY_SONGS = 3_000
"""Whose words the tokenizers learn."""
BESIDE = ("dit", "lm", "songs")
"""Stages that run side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How much of everything; `--scale` shrinks counts and rounds alike."""

    work: Path
    device: str
    scale: float
    workers: int
    minutes: float
    launch: str

    def rounds(self, full: int) -> int:
        """Rounds at this scale."""
        return max(4, int(full * self.scale))

    def count(self, full: int, least: int) -> int:
        """Songs or rows at this scale."""
        return max(least, int(full * self.scale))

    @property
    def folder(self) -> Path:
        """The model set being made."""
        return self.work / "set"

    @property
    def shards(self) -> Path:
        """Encoded songs."""
        return self.work / "shards"

    @property
    def autocast(self) -> bool:
        """Whether to compute in bfloat16, which pays on a GPU."""
        return self.device != "cpu"

    def budget(self, rounds: int, share: float = 1.0) -> Budget:
        """What a course may take."""
        from renderer.models.ace_step.mini.train.course import Budget  # noqa: PLC0415 - torch

        return Budget(rounds=self.rounds(rounds), seconds=60 * self.minutes * share)

    def course(
        self, name: str, modules: Sequence[Any], lesson: Callable[..., Any], pace: Pace, budget: Budget
    ) -> Course:
        """A course of this recipe, or its continuation."""
        from renderer.models.ace_step.mini.train.course import LAUNCHES, Course  # noqa: PLC0415 - torch

        kept = self.work / "courses" / f"{name}.pt"
        return Course(modules, lesson, pace=pace, budget=budget, kept=kept, launch=LAUNCHES[self.launch])


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run the stage."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=[*STAGES, "all"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2, help="processes that compose or prepare texts")
    parser.add_argument("--minutes", type=float, default=60.0, help="the longest a stage may learn")
    parser.add_argument("--codec-minutes", type=float, help="the same for the codec, where `all` is run")
    parser.add_argument("--launch", choices=["eager", "graph"], help="graph on a GPU, eager elsewhere")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    recipe = Recipe(
        work=asked.work,
        device=asked.device,
        scale=asked.scale,
        workers=asked.workers,
        minutes=asked.minutes,
        launch=asked.launch or ("eager" if asked.device == "cpu" else "graph"),
    )
    if asked.stage == "all":
        run_all(recipe, asked.codec_minutes or asked.minutes)
    else:
        STAGES[asked.stage](recipe)


def run_all(recipe: Recipe, codec_minutes: float) -> None:
    """The codec, then what builds on it side by side; songs are made as long as the LM learns.

    Raises: CalledProcessError when a stage failed.
    """
    recipe.work.mkdir(parents=True, exist_ok=True)
    open_set(recipe)
    running = {}
    if not (recipe.work / DONE_FILE).exists():
        (recipe.work / READY_FILE).unlink(missing_ok=True)
        running["codec"] = start(recipe, "codec", codec_minutes)
        while running["codec"].poll() is None and not (recipe.work / READY_FILE).exists():
            time.sleep(0.2)
        refuse_failed(running)
    running |= {stage: start(recipe, stage, recipe.minutes) for stage in BESIDE}
    try:
        while any(process.poll() is None for stage, process in running.items() if stage != "songs"):
            refuse_failed(running)
            time.sleep(0.2)
        refuse_failed(running)
    finally:
        for process in running.values():
            process.terminate()
            process.wait()


def start(recipe: Recipe, stage: str, minutes: float) -> subprocess.Popen[bytes]:
    """A stage in a process of its own; its log goes to a file of its name too long to share a terminal."""
    given = {"work": recipe.work, "device": recipe.device, "scale": recipe.scale, "minutes": minutes}
    given |= {"workers": recipe.workers, "launch": recipe.launch}
    options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    log.info("%s starts; its log is %s", stage, recipe.work / f"{stage}.log")
    with (recipe.work / f"{stage}.log").open("ab") as told:
        return subprocess.Popen([sys.executable, "-m", __package__, stage, *options], stdout=told, stderr=told)


def refuse_failed(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Let only running and finished stages through.

    Raises: CalledProcessError for the first that failed.
    """
    for process in running.values():
        if process.poll():
            raise subprocess.CalledProcessError(process.returncode, process.args)


def open_set(recipe: Recipe) -> Path:
    """The model set so far; a fresh random one when there is none."""
    from renderer.models.ace_step.mini.build import build_set  # noqa: PLC0415 - torch and more
    from renderer.models.ace_step.mini.composer.song import draw  # noqa: PLC0415 - see above

    if not (recipe.folder / "model_index.json").exists():
        pieces = [draw(seed) for seed in range(recipe.count(VOCABULARY_SONGS, 300))]
        texts = [text for piece in pieces for text in (piece.caption, piece.retold, piece.lyrics)]
        build_set(recipe.folder, "mini", texts=texts)
    return recipe.folder


def codec(recipe: Recipe) -> None:
    """VAE, its normalisation, the encoding of silence, the tokenizer pair, the first shards."""
    import torch  # noqa: PLC0415 - composer processes import this module

    from renderer.models.ace_step.mini import encoder as encoders  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.sizes import MINI, SILENCE_FRAMES  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train import codec as lessons  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.songs import SongPool  # noqa: PLC0415 - see above

    quicken(seed=0)
    seeds = range(recipe.count(CODEC_SONGS, 2))
    pool = SongPool(seeds, device=recipe.device, folder=recipe.work / "raw", workers=recipe.workers)
    folder = open_set(recipe)
    parts = load_parts(folder, recipe.device)
    encoder = encoders.open_encoder(folder, MINI).to(recipe.device)
    teach_vae(recipe, encoder, parts["vae"], pool)
    encoders.save_encoder(encoder, folder)
    torch.backends.cudnn.benchmark = False  # whole songs differ in length
    pool.wait(pool.total)
    save_silence(recipe, lessons.silence(encoder, SILENCE_FRAMES))
    pair = (parts["audio_tokenizer"], parts["audio_token_detokenizer"])
    latents = {seed: lessons.encode_song(encoder, pool.song(index)) for index, seed in enumerate(pool.seeds)}
    teach_pair(recipe, pair, latents)
    write_songs(recipe, pair[0], latents)


def teach_vae(recipe: Recipe, encoder: Any, vae: Any, pool: Any) -> None:
    """Encoder and decoder, their latents brought to unit size; the decoder's is written."""
    from renderer.models.ace_step.mini.train import codec as lessons  # noqa: PLC0415 - torch

    decoder = vae.decoder
    batch = recipe.count(24, 2)
    pool.wait(recipe.count(FIRST_SONGS, 2))
    lessons.quicken_snakes(encoder, decoder)
    lessons.sing_in_float32(decoder)
    taught = lessons.VaeLessons(
        encoder=encoder, decoder=decoder, spectra=lessons.Spectra(recipe.device), autocast=recipe.autocast
    )
    budget = recipe.budget(12_000, VAE_SHARE)
    course = recipe.course("vae", [encoder, decoder], taught.loss, lessons.VAE_PACE, budget)
    lessons.train_vae(course, taught, pool, batch=batch)
    lessons.normalise(encoder, decoder, pool, num_crops=recipe.count(256, 8))
    save_part(vae, recipe.folder / "vae")


def teach_pair(recipe: Recipe, pair: tuple[Any, Any], latents: dict[int, Any]) -> None:
    """Tokenizer and detokenizer on these latents by seed, written; the codec is whole then."""
    from renderer.models.ace_step.mini.train import codec as lessons  # noqa: PLC0415 - torch

    taught = lessons.PairLessons(tokenizer=pair[0], detokenizer=pair[1], autocast=recipe.autocast)
    budget = recipe.budget(10_000, 1 - VAE_SHARE)
    course = recipe.course("pair", pair, taught.loss, lessons.PAIR_PACE, budget)
    lessons.train_pair(course, taught, latents, batch=recipe.count(4_096, 64))
    for name, part in zip(("audio_tokenizer", "audio_token_detokenizer"), pair, strict=True):
        save_part(copy.deepcopy(part), recipe.folder / name)


def save_silence(recipe: Recipe, silence: Any) -> None:
    """Where the DiT's stage finds it."""
    from safetensors.torch import save_file  # noqa: PLC0415 - torch

    save_file({"silence": silence.cpu()}, recipe.work / SILENCE_FILE)


def write_songs(recipe: Recipe, tokenizer: Any, latents: dict[int, Any]) -> None:
    """Encoded songs as shards; the first one lets the other stages begin."""
    from renderer.models.ace_step.mini.train import codec as lessons  # noqa: PLC0415 - torch
    from renderer.models.ace_step.mini.train.shards import write_shard  # noqa: PLC0415 - see above

    seeds = list(latents)
    for first in range(0, len(seeds), SHARD_SONGS):
        chosen = seeds[first : first + SHARD_SONGS]
        made = [lessons.encoded(tokenizer, seed, latents[seed]) for seed in chosen]
        write_shard(recipe.shards, first // SHARD_SONGS, made)
        (recipe.work / READY_FILE).touch()
    (recipe.work / DONE_FILE).touch()


def songs(recipe: Recipe) -> None:
    """Latents and codes of songs that the codec's stage didn't make, shard by shard until the minutes are over."""
    import torch  # noqa: PLC0415 - composer processes import this module

    from renderer.models.ace_step.mini.composer.farm import FULL_SCALE  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.encoder import load_encoder  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.sizes import MINI  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train import codec as lessons  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.shards import read_shard, write_shard  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.songs import played  # noqa: PLC0415 - see above

    began = time.monotonic()
    folder = open_set(recipe)
    encoder = load_encoder(folder, MINI).to(recipe.device)
    lessons.quicken_snakes(encoder)
    tokenizer = load_parts(folder, recipe.device)["audio_tokenizer"]
    behind = recipe.count(CODEC_SONGS, 2)
    made = {song.seed for path in recipe.shards.glob("9*.safetensors") for song in read_shard(path)}
    seeds = [seed for seed in range(behind, behind + recipe.count(MORE_SONGS, 2)) if seed not in made]
    shard = []
    number = 90_000 + len(list(recipe.shards.glob("9*.safetensors")))
    for seed, raw in played(seeds, folder=recipe.work / "raw", workers=max(1, recipe.workers - 4)):
        sound = torch.from_numpy(raw).to(recipe.device).float().T / FULL_SCALE
        shard.append(lessons.encoded(tokenizer, seed, lessons.encode_song(encoder, sound)))
        if len(shard) == min(SHARD_SONGS, len(seeds)):
            write_shard(recipe.shards, number, shard)
            shard, number = [], number + 1
        if time.monotonic() - began > 60 * recipe.minutes:
            break
    log.info("songs: %d shards", len(list(recipe.shards.glob("*.safetensors"))))


def dit(recipe: Recipe) -> None:
    """Text encoder, condition encoder and DiT."""
    from safetensors.torch import load_file  # noqa: PLC0415 - composer processes import this module

    from renderer.models.ace_step.mini.sizes import MINI  # noqa: PLC0415 - torch
    from renderer.models.ace_step.mini.train import dit as lessons  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.shards import ShardReader  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.tellings import told  # noqa: PLC0415 - see above

    quicken(seed=1)
    folder = open_set(recipe)
    parts = load_parts(folder, recipe.device)
    parts["condition_encoder"].silence_latent.copy_(load_file(recipe.work / SILENCE_FILE)["silence"])
    lessons.hear_one_timbre(parts["condition_encoder"])
    players = lessons.Players(
        text_encoder=parts["text_encoder"],
        condition_encoder=parts["condition_encoder"],
        audio_tokenizer=parts["audio_tokenizer"],
        detokenizer=parts["audio_token_detokenizer"],
        dit=parts["transformer"],
    )
    channels = MINI.latent_channels
    shelf, held_out = (
        lessons.Shelf(players, room_frames=recipe.count(full, 20_000), channels=channels)
        for full in (10_000_000, 500_000)
    )
    reader = ShardReader(recipe.shards, partial(told, folder / "tokenizer" / "tokenizer.json"), min(3, recipe.workers))
    for songs_told, kept_back in reader.first(PATIENCE_SECONDS):
        lessons.add_both(shelf, songs_told, held_out, kept_back)
    taught = lessons.FlowLessons(players=players, autocast=recipe.autocast)
    course = recipe.course("dit", players.taught, taught.loss, lessons.PACE, recipe.budget(20_000))
    lessons.train_dit(course, taught, shelf, held_out, reader, frames_a_batch=recipe.count(64_000, 1_500))
    reader.close()
    for name in ("text_encoder", "condition_encoder", "transformer"):
        save_part(parts[name], folder / name)


def lm(recipe: Recipe) -> None:
    """The LM."""
    import torch  # noqa: PLC0415 - see above
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - composer processes import this

    from renderer.models.ace_step.mini.sizes import MINI  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train import lm as subjects  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.shards import ShardReader  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.tellings import lessons  # noqa: PLC0415 - see above

    quicken(seed=2)
    folder = open_set(recipe) / "lm"
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).to(recipe.device)
    subjects.soften(model)
    first_code = AutoTokenizer.from_pretrained(folder, local_files_only=True).convert_tokens_to_ids("<|audio_code_0|>")
    taught, held_out = (subjects.Bench(model.device, first_code, MINI.num_codes) for _ in range(2))
    workers = max(1, min(4, recipe.workers))
    reader = ShardReader(recipe.shards, partial(lessons, folder / "tokenizer.json"), workers)
    for rows, kept_back in reader.first(PATIENCE_SECONDS):
        taught.add(rows)
        held_out.add(kept_back)
    told = subjects.TokenLessons(model=model, bench=taught, autocast=recipe.autocast)
    course = recipe.course("lm", [model], told.loss, subjects.PACE, recipe.budget(20_000))
    subjects.train_lm(course, told, held_out, reader, tokens_a_batch=recipe.count(65_536, 2_048))
    reader.close()
    save_part(model, folder)


def quicken(seed: int) -> None:
    """What makes training fast and repeatable enough; also lets the snakes' shapes compile, one each."""
    import torch  # noqa: PLC0415 - composer processes import this module

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch._dynamo.config.recompile_limit = 64  # noqa: SLF001 - torch's own documented switch
    torch.manual_seed(seed)


def load_parts(folder: Path, device: str) -> dict[str, Any]:
    """The set's parts by name, float32 on the device."""
    import torch  # noqa: PLC0415 - composer processes import this module
    from diffusers import AceStepPipeline  # noqa: PLC0415 - see above

    pipe = AceStepPipeline.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return dict(pipe.to(device).components)


def save_part(model: Any, folder: Path) -> None:
    """Write a trained part over its random one, as rendering maps it. Its last use.

    float16: half the bytes, widened again by any loader.
    """
    import torch  # noqa: PLC0415 - composer processes import this module

    from renderer.models.ace_step.mini.aligned import align_file  # noqa: PLC0415 - see above

    model.to("cpu", torch.float16).save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        align_file(path)
    index = folder / "config.json"
    config = json.loads(index.read_text("utf-8"))
    config.pop("_name_or_path", None)
    index.write_text(json.dumps(config, indent=2) + "\n", "utf-8")


STAGES: dict[str, Callable[[Recipe], None]] = {"codec": codec, "songs": songs, "dit": dit, "lm": lm}

if __name__ == "__main__":
    main()
