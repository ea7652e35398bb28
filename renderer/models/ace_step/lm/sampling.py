"""From logits to a drawn column, row by row: guidance, mask, penalty, top-k, top-p, temperature, draw.

The same shapes at every call, no host sync, on a CPU numpy's sort; knows neither tokens nor songs.
The order of operations is upstream's PyTorch backend's. Source: ace-step/ACE-Step-1.5, acestep/llm_inference.py
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

BLOCK = 256  # columns summed together before the draw looks inside
LIKELIEST = 16 * BLOCK  # whole blocks: their sums are those of all columns


class Crossing(Protocol):
    """`first_above`, or the same in one kernel: they agree up to rounding."""

    def __call__(self, weights: Tensor, goal: Tensor, *, of_all: bool) -> Tensor:
        """See there."""


def is_finite(logits: Tensor) -> Tensor:
    """Whether all of each row [rows, columns] is: bool [rows]."""
    return (logits - logits).sum(-1) == 0


def guide(cond: Tensor, uncond: Tensor, scale: Tensor) -> Tensor:
    """Classifier-free guidance in float32: [rows, columns] each, scale [rows, 1]."""
    return uncond + scale * (cond - uncond)


def penalise(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """Push down columns already seen (bool [rows, columns]); a penalty of 1 changes nothing."""
    pushed = torch.where(logits < 0, logits * penalty, logits / penalty)
    return torch.where(seen, pushed, logits)


def keep_top_k(logits: Tensor, top_k: Tensor) -> Tensor:
    """Drop what is below each row's k-th largest logit; int64 [rows, 1], 0 keeps all."""
    ordered = _descending(logits)
    # By the value at rank k: rows have ranks of their own, and torch's topk takes one for all, from the host.
    least = ordered.gather(1, (top_k - 1).clamp(min=0, max=logits.shape[-1] - 1))
    return logits.masked_fill((logits < least) & (top_k > 0), -torch.inf)


def first_above(weights: Tensor, goal: Tensor, *, of_all: bool) -> Tensor:
    """The first column [rows, 1] where the cumulative sum exceeds `goal` [rows, 1], or where the weights end.

    With `of_all` the goal is a share of the row's whole sum.
    """
    blocks, reached = _in_blocks(weights)
    found = _first_above(blocks, reached, goal * reached[:, -1:] if of_all else goal)
    return found.clamp(max=weights.shape[-1] - 1)


def keep_nucleus(logits: Tensor, top_p: Tensor, crossing: Crossing = first_above) -> Tensor:
    """Drop what lies behind the most probable columns that reach `top_p` [rows, 1]; the crossing one stays.

    Probabilities are those before temperature; columns as probable as the crossing one stay with it. A `top_p` of 0
    or from 1 on keeps all.
    """
    probabilities = torch.softmax(logits, dim=-1)
    ordered = _likeliest(probabilities, top_p)
    least = ordered.gather(1, crossing(ordered, top_p, of_all=False))
    return logits.masked_fill((probabilities < least) & (top_p > 0) & (top_p < 1), -torch.inf)


def draw(logits: Tensor, temperature: Tensor, uniform: Tensor, crossing: Crossing = first_above) -> Tensor:
    """The column that each row's uniform number in [0, 1) points at: int64 [rows, 1].

    The inverse of the cumulative distribution, block by block, so that no long float sum decides. A temperature of 0
    takes the largest logit.
    """
    greedy = logits.argmax(-1, keepdim=True)
    scaled = logits / torch.where(temperature > 0, temperature, 1.0)
    # Below 1, `uniform` points below the whole as it was summed there.
    drawn = crossing(torch.softmax(scaled, dim=-1), uniform, of_all=True)
    return torch.where(temperature > 0, drawn, greedy)


def uniforms(seed: int, stream: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A request's own random numbers in [0, 1), float32: the same on every machine and in every numpy.

    Only a bit generator's raw output is promised to stay; 24 bits of it make a float32 exactly.
    """
    # Counted, not carried on: the number for token n doesn't depend on how the tokens before it were drawn.
    raw = np.random.Philox(key=[seed % 2**64, stream]).random_raw(count)
    return ((raw >> np.uint64(40)) * np.float64(2**-24)).astype(np.float32)


def _descending(values: Tensor) -> Tensor:
    """Each row [rows, columns] sorted, the largest first: the same numbers on either way."""
    if values.device.type != "cpu":
        return values.sort(dim=-1, descending=True).values
    # torch's sort carries the places along and takes three times as long: a third of a step of a small LM.
    return torch.from_numpy(np.sort(values.numpy(), axis=-1)[:, ::-1].copy())


def _likeliest(probabilities: Tensor, top_p: Tensor) -> Tensor:
    """Each row's probabilities from the largest down as far as `top_p` needs them: the same numbers as of all."""
    if probabilities.device.type == "cpu" and probabilities.shape[-1] > LIKELIEST:
        # A model that knows what it wants needs a few hundred of 64,000: finding them takes a third of sorting all.
        largest = np.partition(probabilities.numpy(), -LIKELIEST, axis=-1)[:, -LIKELIEST:]
        ordered = torch.from_numpy(np.sort(largest, axis=-1)[:, ::-1].copy())
        _, reached = _in_blocks(ordered)
        if ((reached[:, -1:] > top_p) | (top_p <= 0) | (top_p >= 1)).all():
            return ordered
    return _descending(probabilities)


def _in_blocks(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [rows, columns] in blocks [rows, blocks, BLOCK], and the sum up to each block's end [rows, blocks].

    No long float sum decides then, and no scan of torch's that splits one row among workers as it likes.
    """
    blocks = torch.nn.functional.pad(weights, (0, -weights.shape[-1] % BLOCK)).view(len(weights), -1, BLOCK)
    return blocks, blocks.sum(-1).cumsum(-1)


def _first_above(blocks: Tensor, reached: Tensor, goal: Tensor) -> Tensor:
    """See `first_above`; the goal is a sum."""
    block = (reached <= goal).sum(-1, keepdim=True).clamp(max=reached.shape[1] - 1)
    inside = blocks.gather(1, block.unsqueeze(-1).expand(-1, 1, BLOCK)).squeeze(1)
    before = reached.gather(1, block) - inside.sum(-1, keepdim=True)
    within = (inside.cumsum(-1) <= (goal - before).clamp(min=0)).sum(-1, keepdim=True)
    # Rounding may leave the goal at the block's very end: then its last column that has any weight is meant.
    last = torch.where(inside > 0, torch.arange(BLOCK, device=inside.device), 0).amax(-1, keepdim=True)
    return block * BLOCK + torch.minimum(within, last)
