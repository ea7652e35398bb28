"""An LM's folder into MLX: the same checks as for torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlx.core as mx

from renderer.errors import ModelError
from renderer.models.ace_step.checkpoints.on_disk import read_lm
from renderer.models.ace_step.checkpoints.shapes import shapes
from renderer.models.ace_step.checkpoints.stored import compare
from renderer.models.ace_step.lm.mlx.qwen3 import MlxQwen3
from renderer.models.ace_step.lm.mlx.rows import CACHE_BYTES, DTYPES, MlxLm
from renderer.models.ace_step.lm.mlx.weights import Reader
from renderer.models.quantisation import QUANTISATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from renderer.models.quantisation import Quantisation


def load(folder: Path, *, dtype: str, quantisation: str | None = None) -> MlxLm:
    """The LM, resident; held in a name of `QUANTISATIONS`, or as it is computed with.

    Raises: ModelError naming every missing, surplus or misshaped tensor, or for matrices that groups don't fill.
    """
    mx.set_cache_limit(CACHE_BYTES)
    found, wanted = read_lm(folder), QUANTISATIONS[quantisation] if quantisation else None
    if wanted is not None:
        _refuse_unfilled(found.config, wanted)
    compare(shapes("lm", found.config), found.body)
    tensors = {**found.body, **{f"lm_head.{name}": stored for name, stored in found.head.items()}}
    model = MlxQwen3(Reader.of(tensors, DTYPES[dtype], wanted), found.config)
    # Of reading: what was read and rounded is of no more use.
    mx.clear_cache()
    return MlxLm(model=model, dtype=dtype)


def _refuse_unfilled(config: Mapping[str, Any], wanted: Quantisation) -> None:
    widths = {"hidden_size": config["hidden_size"], "intermediate_size": config["intermediate_size"]}
    widths["num_attention_heads · head_dim"] = config["num_attention_heads"] * config["head_dim"]
    for name, width in widths.items():
        if width % wanted.group_size:
            raise ModelError(
                f"this LM can't be held in {wanted.words}",
                why=f"its {name} is {width}, no multiple of {wanted.group_size}",
                help="take `lm_quantization` out",
            )
