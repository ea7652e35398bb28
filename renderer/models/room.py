"""Whether a part fits beside those already resident: what its files weigh against what the device has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from renderer.models.device import dtypes
from renderer.models.identity import num_bytes

if TYPE_CHECKING:
    from renderer.models.family import ModelFiles, Part, Settings

COMPUTING_SHARE = 0.5
"""Of the device's memory: what activations, caches and other programs are left with."""


def fits_beside(part: Part, files: ModelFiles, settings: Settings) -> bool:
    """Whether reading the part now would leave the device half of its memory to compute in."""
    # Checkpoints come in bfloat16; read into float32 they take twice their size.
    widened = 2 if "float32" in (settings.dtype, dtypes(settings.device, settings.dtype).dit) else 1
    free, total = _memory(settings.device)
    return free - widened * num_bytes(part, files) >= COMPUTING_SHARE * total


def _memory(device: str) -> tuple[int, int]:
    """Bytes free and in all, on the device that holds the weights."""
    import torch  # noqa: PLC0415 - the worker's

    if device.startswith("cuda"):
        free, total = torch.cuda.mem_get_info(torch.device(device))
        # What dropped weights left in torch's own cache is as good as free.
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device), total
    memory = psutil.virtual_memory()  # Apple's GPUs share it
    return memory.available, memory.total
