"""From logits to a drawn column, row by row: guidance, mask, penalty, top-k, top-p, temperature, draw.

Plain torch on any device, the same shapes at every call, no host sync; knows neither tokens nor songs.
The order of operations is upstream's PyTorch backend's. Source: ace-step/ACE-Step-1.5, acestep/llm_inference.py
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

BLOCK = 256  # columns summed together before the draw looks inside
_PROBABILITY_BITS = 30  # float32 1.0 as an integer is below 2^30


def guide(cond: Tensor, uncond: Tensor, scale: Tensor) -> Tensor:
    """Classifier-free guidance in float32: [rows, columns] each, scale [rows, 1]."""
    return uncond + scale * (cond - uncond)


def penalise(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """Push down columns already seen (bool [rows, columns]); a penalty of 1 changes nothing."""
    pushed = torch.where(logits < 0, logits * penalty, logits / penalty)
    return torch.where(seen, pushed, logits)


def keep_top_k(logits: Tensor, top_k: Tensor) -> Tensor:
    """Drop what is below each row's k-th largest logit; int32 [rows, 1], 0 keeps all.

    Found bit by bit of the float: no sort, whatever each row's k.
    """
    ordered = _ordered_bits(logits)
    least = torch.full_like(top_k, torch.iinfo(torch.int32).min, dtype=torch.int64)
    for bit in reversed(range(32)):
        candidate = least + (1 << bit)
        enough = (ordered >= candidate).sum(-1, keepdim=True) >= top_k
        least = least.add(enough, alpha=1 << bit)
    return logits.masked_fill((ordered < least) & (top_k > 0), -torch.inf)


def keep_nucleus(logits: Tensor, top_p: Tensor) -> Tensor:
    """Drop what lies behind the most probable columns that reach `top_p` [rows, 1]; the crossing one stays.

    A column stays when the more probable ones sum up to `top_p` at most. Probabilities are those before
    temperature. The threshold is found bit by bit of the float: no sort, and ties stay together.
    A `top_p` of 0 or from 1 on keeps all.
    """
    probabilities = torch.softmax(logits, dim=-1)
    bits = probabilities.view(torch.int32)
    below = torch.zeros_like(top_p, dtype=torch.int32)
    for bit in reversed(range(_PROBABILITY_BITS)):
        candidate = below + (1 << bit)
        above = torch.where(bits > candidate, probabilities, 0.0).sum(-1, keepdim=True)
        below = below.add(above > top_p, alpha=1 << bit)
    return logits.masked_fill((bits <= below) & (top_p > 0) & (top_p < 1), -torch.inf)


def draw(logits: Tensor, temperature: Tensor, uniform: Tensor) -> Tensor:
    """The column that each row's uniform number in [0, 1) points at: int64 [rows, 1].

    The inverse of the cumulative distribution, block by block, so that no long float sum decides. A temperature of 0
    takes the largest logit.
    """
    greedy = logits.argmax(-1, keepdim=True)
    scaled = logits / torch.where(temperature > 0, temperature, 1.0)
    return torch.where(temperature > 0, _invert(torch.softmax(scaled, dim=-1), uniform), greedy)


def uniforms(seed: int, stream: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A request's own random numbers in [0, 1), float32: the same on every machine and in every numpy.

    Only a bit generator's raw output is promised to stay; 24 bits of it make a float32 exactly.
    """
    raw = np.random.Philox(key=[seed % 2**64, stream]).random_raw(count)
    return ((raw >> np.uint64(40)) * np.float64(2**-24)).astype(np.float32)


def _invert(probabilities: Tensor, uniform: Tensor) -> Tensor:
    rows, columns = probabilities.shape
    blocks = torch.nn.functional.pad(probabilities, (0, -columns % BLOCK)).view(rows, -1, BLOCK)
    mass = blocks.sum(-1)
    reached = mass.cumsum(-1)
    goal = uniform * reached[:, -1:]
    block = (reached <= goal).sum(-1, keepdim=True).clamp(max=mass.shape[1] - 1)
    rest = (goal - (reached - mass).gather(1, block)).clamp(min=0)
    inside = blocks.gather(1, block.unsqueeze(-1).expand(rows, 1, BLOCK)).squeeze(1)
    # Rounding may leave `rest` at the block's very end: then the last column that has any probability is meant.
    last = torch.where(inside > 0, torch.arange(BLOCK, device=inside.device), 0).amax(-1, keepdim=True)
    column = torch.minimum((inside.cumsum(-1) <= rest).sum(-1, keepdim=True), last)
    return block * BLOCK + column


def _ordered_bits(logits: Tensor) -> Tensor:
    """Float32 as int64 that sorts the same way."""
    bits = logits.view(torch.int32).to(torch.int64)
    return torch.where(bits < 0, torch.iinfo(torch.int32).min - bits - 1, bits)
