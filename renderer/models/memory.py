"""What a run needs of memory and what would fit where it doesn't: from file headers, settings and lengths. No torch."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from renderer.errors import ResourceError
from renderer.models import device as devices
from renderer.models.family import family, part_of

if TYPE_CHECKING:
    from renderer.models.model_files import ModelFiles, Settings

ITEM_SIZE = {"float32": 4, "bfloat16": 2, "float16": 2}
GB = 1e9
PROCESS_BYTES = 700_000_000  # torch with its libraries, before any weight


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
    return family(files.family).need(part, files, settings, seconds)


def available(device: str) -> int:
    """Bytes that weights and work may take on a device now."""
    if device.startswith("cuda"):
        return devices.free_cuda_bytes(int(device.partition(":")[2]))
    free = min(psutil.virtual_memory().available, _free_in_container()) - PROCESS_BYTES
    # Metal lets a process wire about three quarters of unified memory.
    on_metal = device == "mps" or (device == devices.MLX and platform.system() == "Darwin")
    return min(free, int(psutil.virtual_memory().total * 0.75)) if on_metal else free


def refuse_if_too_large(part: str, files: ModelFiles, settings: Settings, seconds: float, *, free: int) -> None:
    """Check a part against the bytes that are free.

    Raises: ResourceError when it doesn't fit, saying what would.
    """
    wanted = need(part, files, settings, seconds)
    if wanted.total <= free:
        return
    smaller = family(files.family).smaller(part, files, settings, seconds)
    fitting = [told for told, held, other, length in smaller if need(part, held, other, length).total <= free]
    raise ResourceError(
        f"the {part.upper()} part of `{files.name}` doesn't fit into memory",
        why=(
            f"it needs {wanted.weights / GB:.1f} GB for weights and {wanted.work / GB:.1f} GB to work "
            f"({seconds:g} s takes), {max(free, 0) / GB:.1f} GB are free on {settings.of(part).device}"
        ),
        help=f"what would fit: {', or '.join(fitting)}" if fitting else part_of(files, part).if_too_large,
    )


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
