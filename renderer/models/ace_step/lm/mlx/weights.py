"""Tensors on disk as MLX's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import mlx.core as mx

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from renderer.models.ace_step.checkpoints.stored import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Tensors on disk as MLX has them: read when asked for, in the dtype to compute in."""

    files: Mapping[Path, dict[str, mx.array]]
    tensors: Mapping[str, Stored]
    dtype: mx.Dtype

    @classmethod
    def of(cls, tensors: Mapping[str, Stored], dtype: mx.Dtype) -> Reader:
        """Of these tensors."""
        paths = {stored.path for stored in tensors.values()}
        # Lazy: a tensor is read from its file when it is computed with.
        return cls(
            files={path: cast("dict[str, mx.array]", mx.load(str(path))) for path in paths},
            tensors=tensors,
            dtype=dtype,
        )

    def __call__(self, name: str) -> mx.array:
        """One tensor, once."""
        stored = self.tensors[name]
        # Taken out: what was read stays in memory as long as anyone holds it.
        return self.files[stored.path].pop(stored.name).astype(self.dtype)
