"""Waveform outlines as text: kept with a take's record, folded to what the page can draw."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NUM_BINS = 200  # bars of a waveform at its widest on the page


def encode_peaks(peaks: npt.NDArray[np.int8]) -> str:
    """int8 [bins, 2], lowest and highest, as base64."""
    return base64.b64encode(peaks.astype("int8").tobytes()).decode()


def fold_peaks(text: str, num_bins: int) -> str:
    """The same outline in at most `num_bins` bins: 500 takes at full width would outweigh the rest of the page."""
    import numpy as np  # noqa: PLC0415 - a tenth of a second, and a page whose pieces are kept folds none

    peaks = np.frombuffer(base64.b64decode(text), dtype=np.int8).reshape(-1, 2)
    if len(peaks) <= num_bins:
        return text
    starts = _starts(len(peaks), num_bins)
    low, high = np.minimum.reduceat(peaks[:, 0], starts), np.maximum.reduceat(peaks[:, 1], starts)
    return encode_peaks(np.stack([low, high], axis=1))


@cache
def _starts(num_peaks: int, num_bins: int) -> npt.NDArray[np.int64]:
    """int64 [bins], where each bin begins; nearly all takes of a library have as many peaks."""
    import numpy as np  # noqa: PLC0415 - as above

    return np.linspace(0, num_peaks, num_bins, endpoint=False).astype(np.int64)
