"""What an LM's weights can be held in beside dtypes: a row for each value of `lm_quantization`. No torch, no mlx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """Weights as integers, with a scale and an offset, in the dtype computed in, for each group of a row."""

    bits: int
    group_size: int

    @property
    def words(self) -> str:
        """As it stands in keys and is told of."""
        return f"{self.bits} bits in groups of {self.group_size}"

    def bytes_of(self, num_weights: float, item_size: int) -> float:
        """What so many weights take; `item_size` is that of the dtype computed in."""
        return num_weights * (self.bits / 8 + 2 * item_size / self.group_size)


QUANTISATIONS: Mapping[str, Quantisation] = {"8bit": Quantisation(bits=8, group_size=64)}
"""By name; of MLX's."""
