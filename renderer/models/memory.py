"""What a run needs of memory and what would fit where it doesn't: from file headers, settings and lengths. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from renderer.errors import ResourceError
from renderer.facts import CODE_RATE, LATENT_RATE, SAMPLES_PER_LATENT, VAE_REACH
from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.on_disk import all_four
from renderer.models.ace_step.checkpoints.stored import entries, stored_tensors
from renderer.models.ace_step.stages import Part
from renderer.models.catalog import layouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.models.ace_step.checkpoints.stored import Stored
    from renderer.models.device import Dtypes
    from renderer.models.family import ModelFiles, Settings

ITEM_SIZE = {"float32": 4, "bfloat16": 2, "float16": 2}
GB = 1e9
PROCESS_BYTES = 700_000_000  # torch with its libraries, before any weight
PROMPT_TOKENS = 1_500  # caption, lyrics and think block of a long song
CFG_ROWS = 2
LOGIT_COPIES = 10  # float32 copies of a row's logits that sampling holds at most
MASK_ROWS = 512  # of the sliding window's mask that are made at once
MASK_BYTES = 17  # an int64 matrix, its absolute value and a bool, of those rows
VAE_LAYERS_ALIVE = 8  # full-rate tensors at once; 2.3 GB at tiles of 512 in bfloat16 were measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Bytes that one part takes while it runs."""

    part: str
    weights: int
    work: int
    """Cache, activations and masks, at the longest take."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.work


def need(part: str, files: ModelFiles, settings: Settings, seconds: float) -> Need:
    """What a part takes at a longest take of `seconds`.

    Raises: ModelError when the files can't be read.
    """
    dtypes = devices.dtypes(settings.device, settings.dtype)
    return _NEEDS[part](files, settings, dtypes, seconds)


def available(device: str) -> int:
    """Bytes that weights and work may take on a device now."""
    if device.startswith("cuda"):
        return devices.free_cuda_bytes(int(device.partition(":")[2]))
    free = min(psutil.virtual_memory().available, _free_in_container()) - PROCESS_BYTES
    # Metal lets a process wire about three quarters of unified memory.
    return min(free, int(psutil.virtual_memory().total * 0.75)) if device == "mps" else free


def refuse_if_too_large(part: str, files: ModelFiles, settings: Settings, seconds: float, *, free: int) -> None:
    """Check a part against the bytes that are free.

    Raises: ResourceError when it doesn't fit, saying what would.
    """
    wanted = need(part, files, settings, seconds)
    if wanted.total <= free:
        return
    fitting = [
        told
        for told, other, length in _alternatives(part, settings, seconds)
        if need(part, files, other, length).total <= free
    ]
    raise ResourceError(
        f"the {part.upper()} part of `{files.name}` doesn't fit into memory",
        why=(
            f"it needs {wanted.weights / GB:.1f} GB for weights and {wanted.work / GB:.1f} GB to work "
            f"({seconds:g} s takes), {max(free, 0) / GB:.1f} GB are free on {settings.device}"
        ),
        help=f"what would fit: {', or '.join(fitting)}" if fitting else _SMALLER[part],
    )


def parameters(files: ModelFiles, part: str) -> Mapping[str, int]:
    """Component -> number of weights, read from file headers."""
    if part == Part.LM:
        return {"lm": count(Path(files.lm), "model")} if files.lm else {}
    if part == Part.VAE:
        return {"vae": count(Path(files.vae), layouts.DIFFUSERS_STEM)}
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
    weights = sum(parameters(files, Part.LM).values()) * size
    config = layouts.read_json(Path(files.lm or "") / "config.json")
    rows = settings.lm_slots * CFG_ROWS
    tokens = 1 << ceil(PROMPT_TOKENS + seconds * CODE_RATE).bit_length()
    cache = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * config["head_dim"] * tokens * rows * size
    return Need(part=Part.LM, weights=weights, work=cache + LOGIT_COPIES * 4 * rows * config["vocab_size"])


def _dit_need(files: ModelFiles, settings: Settings, dtypes: Dtypes, seconds: float) -> Need:
    by_component = {"dit": dtypes.dit, "text_encoder": dtypes.text_encoder}
    sizes = {
        name: count * ITEM_SIZE[by_component.get(name, dtypes.condition_encoder)]
        for name, count in parameters(files, Part.DIT).items()
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
    return Need(part=Part.DIT, weights=weights, work=int(activations + scores + mask))


def _vae_need(files: ModelFiles, settings: Settings, dtypes: Dtypes, seconds: float) -> Need:
    size = ITEM_SIZE[dtypes.vae]
    config = layouts.read_json(Path(files.vae) / "config.json")
    tile = min(settings.vae_tile, seconds * LATENT_RATE)
    work = VAE_LAYERS_ALIVE * config["decoder_channels"] * tile * SAMPLES_PER_LATENT * size
    return Need(part=Part.VAE, weights=sum(parameters(files, Part.VAE).values()) * size, work=int(work))


_NEEDS: Mapping[str, Callable[[ModelFiles, Settings, Dtypes, float], Need]] = {
    Part.LM: _lm_need,
    Part.DIT: _dit_need,
    Part.VAE: _vae_need,
}
_SMALLER: Mapping[str, str] = {
    Part.LM: "take a smaller LM (--lm 0.6B), or close other programs",
    Part.DIT: "take a smaller model set (2B instead of XL), or close other programs",
    Part.VAE: "close other programs",
}


Alternative = tuple[str, "Settings", float]
"""A smaller way to run a part, as told to the user, with its settings and longest take."""


def _alternatives(part: str, settings: Settings, seconds: float) -> Iterator[Alternative]:
    yield from _OWN_ALTERNATIVES[part](settings, seconds)
    if settings.dtype == "auto" and devices.dtypes(settings.device, "auto").dit == "float32":
        yield "--dtype bfloat16", replace(settings, dtype="bfloat16"), seconds


def _fewer_slots(settings: Settings, seconds: float) -> Iterator[Alternative]:
    for slots in (8, 4, 2, 1):
        if slots < settings.lm_slots:
            yield f"--lm-slots {slots}", replace(settings, lm_slots=slots), seconds


def _shorter_takes(settings: Settings, seconds: float) -> Iterator[Alternative]:
    for shorter in (240.0, 120.0, 60.0, 30.0):
        if shorter < seconds:
            yield f"takes of {shorter:g} s", settings, shorter


def _smaller_tiles(settings: Settings, seconds: float) -> Iterator[Alternative]:
    for tile in (256, 128, 64, 32):
        if tile < settings.vae_tile:
            smaller = replace(settings, vae_tile=tile, vae_overlap=VAE_REACH)
            yield f"--vae-tile {tile} --vae-overlap {VAE_REACH}", smaller, seconds


_OWN_ALTERNATIVES: Mapping[str, Callable[[Settings, float], Iterator[Alternative]]] = {
    Part.LM: _fewer_slots,
    Part.DIT: _shorter_takes,
    Part.VAE: _smaller_tiles,
}


def _free_in_container() -> int:
    """What a Linux control group still grants; all there is elsewhere."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        reclaimable = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except OSError:
        return psutil.virtual_memory().total
    if limit == "max":
        return psutil.virtual_memory().total
    return int(limit) - int(used) + int(reclaimable.get("inactive_file", 0)) + int(reclaimable.get("active_file", 0))
