"""Options -> settings of this machine; variants -> planned models, each looked up once; what refuses to render."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psutil

from renderer.errors import ModelError, UnfitFiles, UsageError
from renderer.facts import VAE_REACH
from renderer.models import device as devices
from renderer.models.family import family_of
from renderer.models.gpus import driver_version, pick_devices
from renderer.models.model_files import Settings
from renderer.models.placement import beside, with_lm
from renderer.models.probes.first_use import device_rules, mlx_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.models.model_files import PlannedModel
    from renderer.pipeline.options import Options
    from renderer.plan.jobs import Plan
    from renderer.song import Variant

LM_SLOTS: Mapping[str, int] = {"cuda": 16, "mps": 4, "cpu": 4}
"""Songs the LM decodes at once, by device kind; in the key, so never taken from free memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """What carries a run out."""

    settings: tuple[Settings, ...]
    """A worker for each; they differ in nothing but their devices, and the first one's is planned for."""
    remarks: tuple[str, ...] = ()
    """What the user is told of devices that were left out."""
    gpus: tuple[str, ...] = ()
    """Names of their GPUs, each once."""
    drivers: tuple[str, ...] = ()
    """Versions of their GPUs' driver: one, unless they are on several machines."""
    choices: tuple[str, ...] = ()
    """What of this machine takes from before are made again for."""


def pick_settings(options: Options) -> Settings:
    """As `pick_workers`, the first one's."""
    return pick_workers(options).settings[0]


def pick_workers(options: Options) -> Workers:
    """How this run computes, for the devices asked or found.

    Raises: UsageError, ResourceError for a device or dtype that can't be.
    """
    asked = options.device or "auto"
    picked = pick_devices(beside(asked), workers=options.workers, mixed=options.mixed)
    first, *_ = picked.devices
    found = device_rules(first, options.dtype)
    if asked == devices.MLX:
        own = mlx_rules(options.dtype)
        found = replace(found, parts=with_lm(found.parts, *own.parts), remarks=(*found.remarks, *own.remarks))
    tile, overlap = _tiles(options, *found.vae_tiles)
    # On a CPU they share its cores; what waits for a GPU takes few.
    sharing = len(picked.devices) if first == "cpu" else 1
    one = Settings(
        device=first,
        dtype=options.dtype,
        threads=options.threads or max(1, (psutil.cpu_count(logical=False) or 1) // sharing),
        lm_slots=options.lm_slots or LM_SLOTS[first.partition(":")[0]],
        vae_tile=tile,
        vae_overlap=overlap,
        parts=found.parts,
    )
    return Workers(
        settings=tuple(replace(one, device=name) for name in picked.devices),
        remarks=(*picked.remarks, *found.remarks),
        gpus=picked.gpus,
        drivers=(driver_version(),) if picked.gpus else (),
        choices=found.choices,
    )


def _tiles(options: Options, tile: int, overlap: int) -> tuple[int, int]:
    """Tile and overlap asked for, or the device's; a smaller tile alone takes a smaller overlap with it."""
    tile = options.vae_tile or tile
    overlap = max(VAE_REACH, min(overlap, tile // 4)) if options.vae_overlap is None else options.vae_overlap
    if overlap < VAE_REACH or tile <= 2 * overlap:
        raise UsageError(
            f"VAE tiles of {tile} frames with {overlap} of overlap can't be",
            why=f"the decoder hears {VAE_REACH} frames to each side, and a tile keeps what lies between its overlaps",
            help=f"give --vae-overlap {VAE_REACH} or more, and --vae-tile more than twice that",
        )
    return tile, overlap


def planned_models(settings: Settings) -> Callable[[Variant], PlannedModel]:
    """A look-up of each variant's model set, made once for each set.

    It raises ModelError for unknown names and folders that are no model set.
    """
    known: dict[tuple[object, ...], PlannedModel] = {}

    def model_of(variant: Variant) -> PlannedModel:
        named = (variant.model, variant.lm, variant.lora, variant.vae, variant.based_on)
        wanted = (*named, variant.lm_quantization)
        if wanted not in known:
            known[wanted] = family_of(variant.model).plan_model(variant, settings)
        return known[wanted]

    return model_of


def require_fetched(models: Mapping[str, PlannedModel]) -> None:
    """Refuse to render with parts that aren't on disk.

    Raises: ModelError naming all that is missing.
    """
    missing = dict.fromkeys(name for model in models.values() for name in model.missing)
    if missing:
        raise ModelError(
            f"not on disk: {', '.join(missing)}",
            help=f"renderer models fetch {' '.join(missing)}, or --model mini for the embedded sketch model",
        )


def require_fit(plan: Plan, model_of: Callable[[Variant], PlannedModel]) -> None:
    """Refuse to run stages whose files are damaged, incomplete, or something else than they are called.

    Raises: UnfitFiles with every fault of every file that a stage of the plan would read.
    """
    found: dict[tuple[str, str], ModelError] = {}
    for take in plan.running:
        faults = model_of(take.take.variant).faults
        for part in dict.fromkeys(take.family.stages[stage].part for stage in take.runs):
            for error in faults.get(part, ()):
                found.setdefault((error.message, error.why), error)
    if found:
        raise UnfitFiles(tuple(found.values()))
