"""The known models as a user asks for them: on disk or not, how large, whether this machine holds them. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.files import from_home
from renderer.models import memory
from renderer.models.catalog import hub, layouts, vaes, zoo
from renderer.models.family import family, family_of
from renderer.models.placement import DIT, LM, VAE, dtype_of, placed
from renderer.spec.checkpoints import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from renderer.models.model_files import ModelFiles, Settings
    from renderer.song import Variant


WORK_BYTES = 1.5e9  # cache, activations and tiles of a song of usual length


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryEntry:
    """A known model set, LM or VAE."""

    name: str
    kind: str
    """`turbo`, `sft`, `base`, `lm` or `vae`."""
    layout: str
    sources: tuple[hub.HubFolder, ...]
    on_disk: Path | None
    """Its DiT's folder, the LM's or the VAE's; None when something is missing."""
    num_params: float
    """Of what is resident at once at most."""
    resident_bytes: float
    """Those parameters in the dtype, with room to work."""
    dtype: str
    """What they compute in here, by what probes gave."""
    fits: bool
    spec_name: str = ""
    """As specs name it, where that is another than the name."""


def known_models(device: str, dtype: str) -> Iterator[InventoryEntry]:
    """Every row of the tables, for a device as `placed` takes it."""
    settings = placed(device, dtype)
    mini = zoo.resolve(zoo.MINI, None, (), None).files
    if mini:
        kind = CHECKPOINTS[zoo.MINI].kind
        yield _own(zoo.MINI, kind, layouts.DIFFUSERS, zoo.MINI_FOLDER, _num_params(mini), DIT, settings)
    for name, known in zoo.MODELS.items():
        missing = any(hub.find(source) is None for source in known.sources)
        params = known.num_params + zoo.PARAMS_TEXT_ENCODER
        kind = CHECKPOINTS[name].kind
        yield _known(name, kind, known.layout, known.sources, params, DIT, settings, missing=missing)
    for name, lm in zoo.LMS.items():
        missing = hub.find(lm.source) is None
        yield _known(name, "lm", "transformers", (lm.source,), lm.num_params, LM, settings, missing=missing)
    for name, source in zoo.VAES.items():
        missing = hub.find(source) is None
        yield _known(name, "vae", layouts.DIFFUSERS, (source,), zoo.PARAMS_VAE, VAE, settings, missing=missing)


def models_of(
    variants: Iterable[Variant], device: str, dtype: str
) -> tuple[tuple[InventoryEntry, ...], tuple[ModelError, ...]]:
    """The folders and files that variants name beside what is known; and why some of them are no models."""
    settings, found = placed(device, dtype), dict[str, InventoryEntry]()
    faults: dict[str, ModelError] = {}
    for variant in variants:
        for key, look in _LOOKS.items():
            name = getattr(variant, key)
            if name is None or name in _KNOWN or name in found or name in faults or _of_others(name, key):
                continue
            try:
                found[name] = look(variant, name, settings)
            except ModelError as error:
                faults[name] = error
    return tuple(found.values()), tuple(faults.values())


def _of_others(name: str, key: str) -> bool:
    """Whether it is another family's model: what of it lies on disk is that family's matter."""
    return key == "model" and family_of(name).name != hub.FAMILY


def _own_model(variant: Variant, model: str, settings: Settings) -> InventoryEntry:
    facts = zoo.model_facts(model, variant.based_on)
    files = zoo.resolve(model, variant.lm, (), variant.based_on).files
    params = _num_params(files) if files else zoo.PARAMS_2B + zoo.PARAMS_TEXT_ENCODER
    place = Path(files.dit_file or files.dit) if files else None
    return _own(model, facts.kind, facts.layout, place, params, DIT, settings)


def _num_params(files: ModelFiles) -> int:
    """Of the set's largest part, the LM apart: what is resident at once at most."""
    own = family(files.family)
    return max(sum(own.parameters(part, files.with_lm(None)).values()) for part in own.parts)


def _own_lm(variant: Variant, lm: str, settings: Settings) -> InventoryEntry:
    del variant
    folder = layouts.read_lm(zoo.existing_lm(lm))
    return _own(
        lm,
        "lm",
        "transformers",
        folder,
        family(hub.FAMILY).num_parameters(folder),
        LM,
        settings,
    )


def _own_vae(variant: Variant, vae: str, settings: Settings) -> InventoryEntry:
    del variant
    folder = from_home(vae)
    vaes.read_vae(folder)
    params = family(hub.FAMILY).num_parameters(folder)
    return _own(vae, "vae", layouts.DIFFUSERS, folder, params, VAE, settings)


def _own(
    spec_name: str, kind: str, layout: str, place: Path | None, params: float, part: str, settings: Settings
) -> InventoryEntry:
    dtype = dtype_of(part, settings)
    resident = params * memory.ITEM_SIZE[dtype] + WORK_BYTES
    return InventoryEntry(
        name=Path(spec_name).name,
        kind=kind,
        layout=layout,
        sources=(),
        on_disk=place,
        num_params=params,
        resident_bytes=resident,
        dtype=dtype,
        fits=resident <= memory.available(settings.of(part).device),
        spec_name=spec_name,
    )


_KNOWN = frozenset({*zoo.MODELS, *zoo.LMS, *zoo.VAES, zoo.MINI})
_LOOKS: Mapping[str, Callable[[Variant, str, Settings], InventoryEntry]] = {
    "model": _own_model,
    "lm": _own_lm,
    "vae": _own_vae,
}


def _known(
    name: str,
    kind: str,
    layout: str,
    sources: tuple[hub.HubFolder, ...],
    num_params: float,
    part: str,
    settings: Settings,
    *,
    missing: bool,
) -> InventoryEntry:
    dtype = dtype_of(part, settings)
    resident = num_params * memory.ITEM_SIZE[dtype] + WORK_BYTES
    return InventoryEntry(
        name=name,
        kind=kind,
        layout=layout,
        sources=sources,
        on_disk=None if missing else hub.find(sources[0]),
        num_params=num_params,
        resident_bytes=resident,
        dtype=dtype,
        fits=resident <= memory.available(settings.of(part).device),
    )
