"""The known models as a user asks for them: on disk or not, how large, whether this machine holds them. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.models import device as devices
from renderer.models import hub, layouts, memory, zoo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


WORK_BYTES = 1.5e9  # cache, activations and tiles of a song of usual length


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """A known model set, LM or VAE."""

    name: str
    kind: str
    """`turbo`, `sft`, `base`, `lm` or `vae`."""
    layout: str
    sources: tuple[hub.Source, ...]
    on_disk: Path | None
    """Its DiT's folder, the LM's or the VAE's; None when something is missing."""
    num_params: float
    """Of what is resident at once at most."""
    resident_bytes: float
    """Those parameters in this machine's dtypes, with room to work."""
    fits: bool


def known_models(device: str, dtype: str) -> Iterator[Stock]:
    """Every row of the tables, for a picked device."""
    dtypes, free = devices.dtypes(device, dtype), memory.available(device)
    for name, known in zoo.MODELS.items():
        missing = any(hub.find(source) is None for source in known.sources)
        params = known.num_params + zoo.PARAMS_TEXT_ENCODER
        yield _stock(name, known.kind, known.layout, known.sources, params, dtypes.dit, free, missing=missing)
    for name, lm in zoo.LMS.items():
        missing = hub.find(lm.source) is None
        yield _stock(name, "lm", "transformers", (lm.source,), lm.num_params, dtypes.lm, free, missing=missing)
    for name, source in zoo.VAES.items():
        missing = hub.find(source) is None
        yield _stock(name, "vae", layouts.DIFFUSERS, (source,), zoo.PARAMS_VAE, dtypes.vae, free, missing=missing)


def _stock(
    name: str,
    kind: str,
    layout: str,
    sources: tuple[hub.Source, ...],
    num_params: float,
    dtype: str,
    free: int,
    *,
    missing: bool,
) -> Stock:
    resident = num_params * memory.ITEM_SIZE[dtype] + WORK_BYTES
    return Stock(
        name=name,
        kind=kind,
        layout=layout,
        sources=sources,
        on_disk=None if missing else hub.find(sources[0]),
        num_params=num_params,
        resident_bytes=resident,
        fits=resident <= free,
    )
