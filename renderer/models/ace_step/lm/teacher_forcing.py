"""How likely an LM finds texts behind a prompt (teacher forcing): token ids in, logits out. Knows no texts.

All texts of a prompt go through the LM in one row behind it, each of them blind to the others: the prompt, which is all
of a song's codes, is read once. A prompt goes through alone, not beside other songs': its shapes, and so its bits, are
then its own, and a song's codes are tokens enough to fill a device.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.nn.functional import linear, pad

from renderer.models.device import mark, upload
from renderer.models.kernels.attention import TreeMask
from renderer.models.kernels.elementwise import TORCH
from renderer.models.kernels.qwen3 import forward_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from renderer.models.ace_step.lm.decoder import LoadedLm
    from renderer.models.kernels.elementwise import Elementwise

BLOCK_TOKENS = 128
"""Tokens whose logits are looked at together: of a real vocabulary they are 111 MB."""
ALIGNED = 8
"""Columns of a product in 16 bits."""
ROW_MULTIPLE = 64
"""A row's length is a multiple of it, as attention with a mask wants to be aligned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScores:
    """How a text's tokens were foretold, each from all before it."""

    log_probs: npt.NDArray[np.float64]
    """[tokens], of each token."""
    ranks: npt.NDArray[np.int64]
    """[tokens]: how many tokens were likelier."""


def score_tokens(
    lm: LoadedLm, prompt: tuple[int, ...], texts: Sequence[tuple[int, ...]]
) -> Callable[[], list[TokenScores]]:
    """Begin with each text behind the prompt, none of them empty; what comes back waits for the device.

    The wait is for these texts, not for what is launched later.
    """
    if not texts:
        return list
    targets = upload(torch.tensor([token for text in texts for token in text]), lm.device)
    blocks = zip(lm.target_logits(prompt, texts), torch.split(targets, BLOCK_TOKENS), strict=True)
    columns = [torch.cat(column) for column in zip(*starmap(_look_up, blocks), strict=True)]
    log_probs, ranks = (column.to("cpu", non_blocking=lm.device.type == "cuda") for column in columns)
    wait, lengths = mark(lm.device), list(map(len, texts))

    def scores() -> list[TokenScores]:
        wait()
        pairs = zip(torch.split(log_probs.double(), lengths), torch.split(ranks, lengths), strict=True)
        return [TokenScores(log_probs=one.numpy(), ranks=other.numpy()) for one, other in pairs]

    return scores


class TextForward(Protocol):
    """How a row of texts gets through a model."""

    def __call__(self, row: Tensor) -> Tensor:
        """Of each token its id, its position and its branch, int64 [3, length] -> hidden states [length, width].

        They are good until the next call.
        """


class EagerTexts:
    """Operation by operation."""

    def __init__(self, model: Any, elementwise: Elementwise = TORCH) -> None:
        self._model, self._elementwise = model, elementwise

    def __call__(self, row: Tensor) -> Tensor:
        """As the protocol says."""
        weight = self._model.embed_tokens.weight
        ids, positions, branches = upload(row, weight.device)
        return forward_row(self._model, ids, positions, TreeMask.of(branches, weight.dtype), self._elementwise)


def target_logits(
    forward: TextForward, weight: Tensor, prompt: tuple[int, ...], texts: Sequence[tuple[int, ...]]
) -> Iterator[Tensor]:
    """As `LoadedLm.target_logits` says, by the output layer's weight."""
    lengths = [len(prompt), *map(len, texts)]
    branches = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    starts = (len(prompt) if number else 0 for number in range(len(lengths)))
    positions = torch.cat([torch.arange(length) + start for start, length in zip(starts, lengths, strict=True)])
    ids = torch.tensor([*prompt, *(token for text in texts for token in text)])
    behind = (0, -len(ids) % ROW_MULTIPLE)
    # What fills up is one text more, which nobody asks for.
    row = torch.stack([pad(ids, behind), pad(positions, behind), pad(branches, behind, value=len(lengths))])
    hidden = forward(row)
    for rows in torch.split(upload(_before(lengths), weight.device), BLOCK_TOKENS):
        yield _logits(hidden[rows], weight)


def _logits(hidden: Tensor, weight: Tensor) -> Tensor:
    """[tokens, vocabulary], in their dtype; where more columns are made than there are tokens, they hold -inf."""
    behind = -len(weight) % ALIGNED
    if not behind or weight.dtype == torch.float32:
        return linear(hidden, weight)
    logits = hidden.new_empty(len(hidden), len(weight) + behind)
    # The published vocabulary is no multiple of what tensor cores want to be aligned to: most of it is.
    aligned = len(weight) - len(weight) % ALIGNED
    for columns in (slice(0, aligned), slice(aligned, len(weight))):
        torch.mm(hidden, weight[columns].T, out=logits[:, columns])
    logits[:, len(weight) :] = -torch.inf
    return logits


def _before(lengths: Sequence[int]) -> Tensor:
    """Which row foretells each text's tokens: the one before, of the first the prompt's last; [tokens]."""
    prompt, *texts = lengths
    rows, start = [], prompt
    for length in texts:
        rows += [prompt - 1, *range(start, start + length - 1)]
        start += length
    return torch.tensor(rows)


def _look_up(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Log probability and rank of each target: [tokens] both."""
    own = logits.gather(1, targets.unsqueeze(1))
    ranks = (logits > own).sum(-1)
    if logits.dtype == torch.float32:
        return (own - logits.logsumexp(-1, keepdim=True)).squeeze(1), ranks
    # In one kernel from 16 bits, in place of nine and a copy.
    log_probs = torch.log_softmax(logits, -1, dtype=torch.float32)
    return log_probs.gather(1, targets.unsqueeze(1)).squeeze(1), ranks
