"""One measurement of a machine: JSON-able. No torch."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchFigure:
    """Of a part: its load, or one of its stages."""

    part: str
    what: str
    """A stage, or `load`."""
    dtype: str
    device: str
    seconds: float | None = None
    """Of one unit; of a load, and of a stage that tells no units, of all of it. None where it wasn't measured."""
    unit: str = ""
    """`tokens`, `steps`, `tiles`, `passes`; empty for a load, and for a stage that tells none."""
    total: float | None = None
    """Units that the whole song takes."""
    slots: int | None = None
    """Songs at once, of a part that takes several."""
    tile: tuple[int, int] | None = None
    """Frames of a VAE tile, and of its overlap."""
    peak_bytes: int | None = None
    """That the process held at most until then; on CUDA of the device's memory."""
    components: Mapping[str, float] = field(default_factory=dict)
    """Of a load: seconds of each thing read."""
    said: str = ""
    """Why there is no figure."""
