"""Attention of frames to lyric tokens -> when each token is sung: ACE-Step's alignment, in float32 on the CPU.

Arrays go in and out; knows no tokens' texts, no models, no torch. It is a plan read from attention, not what was sung.
Source: ace-step/ACE-Step-1.5, acestep/core/scoring/dit_alignment.py and _dtw.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from renderer.artifacts import Float32s

    Ints = npt.NDArray[np.intp]

SUPPRESSION = 2.0  # of a row's and a column's median, that is taken away from all of it
_DIAGONAL, _NEXT_TOKEN, _NEXT_FRAME = range(3)


class WarpPath(NamedTuple):
    """Which token each frame belongs to: pairs from the first token and frame to the last, none skipped."""

    tokens: Ints
    frames: Ints


def consensus(attention: Float32s) -> Float32s:
    """What tokens and frames agree on: [heads, tokens, frames] to [tokens, frames], larger where they do."""
    agreed = _softmax(attention, axis=-1)
    agreed *= _softmax(attention, axis=-2)
    for axis in (-1, -2):
        agreed -= np.float32(SUPPRESSION) * np.median(agreed, axis=axis, keepdims=True)
        np.maximum(agreed, 0.0, out=agreed)
    agreed *= agreed
    # Sums in float64, as tokens times frames are many; the scores themselves stay float32.
    mean, std = (np.float32(number) for number in (agreed.mean(dtype=np.float64), agreed.std(dtype=np.float64)))
    agreed -= mean
    agreed /= std + np.float32(1e-9)
    found: Float32s = agreed.mean(axis=0, dtype=np.float32)
    return found


def warp(costs: Float32s) -> WarpPath:
    """The cheapest way [tokens, frames] from the first cell to the last, by dynamic time warping in float32.

    Of equally cheap ways on, the next frame's comes first.
    """
    (path,) = warp_all(costs[None])
    return path


def warp_all(costs: Float32s) -> tuple[WarpPath, ...]:
    """`warp` of each of [ways, tokens, frames], all at once: it is the steps that take time, not their width."""
    num_ways, num_tokens, num_frames = costs.shape
    # Cell by cell that is a loop of millions; the cells of a diagonal only need the two diagonals before them. Each is
    # one row here, by its tokens, so that a step is a few operations on neighbours.
    slanted = np.empty((num_tokens + num_frames - 1, num_ways, num_tokens), dtype=np.float32)
    for token in range(num_tokens):
        slanted[token : token + num_frames, :, token] = costs[:, token].T
    moves = np.empty(slanted.shape, dtype=np.int8)
    # By tokens passed, so that the first entry is the start; what isn't reached stays infinitely dear.
    before, last, now = (np.full((num_ways, num_tokens + 1), np.inf, dtype=np.float32) for _ in range(3))
    before[:, 0] = 0.0
    for diagonal, cost in enumerate(slanted):
        low, high = max(0, diagonal - num_frames + 1), min(num_tokens, diagonal + 1)
        corner, above, left = before[:, low:high], last[:, low:high], last[:, low + 1 : high + 1]
        goes_both = (corner < above) & (corner < left)
        goes_down = (above < corner) & (above < left)
        move = moves[diagonal, :, low:high]
        move[...] = _NEXT_FRAME
        move[goes_both] = _DIAGONAL
        move[goes_down] = _NEXT_TOKEN
        now.fill(np.inf)
        cheapest = np.where(goes_both, corner, np.where(goes_down, above, left))
        np.add(cost[:, low:high], cheapest, out=now[:, low + 1 : high + 1])
        before, last, now = last, now, before
    return tuple(_trace_back(moves[:, way], num_frames) for way in range(num_ways))


def token_times(path: WarpPath, num_tokens: int, seconds_per_frame: float) -> Sequence[tuple[float, float]]:
    """Seconds from each token's first frame to its last; of one without frames, twice the end of the one before."""
    first, after = (
        np.searchsorted(path.tokens, np.arange(num_tokens), side=side).tolist() for side in ("left", "right")
    )
    told, held = (path.frames * seconds_per_frame).tolist(), 0.0
    times: list[tuple[float, float]] = []
    for begin, end in zip(first, after, strict=True):
        times.append((told[begin], told[end - 1]) if begin < end else (held, held))
        held = times[-1][1]
    return times


def _softmax(values: Float32s, axis: int) -> Float32s:
    raised = np.exp(values - values.max(axis=axis, keepdims=True))
    raised /= raised.sum(axis=axis, keepdims=True)
    found: Float32s = raised
    return found


def _trace_back(moves: npt.NDArray[np.int8], num_frames: int) -> WarpPath:
    """The path through [diagonals, tokens], where a cell's diagonal is its token and its frame together."""
    token, frame = moves.shape[1] - 1, num_frames - 1
    tokens, frames = [], []
    while token >= 0 and frame >= 0:
        tokens.append(token)
        frames.append(frame)
        move = moves[token + frame, token]
        token -= move != _NEXT_FRAME
        frame -= move != _NEXT_TOKEN
    return WarpPath(np.array(tokens[::-1], dtype=np.intp), np.array(frames[::-1], dtype=np.intp))
