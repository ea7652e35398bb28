"""Masks over a vocabulary, packed 32 columns an int32, column c in bit c % 32 of word c // 32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def num_words(columns: int) -> int:
    """Length of a packed mask."""
    return -(-columns // 32)


def pack(allowed: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Pack bools [columns]; the bits behind the last column are 0."""
    bits = np.zeros(num_words(len(allowed)) * 32, dtype=np.bool_)
    bits[: len(allowed)] = allowed
    # Little end first, as llguidance writes its masks and as the device unpacks them.
    return np.packbits(bits, bitorder="little").view(np.int32)
