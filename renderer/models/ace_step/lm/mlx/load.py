"""An LM's folder into MLX: the same checks as for torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mlx.core as mx

from renderer.models.ace_step.checkpoints.on_disk import read_lm
from renderer.models.ace_step.checkpoints.shapes import shapes
from renderer.models.ace_step.checkpoints.stored import compare
from renderer.models.ace_step.lm.mlx.qwen3 import MlxQwen3
from renderer.models.ace_step.lm.mlx.rows import CACHE_BYTES, DTYPES, MlxLm
from renderer.models.ace_step.lm.mlx.weights import Reader

if TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path, *, dtype: str) -> MlxLm:
    """The LM, resident.

    Raises: ModelError naming every missing, surplus or misshaped tensor.
    """
    mx.set_cache_limit(CACHE_BYTES)
    found = read_lm(folder)
    compare(shapes("lm", found.config), found.body)
    tensors = {**found.body, **{f"lm_head.{name}": stored for name, stored in found.head.items()}}
    model = MlxQwen3(Reader.of(tensors, DTYPES[dtype]), found.config)
    return MlxLm(model=model, dtype=dtype)
