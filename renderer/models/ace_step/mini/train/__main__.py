"""Runs one stage of the training or all: `python -m renderer.models.ace_step.mini.train codec --work DIR --scale 0.02`.

Stages, each from files and to files below DIR: `codec` (VAE, silence, tokenizer pair), `songs` (latents and codes of
many songs), `dit` (text and condition encoders with the DiT), `lm`. `dit` and `lm` take in what `songs` is writing.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SILENCE_FILE = "silence.safetensors"
READY_FILE = "codec.ready"
"""Appears once the codec is whole and the first songs are encoded."""
SHARD_SONGS = 200
PATIENCE_SECONDS = 120.0
VOCABULARY_SONGS = 3_000
"""Whose words the tokenizers learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How much of everything; `--scale` shrinks counts and rounds alike."""

    work: Path
    device: str
    scale: float
    workers: int
    minutes: float

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


def main() -> None:
    """Read the command line, run the stages."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=[*STAGES, "all"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60.0, help="the longest a stage may train")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    recipe = Recipe(
        work=asked.work, device=asked.device, scale=asked.scale, workers=asked.workers, minutes=asked.minutes
    )
    for stage in STAGES if asked.stage == "all" else (asked.stage,):
        STAGES[stage](recipe)


def open_set(recipe: Recipe) -> Path:
    """The model set so far; a fresh random one when there is none."""
    from renderer.models.ace_step.mini.build import build_set  # noqa: PLC0415 - torch and more
    from renderer.models.ace_step.mini.composer.song import draw  # noqa: PLC0415 - see above

    if not (recipe.folder / "model_index.json").exists():
        pieces = [draw(seed) for seed in range(VOCABULARY_SONGS)]
        texts = [text for piece in pieces for text in (piece.caption, piece.retold, piece.lyrics)]
        build_set(recipe.folder, "mini", texts=texts)
    return recipe.folder


def codec(recipe: Recipe) -> None:
    """VAE, its normalisation, the encoding of silence, the tokenizer pair."""
    import torch  # noqa: PLC0415 - composer processes import this module
    from safetensors.torch import save_file  # noqa: PLC0415 - see above

    from renderer.models.ace_step.mini import encoder as encoders  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.sizes import MINI, SILENCE_FRAMES  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train import codec as lessons  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.schedule import Budget  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.shards import write_shard  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.songs import SongPool  # noqa: PLC0415 - see above

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    seeds = range(recipe.count(5_000, 6))
    reading = recipe.count(1_200, 6)
    pool = SongPool(seeds, device=recipe.device, folder=recipe.work / "raw", workers=recipe.workers)
    folder = open_set(recipe)
    torch.manual_seed(0)
    parts = load_parts(folder, recipe.device)
    encoder = encoders.open_encoder(folder, MINI).to(recipe.device)
    decoder = parts["vae"].decoder
    pool.wait(200)
    lessons.quicken_snakes(encoder, decoder)
    rounds = recipe.rounds(14_000)
    lessons.train_vae(
        encoder, decoder, pool, rounds=rounds, seconds=60 * recipe.minutes * 0.8, batch=recipe.count(24, 2)
    )
    lessons.normalise(encoder, decoder, pool, num_crops=recipe.count(256, 8))
    save_part(parts["vae"], folder / "vae")
    encoders.save_encoder(encoder, folder)
    pool.wait(pool.total)
    torch.backends.cudnn.benchmark = False
    latents = lessons.encode_songs(encoder, pool, range(min(reading, pool.total)))
    save_file({"silence": lessons.silence(encoder, SILENCE_FRAMES).cpu()}, recipe.work / SILENCE_FILE)
    pair = (parts["audio_tokenizer"], parts["audio_token_detokenizer"])
    lessons.train_pair(
        *pair,
        latents,
        budget=Budget(rounds=recipe.rounds(8_000), seconds=60 * recipe.minutes * 0.2),
        batch=recipe.count(4_096, 64),
        autocast=recipe.device != "cpu",
    )
    for first in range(0, pool.total, SHARD_SONGS):
        chosen = range(first, min(first + SHARD_SONGS, pool.total))
        write_shard(recipe.work / "shards", first // SHARD_SONGS, lessons.encoded(encoder, pair[0], pool, chosen))
        if first == 0:
            for name in ("audio_tokenizer", "audio_token_detokenizer"):
                save_part(copy.deepcopy(parts[name]), folder / name)
            (recipe.work / READY_FILE).touch()


def songs(recipe: Recipe) -> None:
    """Latents and codes of many songs, in shards."""
    import torch  # noqa: PLC0415 - composer processes import this module

    from renderer.models.ace_step.mini.composer.farm import FULL_SCALE  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.encoder import load_encoder  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.sizes import MINI  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train import codec as lessons  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.shards import Encoded, write_shard  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.songs import played  # noqa: PLC0415 - see above

    folder = open_set(recipe)
    encoder = load_encoder(folder, MINI).to(recipe.device)
    lessons.quicken_snakes(encoder)
    tokenizer = load_parts(folder, recipe.device)["audio_tokenizer"]
    seeds = range(recipe.count(24_000, 8))
    shard: list[Encoded] = []
    number = 0
    for seed, raw in played(seeds, folder=recipe.work / "raw", workers=recipe.workers):
        sound = torch.from_numpy(raw).to(recipe.device).float().T / FULL_SCALE
        latents = lessons.encode_song(encoder, sound)
        codes = lessons.tokenise_song(tokenizer, latents)
        shard.append(Encoded(seed=seed, latents=latents[: 5 * len(codes)].cpu(), codes=codes.cpu()))
        if len(shard) == min(200, len(seeds)):
            write_shard(recipe.work / "shards", number, shard)
            shard, number = [], number + 1


def dit(recipe: Recipe) -> None:
    """Text encoder, condition encoder and DiT."""
    import torch  # noqa: PLC0415 - composer processes import this module
    from safetensors.torch import load_file  # noqa: PLC0415 - see above

    from renderer.models.ace_step.mini.sizes import MINI  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train import dit as lessons  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.schedule import Budget  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.shards import ShardReader  # noqa: PLC0415 - see above

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    folder = open_set(recipe)
    parts = load_parts(folder, recipe.device)
    parts["condition_encoder"].silence_latent.copy_(load_file(recipe.work / SILENCE_FILE)["silence"])
    players = lessons.Players(
        tokenizer=parts["tokenizer"],
        text_encoder=parts["text_encoder"],
        condition_encoder=parts["condition_encoder"],
        audio_tokenizer=parts["audio_tokenizer"],
        detokenizer=parts["audio_token_detokenizer"],
        dit=parts["transformer"],
    )
    reader = ShardReader(recipe.work / "shards")
    room = recipe.count(8_000 * 1_000, 20_000)
    shelf = lessons.Shelf(players, room_frames=room, channels=MINI.latent_channels)
    for song in reader.first_songs(PATIENCE_SECONDS):
        shelf.add(song)
    budget = Budget(rounds=recipe.rounds(20_000), seconds=60 * recipe.minutes)
    lessons.train_dit(players, shelf, reader, budget=budget, frames_a_batch=recipe.count(64_000, 1_500))
    for name in ("text_encoder", "condition_encoder", "transformer"):
        save_part(parts[name], folder / name)


def lm(recipe: Recipe) -> None:
    """The LM."""
    import torch  # noqa: PLC0415 - composer processes import this module
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - see above

    from renderer.models.ace_step.mini.train import lm as lessons  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.schedule import Budget  # noqa: PLC0415 - see above
    from renderer.models.ace_step.mini.train.shards import ShardReader  # noqa: PLC0415 - see above

    torch.backends.cuda.matmul.allow_tf32 = True
    folder = open_set(recipe) / "lm"
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).to(recipe.device)
    lessons.soften(model)
    book = lessons.Lessons(AutoTokenizer.from_pretrained(folder, local_files_only=True))
    reader = ShardReader(recipe.work / "shards")
    for song in reader.first_songs(PATIENCE_SECONDS):
        book.add(song)
    budget = Budget(rounds=recipe.rounds(20_000), seconds=60 * recipe.minutes)
    lessons.train_lm(model, book, reader, budget=budget, tokens_a_batch=recipe.count(65_536, 2_048))
    save_part(model, folder)


def load_parts(folder: Path, device: str) -> dict[str, Any]:
    """The set's parts by name, float32 on the device."""
    import torch  # noqa: PLC0415 - composer processes import this module
    from diffusers import AceStepPipeline  # noqa: PLC0415 - see above

    pipe = AceStepPipeline.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return dict(pipe.to(device).components)


def save_part(model: Any, folder: Path) -> None:
    """Write a trained part over its random one, float16: half the bytes, widened again by any loader. Its last use."""
    import torch  # noqa: PLC0415 - composer processes import this module

    model.to("cpu", torch.float16).save_pretrained(folder)
    index = folder / "config.json"
    config = json.loads(index.read_text("utf-8"))
    config.pop("_name_or_path", None)
    index.write_text(json.dumps(config, indent=2) + "\n", "utf-8")


STAGES: dict[str, Callable[[Recipe], None]] = {"codec": codec, "songs": songs, "dit": dit, "lm": lm}

if __name__ == "__main__":
    main()
