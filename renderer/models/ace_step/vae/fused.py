"""The VAE's decoder with the same weights in fewer operations; diffusers' modules go in and are changed in place.

`slim` gives the same bits. `fuse` gives the same sound up to rounding: on CUDA a snake is one kernel in place of six,
and no convolution adds its bias, which the next snake takes in. Source of the architecture: huggingface/diffusers,
src/diffusers/models/autoencoders/autoencoder_oobleck.py
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

UNITS = ("res_unit1", "res_unit2", "res_unit3")
SNAKE = """
template <typename T> T snake(T state, T bias, T frequency, T depth) {
    T biased = state + bias;
    T wave = sin(frequency * biased);
    return biased + depth * wave * wave;
}
"""


@torch.no_grad()
def slim(decoder: Any) -> None:
    """Snakes whose constants are computed once, not at every tile, and that work in place."""
    for block in decoder.block:
        block.snake1 = Snake(block.snake1)
        for unit in (getattr(block, name) for name in UNITS):
            unit.snake1, unit.snake2 = Snake(unit.snake1), Snake(unit.snake2)
    decoder.snake1 = Snake(decoder.snake1)


@torch.no_grad()
def fuse(decoder: Any) -> None:
    """One CUDA kernel a snake; what a convolution would have added waits for it, sums of the residual ones too."""
    # A bias moves to the next snake, which adds it in a register; a residual sum's waits until the sum is complete.
    waiting = _without_bias(decoder.conv1)
    for block in decoder.block:
        block.snake1 = FusedSnake(block.snake1, waiting)
        waiting = _without_bias(block.conv_t1)
        for unit in (getattr(block, name) for name in UNITS):
            unit.snake1 = FusedSnake(unit.snake1, waiting)
            unit.snake2 = FusedSnake(unit.snake2, _without_bias(unit.conv1))
            waiting = waiting + _without_bias(unit.conv2)
    decoder.snake1 = FusedSnake(decoder.snake1, waiting)


def give_float32(decoder: Any) -> None:
    """Let the last convolution compute in float32 what the others gave it in 16 bits."""
    decoder.conv2 = Float32Output(decoder.conv2)


class Float32Output(nn.Module):
    """A convolution that gives float32 of states in 16 bits.

    Sound near full scale would have steps of 1/256 in bfloat16: peaks flattened, and taken for clipping.
    """

    def __init__(self, convolution: Any) -> None:
        super().__init__()
        self.convolution = convolution.float()

    def forward(self, states: Tensor) -> Tensor:
        """[rows, channels, samples] in, float32 out."""
        out: Tensor = self.convolution(states.float())
        return out


class Snake(nn.Module):
    """x + sin²(frequency · x) · depth, channel by channel."""

    def __init__(self, snake: Any) -> None:
        super().__init__()
        self.frequency, self.depth = _constants(snake)

    def forward(self, states: Tensor) -> Tensor:
        """[rows, channels, samples] in and out."""
        return (self.frequency * states).sin_().pow_(2).mul_(self.depth).add_(states)


class FusedSnake(nn.Module):
    """The same of what comes in plus a bias, float32 [1, channels, 1], in one kernel."""

    def __init__(self, snake: Any, bias: Tensor) -> None:
        super().__init__()
        self.frequency, self.depth = _constants(snake)
        self.bias = bias.to(self.depth.dtype)

    def forward(self, states: Tensor) -> Tensor:
        """[rows, channels, samples] in and out."""
        return _snake()(states, self.bias, self.frequency, self.depth)


def _constants(snake: Any) -> tuple[Tensor, Tensor]:
    """Frequency and depth [1, channels, 1], in the bits that diffusers' forward has them in."""
    alpha, beta = (value.exp() if snake.logscale else value.clone() for value in (snake.alpha, snake.beta))
    return alpha, (beta + 1e-9).reciprocal()


def _without_bias(convolution: Any) -> Tensor:
    """Take a convolution's bias away: float32 [1, channels, 1]."""
    bias: Tensor = convolution.bias.float()[None, :, None]
    convolution.bias = None
    return bias


@cache
def _snake() -> Callable[..., Tensor]:
    """Compiled by torch when it is first run in a dtype, and kept on disk; it computes in float32."""
    made: Callable[..., Tensor] = torch.cuda.jiterator._create_jit_fn(SNAKE)  # noqa: SLF001 - documented under this name
    return made
