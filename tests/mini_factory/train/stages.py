"""The stages of the training: each reads and writes files below the recipe's folder."""

from __future__ import annotations

import copy
import json
import logging
import shutil
import time
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AceStepPipeline
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from renderer.facts import SAMPLE_RATE, SILENCE_FRAMES
from tests.mini_factory import encoder as encoders
from tests.mini_factory.aligned import align_file
from tests.mini_factory.composer.farm import FULL_SCALE
from tests.mini_factory.composer.kin import KIN, write_kin
from tests.mini_factory.composer.kin import kin as kin_of
from tests.mini_factory.composer.song import draw
from tests.mini_factory.sizes import MINI
from tests.mini_factory.train import codec as sound_lessons
from tests.mini_factory.train import dit as flow_lessons
from tests.mini_factory.train import edits as edit_lessons
from tests.mini_factory.train import lm as token_lessons
from tests.mini_factory.train.recipe import DONE_FILE, READY_FILE, SILENCE_FILE, VAE_FILE, open_set
from tests.mini_factory.train.shards import ShardReader, is_held_out, read_shard, write_shard
from tests.mini_factory.train.songs import SongPool, played
from tests.mini_factory.train.tellings import lessons, told, told_kin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tests.mini_factory.train.recipe import Recipe

log = logging.getLogger(__name__)

SHARD_SONGS = 100
CODEC_SONGS = 1_600
MORE_SONGS = 14_000
FIRST_MORE_SHARD = 90_000
FIRST_SONGS = 400
"""There before the VAE's clock starts."""
PAIR_SONGS = 1_000
"""Whose latents teach the tokenizer pair."""
VAE_SHARE, PAIR_SHARE = 0.8, 0.08
"""Of the codec's minutes; the pair's second lessons have the rest."""
LM_SHARDS = 40
"""There before the LM begins: from a few hundred songs it learns those by heart, and no more songs make up for it."""
LM_ROUNDS = 6_000
"""More than its minutes hold on one GPU that the DiT uses too."""
MOST_KIN, HELD_OUT_KIN = 6_000, 32
FIRST_KIN = 1_010_000
UNSURE = {"ballad", "latin trap", "lo-fi", "reggaeton", "rock"}
"""Styles whose beat comes out weak."""
OTHERS_EVERY = 3
"""Of kin whose song is of another style, one in so many is taught."""
KIN_AHEAD = 60
"""One is 30 MB of sound."""
SHARD_KIN = 16
FIRST_KIN_SHARDS = 6
"""There before the second lessons begin."""
WRITTEN_SECONDS = 60.0
TAUGHT_VAE = "vae"
PATIENCE_SECONDS = 300.0


def codec(recipe: Recipe) -> None:
    """VAE, the encoding of silence, the tokenizer pair, the first shards; a VAE taught before is taken as it is."""
    quicken(seed=0)
    seeds = range(recipe.count(CODEC_SONGS, 2))
    pool = SongPool(seeds, device=recipe.device, folder=recipe.work / "raw", workers=recipe.workers)
    folder = open_set(recipe)
    if recipe.vae is not None:
        shutil.copytree(recipe.vae / TAUGHT_VAE, folder / TAUGHT_VAE, dirs_exist_ok=True)
    elif not (recipe.work / VAE_FILE).exists():
        teach_vae(recipe, pool)
        # From here on a stopped stage goes on with these latents: turned once more they would be others.
        (recipe.work / VAE_FILE).touch()
    parts = load_parts(folder, recipe.device)
    encoder, decoder = encoders.load_encoder(folder, MINI).to(recipe.device), parts["vae"].decoder
    quicken_modules(recipe, encoder, decoder)
    torch.backends.cudnn.benchmark = False  # whole songs differ in length
    save_silence(recipe, sound_lessons.silence(encoder, SILENCE_FRAMES))
    pair = (parts["audio_tokenizer"], parts["audio_token_detokenizer"])
    first = recipe.count(PAIR_SONGS, 2)
    pool.wait(first)
    latents = {pool.seeds[index]: sound_lessons.encode_song(encoder, pool.song(index)) for index in range(first)}
    ear = sound_lessons.fit_ear(
        (latents[seed], pool.song(index)) for index, seed in enumerate(pool.seeds[:first]) if not is_held_out(seed)
    )
    teach_pair(recipe, pair, decoder, latents, ear)
    pool.wait(pool.total)
    rest = ((pool.seeds[index], pool.song(index)) for index in range(first, pool.total))
    others = ((seed, sound_lessons.encode_song(encoder, sound)) for seed, sound in rest)
    write_songs(recipe, pair[0], chain(latents.items(), others))


def teach_vae(recipe: Recipe, pool: Any) -> None:
    """Encoder and decoder, their latents turned to what is heard, written."""
    vae = load_parts(recipe.folder, recipe.device)["vae"]
    encoder, decoder = encoders.open_encoder(recipe.folder, MINI).to(recipe.device), vae.decoder
    batch = recipe.count(16, 2)
    pool.wait(recipe.count(FIRST_SONGS, 2))
    quicken_modules(recipe, encoder, decoder)
    sound_lessons.sing_in_float32(decoder)
    taught = sound_lessons.VaeLessons(
        encoder=encoder, decoder=decoder, spectra=sound_lessons.Spectra(recipe.device), autocast=recipe.autocast
    )
    budget = recipe.budget(20_000, VAE_SHARE)
    course = recipe.course("vae", [encoder, decoder], taught.loss, sound_lessons.VAE_PACE, budget)
    sound_lessons.train_vae(course, taught, pool, batch=batch)
    sound_lessons.fold(encoder, decoder, taught.spectra, pool, num_crops=recipe.count(256, 2))
    save_part(vae, recipe.folder / "vae")
    encoders.save_encoder(encoder, recipe.folder, MINI)


def teach_pair(recipe: Recipe, pair: tuple[Any, Any], decoder: Any, latents: dict[int, Any], ear: Any) -> None:
    """Tokenizer and detokenizer on these latents by seed, written; the codec is whole then."""
    taught = sound_lessons.PairLessons(tokenizer=pair[0], detokenizer=pair[1], ear=ear, autocast=recipe.autocast)
    budget = recipe.budget(10_000, PAIR_SHARE)
    course = recipe.course("pair", pair, taught.loss, sound_lessons.PAIR_PACE, budget)
    sound_lessons.train_pair(course, taught.loss, latents, batch=recipe.count(512, 8))
    sound_lessons.sing_in_float32(decoder.requires_grad_(False))
    heard = sound_lessons.EarLessons(pair=taught, decoder=decoder, spectra=sound_lessons.Spectra(recipe.device))
    budget = recipe.budget(5_000, 1 - VAE_SHARE - PAIR_SHARE)
    course = recipe.course("ear", pair, heard.loss, sound_lessons.EAR_PACE, budget)
    sound_lessons.train_pair(course, heard.loss, latents, batch=recipe.count(32, 2))
    for name, part in zip(("audio_tokenizer", "audio_token_detokenizer"), pair, strict=True):
        save_part(copy.deepcopy(part), recipe.folder / name)


def save_silence(recipe: Recipe, silence: Any) -> None:
    """Where the DiT's stage finds it."""
    save_file({"silence": silence.cpu()}, recipe.work / SILENCE_FILE)


def write_songs(recipe: Recipe, tokenizer: Any, latents: Iterable[tuple[int, Any]]) -> None:
    """Encoded songs as shards; the first one lets the other stages begin."""
    songs = iter(latents)
    number = 0
    while chosen := list(islice(songs, SHARD_SONGS)):
        made = [sound_lessons.encoded(tokenizer, seed, frames) for seed, frames in chosen]
        write_shard(recipe.shards, number, made)
        number += 1
        (recipe.work / READY_FILE).touch()
    (recipe.work / DONE_FILE).touch()


def songs(recipe: Recipe) -> None:
    """Latents and codes of songs that the codec's stage didn't make, shard by shard until the minutes are over."""
    began = time.monotonic()
    quicken(seed=3)
    torch.backends.cudnn.benchmark = False  # whole songs differ in length
    folder = open_set(recipe)
    encoder = encoders.load_encoder(folder, MINI).to(recipe.device)
    quicken_modules(recipe, encoder)
    tokenizer = load_parts(folder, recipe.device)["audio_tokenizer"]
    behind = recipe.count(CODEC_SONGS, 2)
    made = {song.seed for path in recipe.shards.glob("9*.safetensors") for song in read_shard(path)}
    seeds = [seed for seed in range(behind, behind + recipe.count(MORE_SONGS, 2)) if seed not in made]
    shard = []
    number = FIRST_MORE_SHARD + len(list(recipe.shards.glob("9*.safetensors")))
    for seed, raw in played(seeds, folder=recipe.work / "raw", workers=max(1, recipe.workers - 4)):
        sound = torch.from_numpy(raw).to(recipe.device).float().T / FULL_SCALE
        shard.append(sound_lessons.encoded(tokenizer, seed, sound_lessons.encode_song(encoder, sound)))
        if len(shard) == min(SHARD_SONGS, len(seeds)):
            write_shard(recipe.shards, number, shard)
            shard, number = [], number + 1
        if time.monotonic() - began > 60 * recipe.minutes:
            break
    log.info("songs: %d shards", len(list(recipe.shards.glob("*.safetensors"))))


def dit(recipe: Recipe) -> None:
    """Text encoder, condition encoder and DiT."""
    quicken(seed=1)
    folder = open_set(recipe)
    parts = load_parts(folder, recipe.device)
    parts["condition_encoder"].silence_latent.copy_(load_file(recipe.work / SILENCE_FILE)["silence"])
    flow_lessons.hear_timbres_apart(parts["condition_encoder"])
    players = players_of(parts)
    channels = MINI.latent_channels
    shelf, held_out = (
        flow_lessons.Shelf(players, room_frames=recipe.count(full, 20_000), channels=channels)
        for full in (30_000_000, 500_000)
    )
    reader = ShardReader(recipe.shards, partial(told, folder / "tokenizer" / "tokenizer.json"), min(3, recipe.workers))
    for songs_told, kept_back in reader.first(PATIENCE_SECONDS):
        flow_lessons.add_both(shelf, songs_told, held_out, kept_back)
    taught = flow_lessons.FlowLessons(players=players, autocast=recipe.autocast)
    course = recipe.course("dit", players.taught, taught.loss, flow_lessons.PACE, recipe.budget(40_000))
    flow_lessons.train_dit(course, taught, shelf, held_out, reader, frames_a_batch=recipe.count(24_000, 1_500))
    reader.close()
    save_players(parts, folder)


def kin(recipe: Recipe) -> None:
    """Latents and codes of kin, shard by shard until the minutes are over; the first ones are held out."""
    began = time.monotonic()
    quicken(seed=4)
    torch.backends.cudnn.benchmark = False  # whole songs differ in length
    encoder = encoders.load_encoder(recipe.folder, MINI).to(recipe.device)
    quicken_modules(recipe, encoder)
    tokenizer = load_parts(recipe.folder, recipe.device)["audio_tokenizer"]
    seeds = [seed for seed in range(FIRST_KIN, FIRST_KIN + recipe.count(MOST_KIN, 4)) if is_taught(seed)]
    held_out = [seed for seed in seeds if is_held_out(seed)][: recipe.count(HELD_OUT_KIN, 1)]
    order = [*held_out, *(seed for seed in seeds if not is_held_out(seed))]
    size = recipe.count(SHARD_KIN, 1)
    shard: list[Any] = []
    for seed, raw in played(
        order, folder=recipe.work / "raw", workers=recipe.workers, write=write_kin, ahead=KIN_AHEAD
    ):
        sound = torch.from_numpy(raw).to(recipe.device).float().T / FULL_SCALE
        lengths = [piece.duration * SAMPLE_RATE for piece in kin_of(seed).pieces]
        for place, song in enumerate(torch.split(sound, lengths, dim=1)):
            latents = sound_lessons.encode_song(encoder, song.contiguous())
            shard.append(sound_lessons.encoded(tokenizer, KIN * seed + place, latents))
        if len(shard) == KIN * size:
            number = len(list(recipe.kin_shards.glob("*.safetensors")))
            write_shard(recipe.kin_shards, number, shard)
            shard = []
        if time.monotonic() - began > 60 * recipe.minutes:
            break
    log.info("kin: %d shards of %d", len(list(recipe.kin_shards.glob("*.safetensors"))), size)


def is_taught(seed: int) -> bool:
    """Whether that kin is for learning or for the exam: unsure styles have more to learn from."""
    return is_held_out(seed) or seed % OTHERS_EVERY == 0 or draw(seed).style in UNSURE


def edits(recipe: Recipe) -> None:
    """Text encoder, condition encoder and DiT once more, on kin; the set is written on the way too."""
    quicken(seed=5)
    parts = load_parts(recipe.folder, recipe.device)
    flow_lessons.hear_timbres_apart(parts["condition_encoder"])
    players = players_of(parts)
    silence = parts["condition_encoder"].silence_latent.float()
    shelf, held_out = (
        edit_lessons.KinShelf(
            flow_lessons.Shelf(
                players, room_frames=recipe.count(full, 40_000), channels=MINI.latent_channels, together=KIN
            ),
            silence,
        )
        for full in (30_000_000, 1_000_000)
    )
    tokenizer = recipe.folder / "tokenizer" / "tokenizer.json"
    reader = ShardReader(recipe.kin_shards, partial(told_kin, tokenizer), min(3, recipe.workers))
    for songs_told, kept_back in reader.first(PATIENCE_SECONDS, recipe.count(FIRST_KIN_SHARDS, 2)):
        flow_lessons.add_both(shelf, songs_told, held_out, kept_back)
    log.info("edits: %d kin to begin with, %d held out", len(shelf), len(held_out))
    taught = edit_lessons.EditLessons(players=players, autocast=recipe.autocast)
    course = recipe.course("edits", players.taught, taught.loss, edit_lessons.PACE, recipe.budget(40_000))
    examined = edit_lessons.edit_exam(taught, held_out if len(held_out) else shelf, recipe.count(200, 25))
    written = time.monotonic()

    def exam() -> torch.Tensor:
        """Tells, and keeps what is learnt so far: a machine may be taken away."""
        nonlocal written
        loss = examined()
        if time.monotonic() - written > WRITTEN_SECONDS:
            save_players(parts, recipe.folder)
            written = time.monotonic()
        return loss

    rng = np.random.default_rng(course.done)
    frames_a_batch = recipe.count(24_000, 1_500)

    def batch() -> tuple[torch.Tensor, ...]:
        if course.done % flow_lessons.LOOK_EVERY == 0:
            for songs_told, kept_back in reader.ready():
                flow_lessons.add_both(shelf, songs_told, held_out, kept_back)
        lengths = [length for length in flow_lessons.LENGTHS if length in shelf.fitting]
        num_frames = int(rng.choice(lengths))
        return shelf.rows(num_frames, max(len(edit_lessons.SHARES), frames_a_batch // num_frames)).tensors

    course.run("edits", batch, exam, every=edit_lessons.REPORT_EVERY)
    log.info("edits: %d kin in the end", len(shelf))
    reader.close()
    save_players(parts, recipe.folder)


def players_of(parts: Mapping[str, Any]) -> flow_lessons.Players:
    """Those of a set's parts that the DiT is taught with."""
    return flow_lessons.Players(
        text_encoder=parts["text_encoder"],
        condition_encoder=parts["condition_encoder"],
        audio_tokenizer=parts["audio_tokenizer"],
        detokenizer=parts["audio_token_detokenizer"],
        dit=parts["transformer"],
    )


def save_players(parts: Mapping[str, Any], folder: Path) -> None:
    """Copies of what the DiT's stages teach, written."""
    for name in ("text_encoder", "condition_encoder", "transformer"):
        save_part(copy.deepcopy(parts[name]), folder / name)


def lm(recipe: Recipe) -> None:
    """The LM."""
    quicken(seed=2)
    folder = open_set(recipe) / "lm"
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).to(recipe.device)
    token_lessons.soften(model)
    first_code = AutoTokenizer.from_pretrained(folder, local_files_only=True).convert_tokens_to_ids("<|audio_code_0|>")
    taught, held_out = (token_lessons.Bench(model.device, first_code, MINI.num_codes) for _ in range(2))
    workers = max(1, min(4, recipe.workers))
    reader = ShardReader(recipe.shards, partial(lessons, folder / "tokenizer.json"), workers)
    for rows, kept_back in reader.first(PATIENCE_SECONDS, recipe.count(LM_SHARDS, 1)):
        taught.add(rows)
        held_out.add(kept_back)
    told = token_lessons.TokenLessons(model=model, bench=taught, autocast=recipe.autocast)
    course = recipe.course("lm", [model], told.loss, token_lessons.PACE, recipe.budget(LM_ROUNDS))
    token_lessons.train_lm(course, told, held_out, reader, tokens_a_batch=recipe.count(32_768, 2_048))
    reader.close()
    save_part(model, folder)


def quicken(seed: int) -> None:
    """What makes training fast and repeatable enough; also lets the snakes' shapes compile, one each."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch._dynamo.config.recompile_limit = 64
    torch.manual_seed(seed)


def quicken_modules(recipe: Recipe, *modules: Any) -> None:
    """The codec's modules in the form that this device is fastest with."""
    sound_lessons.quicken_snakes(*modules)
    if recipe.device != "cpu":
        sound_lessons.quicken_convolutions(*modules)


def load_parts(folder: Path, device: str) -> dict[str, Any]:
    """The set's parts by name, float32 on the device."""
    pipe = AceStepPipeline.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return dict(pipe.to(device).components)


def save_part(model: Any, folder: Path) -> None:
    """Write a trained part over its random one, as rendering maps it. Its last use.

    float16: half the bytes, widened again by any loader.
    """
    model.to("cpu", torch.float16).save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        align_file(path)
    index = folder / "config.json"
    config = json.loads(index.read_text("utf-8"))
    config.pop("_name_or_path", None)
    index.write_text(json.dumps(config, indent=2) + "\n", "utf-8")


STAGES: Mapping[str, Callable[[Recipe], None]] = {
    "codec": codec,
    "songs": songs,
    "dit": dit,
    "lm": lm,
    "kin": kin,
    "edits": edits,
}
