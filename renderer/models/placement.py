"""Where and in what parts would compute on a device, by what its probes gave: for those who tell of it. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.models import device as devices
from renderer.models.gpus import pick_devices
from renderer.models.model_files import Settings
from renderer.models.probes import verdict as verdicts
from renderer.models.probes.rules import lm_on_mlx, rules_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.models.model_files import PartSettings

LM, DIT, VAE = "lm", "dit", "vae"


def placed(device: str, dtype: str) -> Settings:
    """As a render on a device, picked or `mlx`, would run, as far as it was probed; nothing is tried now.

    Raises: UsageError, ResourceError for a dtype that can't be there, or where MLX is missing.
    """
    first = beside(device)
    rules = rules_of(verdicts.remembered(first), first, dtype)
    tile, overlap = rules.vae_tiles
    parts = rules.parts
    if device == devices.MLX:
        parts = with_lm(parts, *lm_on_mlx(verdicts.remembered(devices.MLX), dtype).parts)
    # Slots and threads are nothing to where and in what.
    return Settings(device=first, dtype=dtype, threads=1, lm_slots=1, vae_tile=tile, vae_overlap=overlap, parts=parts)


def pick_first(asked: str) -> str:
    """The first device that was asked for, as `placed` takes it.

    Raises: UsageError, ResourceError for one that isn't there.
    """
    return asked if asked == devices.MLX else pick_devices(asked).devices[0]


def beside(device: str) -> str:
    """The device of all parts but the LM.

    Raises: ResourceError where MLX is asked for and missing.
    """
    return devices.beside_mlx() if device == devices.MLX else device


def with_lm(parts: Sequence[PartSettings], lm: PartSettings) -> tuple[PartSettings, ...]:
    """The parts' settings, the LM's being this one: what a probe found of torch is nothing to MLX."""
    return (*(one for one in parts if one.part != LM), lm)


def dtype_of(part: str, settings: Settings) -> str:
    """What a part computes in."""
    own = settings.of(part)
    found = devices.dtypes(own.device, own.dtype)
    return {LM: found.lm, DIT: found.dit}.get(part, found.vae)


def words(settings: Settings) -> str:
    """`LM bfloat16 on mlx, DiT float32, conditions bfloat16, VAE float32 in tiles of 256 frames, 8 overlapping`."""
    of_dit = settings.of(DIT)
    conditions = devices.dtypes(of_dit.device, of_dit.dtype).condition_encoder
    told = {"LM": LM, "DiT": DIT, "VAE": VAE}
    found = {name: dtype_of(part, settings) + _elsewhere(part, settings) for name, part in told.items()}
    tiles = f"in tiles of {settings.vae_tile} frames, {settings.vae_overlap} overlapping"
    return f"LM {found['LM']}, DiT {found['DiT']}, conditions {conditions}, VAE {found['VAE']} {tiles}"


def _elsewhere(part: str, settings: Settings) -> str:
    own = settings.of(part).device
    return "" if own == settings.device else f" on {own.partition(':')[0]}"
