"""Tensors on disk as MLX's arrays, and the matrices made of them: as they are, or quantised while they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import mlx.core as mx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from renderer.models.ace_step.checkpoints.stored import Stored
    from renderer.models.quantisation import Quantisation


class Matrix(Protocol):
    """Weights [outputs, inputs]."""

    @property
    def arrays(self) -> tuple[mx.array, ...]:
        """What it is held in, each with a row for each output."""

    def __call__(self, states: mx.array) -> mx.array:
        """States [..., inputs] -> [..., outputs]."""

    def embed(self, ids: mx.array) -> mx.array:
        """Its rows of these numbers [...] -> [..., inputs]."""

    def held_in(self, arrays: tuple[mx.array, ...]) -> Matrix:
        """Another matrix, held as this one is."""


@dataclass(frozen=True, slots=True)
class Dense:
    """As they are."""

    arrays: tuple[mx.array]

    def __call__(self, states: mx.array) -> mx.array:
        """States [..., inputs] -> [..., outputs]."""
        return states @ self.arrays[0].T

    def embed(self, ids: mx.array) -> mx.array:
        """Its rows of these numbers [...] -> [..., inputs]."""
        return self.arrays[0][ids]

    def held_in(self, arrays: tuple[mx.array, ...]) -> Dense:
        """Another matrix, held as this one is."""
        (weight,) = arrays
        return Dense((weight,))


@dataclass(frozen=True, slots=True)
class Quantised:
    """As integers, with a scale and an offset for each group of a row's weights."""

    arrays: tuple[mx.array, ...]
    """Integers, several in 32 bits; scales; offsets."""
    quantisation: Quantisation

    def __call__(self, states: mx.array) -> mx.array:
        """States [..., inputs] -> [..., outputs]."""
        packed, scales, offsets = self.arrays
        group, bits = self.quantisation.group_size, self.quantisation.bits
        return mx.quantized_matmul(states, packed, scales, offsets, transpose=True, group_size=group, bits=bits)

    def embed(self, ids: mx.array) -> mx.array:
        """Its rows of these numbers [...] -> [..., inputs]."""
        packed, scales, offsets = (array[ids] for array in self.arrays)
        return mx.dequantize(
            packed, scales, offsets, group_size=self.quantisation.group_size, bits=self.quantisation.bits
        )

    def held_in(self, arrays: tuple[mx.array, ...]) -> Quantised:
        """Another matrix, held as this one is."""
        return Quantised(arrays, self.quantisation)


def rows_of(matrix: Matrix, ranges: Sequence[tuple[int, int]]) -> Matrix:
    """A copy of a matrix's rows in these ranges alone."""
    return matrix.held_in(
        tuple(mx.concatenate([array[first:stop] for first, stop in ranges]) for array in matrix.arrays)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Tensors on disk as MLX has them: read when asked for, in the dtype to compute in."""

    files: Mapping[Path, dict[str, mx.array]]
    tensors: Mapping[str, Stored]
    dtype: mx.Dtype
    quantisation: Quantisation | None = None
    """What matrices are held in; None as they are."""

    @classmethod
    def of(cls, tensors: Mapping[str, Stored], dtype: mx.Dtype, quantisation: Quantisation | None = None) -> Reader:
        """Of these tensors."""
        paths = {stored.path for stored in tensors.values()}
        # Lazy: a tensor is read from its file when it is computed with.
        return cls(
            files={path: cast("dict[str, mx.array]", mx.load(str(path))) for path in paths},
            tensors=tensors,
            dtype=dtype,
            quantisation=quantisation,
        )

    def __call__(self, name: str) -> mx.array:
        """One tensor, once."""
        stored = self.tensors[name]
        # Taken out: what was read stays in memory as long as anyone holds it.
        return self.files[stored.path].pop(stored.name).astype(self.dtype)

    def matrix(self, *names: str) -> Matrix:
        """The matrices of these names as one, their outputs one after the other."""
        matrices = [self._matrix(name) for name in names]
        first, *others = matrices
        if not others:
            return first
        made = first.held_in(
            tuple(mx.concatenate(list(parts)) for parts in zip(*(one.arrays for one in matrices), strict=True))
        )
        mx.eval(made.arrays)
        return made

    def _matrix(self, name: str) -> Matrix:
        weight, wanted = self(name), self.quantisation
        made: Matrix = Dense((weight,))
        if wanted is not None:
            arrays = mx.quantize(weight, group_size=wanted.group_size, bits=wanted.bits)
            made = Quantised(tuple(arrays), wanted)
        # Now, one by one: else all that it is made of stays in memory until the first step.
        mx.eval(made.arrays)
        return made
