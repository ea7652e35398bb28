"""What ACE-Step's parts need of memory, from file headers, settings and lengths. No torch."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.facts import CODE_RATE, LATENT_RATE, SAMPLE_RATE, SAMPLES_PER_LATENT, VAE_REACH
from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.on_disk import STEM, all_four, encoder_component, place
from renderer.models.ace_step.checkpoints.stored import entries, stored_tensors
from renderer.models.ace_step.protocol.names import DIT, ENCODER, LM, VAE
from renderer.models.catalog import layouts
from renderer.models.memory import ITEM_SIZE, Need
from renderer.models.quantisation import QUANTISATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.models.ace_step.checkpoints.stored import Stored
    from renderer.models.device import Dtypes
    from renderer.models.family import Alternative
    from renderer.models.model_files import ModelFiles, Settings

PROMPT_TOKENS = 1_500  # caption, lyrics and think block of a long song
CFG_ROWS = 2
LOGIT_COPIES = 10  # float32 copies of a row's logits that sampling holds at most
MASK_ROWS = 512  # of the sliding window's mask that are made at once
MASK_BYTES = 17  # an int64 matrix, its absolute value and a bool, of those rows
ENCODER_SECONDS = 30  # of sound that is encoded at once
VAE_LAYERS_ALIVE = 8  # full-rate tensors at once; 2.3 GB at tiles of 512 in bfloat16 were measured


def need(part: str, files: ModelFiles, settings: Settings, seconds: float) -> Need:
    """What a part takes at a longest take of `seconds`.

    Raises: ModelError when the files can't be read.
    """
    own = settings.of(part)
    return _NEEDS[part](files, own, devices.dtypes(own.device, own.dtype), seconds)


def parameters(files: ModelFiles, part: str) -> Mapping[str, int]:
    """Component -> number of weights, read from file headers."""
    if part == LM:
        return {"lm": count(Path(files.lm), "model")} if files.lm else {}
    if part == VAE:
        return {"vae": count(Path(files.vae), layouts.DIFFUSERS_STEM)}
    if part == ENCODER:
        return {"vae": count(*place(files, encoder_component(files)))}
    if files.layout == layouts.ORIGINAL:
        text = count(Path(files.text_encoder), "model")
        stored, prefixes = all_four(files), layouts.ORIGINAL_PREFIXES.items()
        return {"text_encoder": text, **{name: _sizes(stored, prefix) for name, prefix in prefixes}}
    folder = Path(files.dit)
    found = {"text_encoder": count(Path(files.text_encoder) / "text_encoder", "model")}
    for component in layouts.ORIGINAL_PREFIXES:
        own = folder / layouts.DIFFUSERS_FOLDERS.get(component, component)
        if own.is_dir():
            found[component] = count(own, layouts.DIFFUSERS_STEM)
    return found


def num_parameters(folder: Path) -> int:
    """Weights of an LM or a VAE by its folder.

    Raises: ModelError when there are none, or one can't be read.
    """
    is_lm = layouts.read_json(folder / "config.json").get("model_type") == "qwen3"
    return count(folder, STEM if is_lm else layouts.DIFFUSERS_STEM)


def count(folder: Path, stem: str) -> int:
    """Weights of one component, from its files' headers.

    Raises: ModelError when there are none, or one can't be read.
    """
    return _sizes(stored_tensors(folder, stem), "")


def _sizes(tensors: Mapping[str, Stored], prefix: str) -> int:
    wanted = (stored for name, stored in tensors.items() if name.startswith(prefix))
    return sum(prod(entry.shape) for entry in entries(wanted).values())


def _lm_need(files: ModelFiles, settings: Settings, dtypes: Dtypes, seconds: float) -> Need:
    size = ITEM_SIZE[dtypes.lm]
    count, quantisation = sum(parameters(files, LM).values()), QUANTISATIONS.get(files.lm_quantization or "")
    weights = count * size if quantisation is None else int(quantisation.bytes_of(count, size))
    config = layouts.read_json(Path(files.lm or "") / "config.json")
    rows = settings.lm_slots * CFG_ROWS
    tokens = 1 << ceil(PROMPT_TOKENS + seconds * CODE_RATE).bit_length()
    cache = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * config["head_dim"] * tokens * rows * size
    head = config["vocab_size"] * config["hidden_size"] * size if devices.packs_lm(settings.device, dtypes.lm) else 0
    return Need(part=LM, weights=weights, work=cache + head + LOGIT_COPIES * 4 * rows * config["vocab_size"])


def _dit_need(files: ModelFiles, settings: Settings, dtypes: Dtypes, seconds: float) -> Need:
    by_component = {"dit": dtypes.dit, "text_encoder": dtypes.text_encoder}
    sizes = {
        name: count * ITEM_SIZE[by_component.get(name, dtypes.condition_encoder)]
        for name, count in parameters(files, DIT).items()
    }
    # The encoders make room for the DiT where both don't fit.
    weights = max(sizes["dit"], sum(sizes.values()) - sizes["dit"])
    folder = Path(files.dit)
    config = layouts.read_json(
        (folder / "transformer" if files.layout == layouts.DIFFUSERS else folder) / "config.json"
    )
    patches, size = seconds * LATENT_RATE / 2, ITEM_SIZE[dtypes.dit]
    rows = 1 if files.kind == "turbo" else CFG_ROWS
    activations = rows * patches * (8 * config["hidden_size"] + 3 * config["intermediate_size"]) * size
    # Metal's attention writes out the scores of all heads.
    scores = rows * config["num_attention_heads"] * patches**2 * 4 if settings.device == "mps" else 0
    plain = devices.kernels(settings.device, dtypes.dit) == "plain"
    mask = patches**2 * size + MASK_ROWS * patches * MASK_BYTES if plain else 0
    return Need(part=DIT, weights=weights, work=int(activations + scores + mask))


def _vae_need(files: ModelFiles, settings: Settings, dtypes: Dtypes, seconds: float) -> Need:
    size = ITEM_SIZE[dtypes.vae]
    config = layouts.read_json(Path(files.vae) / "config.json")
    tile = min(settings.vae_tile, seconds * LATENT_RATE)
    work = VAE_LAYERS_ALIVE * config["decoder_channels"] * tile * SAMPLES_PER_LATENT * size
    return Need(part=VAE, weights=sum(parameters(files, VAE).values()) * size, work=int(work))


def _encoder_need(files: ModelFiles, settings: Settings, dtypes: Dtypes, seconds: float) -> Need:  # noqa: ARG001 - always float32
    size = ITEM_SIZE["float32"]
    config = layouts.read_json(place(files, encoder_component(files))[0] / "config.json")
    sound = 2 * SAMPLE_RATE * seconds * size
    work = VAE_LAYERS_ALIVE * config["encoder_hidden_size"] * min(ENCODER_SECONDS, seconds) * SAMPLE_RATE * size
    return Need(part=ENCODER, weights=sum(parameters(files, ENCODER).values()) * size, work=int(work + 3 * sound))


_NEEDS: Mapping[str, Callable[[ModelFiles, Settings, Dtypes, float], Need]] = {
    LM: _lm_need,
    DIT: _dit_need,
    VAE: _vae_need,
    ENCODER: _encoder_need,
}


def smaller(part: str, files: ModelFiles, settings: Settings, seconds: float) -> Iterator[Alternative]:
    """Smaller ways to run a part, as told to the user, with their files, settings and longest take."""
    yield from _OWN_ALTERNATIVES[part](files, settings, seconds)
    if settings.dtype == "auto" and devices.dtypes(settings.device, "auto").dit == "float32":
        yield "--dtype bfloat16", files, replace(settings, dtype="bfloat16"), seconds


def _smaller_lm(files: ModelFiles, settings: Settings, seconds: float) -> Iterator[Alternative]:
    for slots in (8, 4, 2, 1):
        if slots < settings.lm_slots:
            yield f"--lm-slots {slots}", files, replace(settings, lm_slots=slots), seconds
    if settings.of(LM).device == devices.MLX and files.lm_quantization is None:
        yield "--lm-quantization 8bit", replace(files, lm_quantization="8bit"), settings, seconds


def _shorter_takes(files: ModelFiles, settings: Settings, seconds: float) -> Iterator[Alternative]:
    for shorter in (240.0, 120.0, 60.0, 30.0):
        if shorter < seconds:
            yield f"takes of {shorter:g} s", files, settings, shorter


def _smaller_tiles(files: ModelFiles, settings: Settings, seconds: float) -> Iterator[Alternative]:
    for tile in (256, 128, 64, 32):
        if tile < settings.vae_tile:
            smaller = replace(settings, vae_tile=tile, vae_overlap=VAE_REACH)
            yield f"--vae-tile {tile} --vae-overlap {VAE_REACH}", files, smaller, seconds


_OWN_ALTERNATIVES: Mapping[str, Callable[[ModelFiles, Settings, float], Iterator[Alternative]]] = {
    LM: _smaller_lm,
    DIT: _shorter_takes,
    VAE: _smaller_tiles,
    ENCODER: lambda _files, _settings, _seconds: iter(()),
}
