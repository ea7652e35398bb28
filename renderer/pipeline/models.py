"""Variants -> planned models: facts, files and fingerprints from the model table, the machine's device and dtypes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from renderer.errors import ModelError, UnfitFiles, UsageError, named_by
from renderer.facts import VAE_REACH
from renderer.models import device
from renderer.models.ace_step.stages import Part
from renderer.models.catalog import identity, looked, zoo
from renderer.models.family import ModelFiles, Settings
from renderer.models.numerics import numerics
from renderer.plan.make import PlannedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.pipeline.options import Options
    from renderer.plan.jobs import Plan
    from renderer.song import Variant

LM_SLOTS: Mapping[str, int] = {"cuda": 16, "mps": 4, "cpu": 4}
"""Songs the LM decodes at once, by device kind; in the key, so never taken from free memory."""

NOT_FETCHED = "not fetched"
"""In place of the fingerprint of weights that aren't on disk."""


def pick_settings(options: Options) -> Settings:
    """How this run computes, for the device asked or found.

    Raises: UsageError, ResourceError for a device or dtype that can't be.
    """
    picked = device.pick(options.device)
    device.dtypes(picked, options.dtype)
    tile, overlap = _tiles(options, *device.vae_tiles(picked))
    return Settings(
        device=picked,
        dtype=options.dtype,
        threads=options.threads or psutil.cpu_count(logical=False) or 1,
        lm_slots=options.lm_slots or LM_SLOTS[picked.partition(":")[0]],
        vae_tile=tile,
        vae_overlap=overlap,
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
        wanted = (variant.model, variant.lm, variant.lora, variant.vae, variant.based_on)
        if wanted not in known:
            known[wanted] = _plan_model(variant, settings)
        return known[wanted]

    return model_of


def require_fetched(models: Mapping[str, PlannedModel]) -> None:
    """Refuse to render with parts that aren't on disk.

    Raises: ModelError naming all that is missing.
    """
    missing = sorted({name for model in models.values() for name in model.missing})
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


def _plan_model(variant: Variant, settings: Settings) -> PlannedModel:
    with named_by("model"):
        model = _with_own_vae(variant, settings)
    if variant.vae is None or zoo.own_vae(variant.based_on or variant.model, variant.vae):
        return model
    return _with_vae(model, variant.vae)


def _with_vae(model: PlannedModel, vae: str) -> PlannedModel:
    """The set with another VAE; the set as it is when that has the very files of its own."""
    folder = zoo.find_vae(vae, model.facts)
    if folder is None:
        return _as_with(model, vae, NOT_FETCHED, missing=vae)
    # Without its model it can't be held against it, and nothing runs.
    own = model.files if model.missing else replace(model.files, vae=str(folder))
    faults = {} if model.missing else looked.faults(own, (Part.VAE,))
    found = identity.Fingerprint(digest=identity.UNREADABLE) if faults else identity.vae_fingerprint(folder)
    if found.digest == model.weights[Part.VAE] and not faults:
        return model
    other = _as_with(model, Path(vae).name, found.digest)
    return replace(
        other,
        weight_files={**model.weight_files, Part.VAE: found.heads},
        files=replace(model.files, vae=str(folder)),
        faults={**other.faults, **faults},
    )


def _as_with(model: PlannedModel, vae: str, digest: str, *, missing: str = "") -> PlannedModel:
    """The set as it is told of with that VAE; what is wrong with its own doesn't matter then."""
    return replace(
        model,
        files=replace(model.files, vae=vae),
        weights={**model.weights, Part.VAE: digest},
        missing=(*model.missing, missing) if missing else model.missing,
        faults={part: found for part, found in model.faults.items() if part != Part.VAE},
        vae=vae,
    )


def _with_own_vae(variant: Variant, settings: Settings) -> PlannedModel:
    facts = zoo.model_facts(variant.model, variant.based_on)
    # At scale 0 an adapter leaves the weights as they are.
    loras = tuple((str(lora.path), lora.scale) for lora in variant.lora if lora.scale > 0)
    resolved = zoo.resolve(variant.model, variant.lm, loras, variant.based_on)
    by_part = numerics(settings)
    if resolved.files is None:
        files = ModelFiles(
            family=facts.family,
            name=variant.model,
            kind=facts.kind,
            layout=facts.layout,
            dit=variant.model,
            vae=variant.model,
            text_encoder=variant.model,
            lm=variant.lm or facts.lm,
            loras=loras,
        )
        weights = dict.fromkeys((part.value for part in Part), NOT_FETCHED)
        return PlannedModel(facts=facts, files=files, weights=weights, numerics=by_part, missing=resolved.missing)
    # Looked at before they are hashed, which takes a minute where they were never seen.
    faults = looked.faults(resolved.files)
    found = identity.fingerprints(resolved.files, without=faults)
    return PlannedModel(
        facts=facts,
        files=resolved.files,
        weights={part: one.digest for part, one in found.items()},
        weight_files={part: one.heads for part, one in found.items()},
        numerics=by_part,
        faults=faults,
    )
