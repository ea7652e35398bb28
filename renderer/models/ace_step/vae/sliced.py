"""The VAE's decoder on a CPU, in float32: slices of time that stay in a core's cache, channels last.

A slice goes through a whole block before the next one begins, on one thread; at its ends it takes along what the
block's convolutions reach to. How slices are cut follows from channels and length alone, and which thread takes one
changes nothing. Source of the architecture: huggingface/diffusers,
src/diffusers/models/autoencoders/autoencoder_oobleck.py
"""

from __future__ import annotations

from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import conv2d

from renderer.models.ace_step.vae.fused import UNITS
from renderer.models.kernels.lone_threads import lone_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from torch import Tensor

    Rows = npt.NDArray[np.float32]

SLICE = 1 << 18  # numbers: a megabyte, of which a few lie in the cache at once
LEAST_ROWS = 2_048  # of wide layers, whose weights are laid out anew for each slice
TILE = 64  # rows that constants of each channel are repeated for


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snake:
    """x + sin²(frequency · x) · depth, channel by channel; both repeated for `TILE` rows."""

    frequency: Rows
    depth: Rows

    @classmethod
    def of(cls, snake: Any) -> _Snake:
        alpha, beta = (value.exp() if snake.logscale else value for value in (snake.alpha, snake.beta))
        frequency, depth = (value.flatten().repeat(TILE).numpy() for value in (alpha, (beta + 1e-9).reciprocal()))
        return cls(frequency=frequency, depth=depth)

    def __call__(self, states: Rows, out: Rows) -> None:
        """[rows, channels] each."""
        whole = len(states) // TILE * TILE
        parts = slice(0, whole), slice(whole, None)
        for rows, width in zip(parts, (TILE, len(states) - whole), strict=True):
            if width:
                self._flat(states[rows].reshape(-1, width * states.shape[1]), out[rows])

    def _flat(self, states: Rows, out: Rows) -> None:
        into, width = out.reshape(states.shape), states.shape[1]
        # By numpy, whose sine takes half of torch's time.
        np.multiply(states, self.frequency[:width], out=into)
        np.sin(into, out=into)
        np.multiply(into, into, out=into)
        np.multiply(into, self.depth[:width], out=into)
        np.add(into, states, out=into)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Convolution:
    weight: Tensor
    """[channels out, channels in, 1, taps], channels last."""
    bias: Tensor | None
    dilation: int = 1

    @classmethod
    def of(cls, convolution: Any) -> _Convolution:
        weight = convolution.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        return cls(weight=weight, bias=convolution.bias, dilation=convolution.dilation[0])

    @property
    def reach(self) -> int:
        """Rows to each side."""
        return (self.weight.shape[-1] - 1) * self.dilation // 2

    def __call__(self, states: Tensor) -> Tensor:
        """[rows, channels in] to [rows, channels out]; rows that the taps of the outer ones miss are left out."""
        rows, channels = states.shape
        # Said in full: of axes of one, torch would guess that channels come first.
        image = states.as_strided((1, channels, 1, rows), (rows * channels, 1, rows * channels, channels))
        out = conv2d(image, self.weight, self.bias, dilation=(1, self.dilation))
        return out.permute(0, 2, 3, 1).reshape(-1, self.weight.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    before: _Snake
    by: _Convolution
    between: _Snake
    mix: _Convolution


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    snake: _Snake
    up: _Convolution
    """Whose rows hold `stride` samples each, those of one row that comes in and of the one before."""
    stride: int
    cut: int
    """Samples in front and behind that are left out."""
    units: Sequence[_Unit]

    @property
    def channels(self) -> int:
        """Of its samples."""
        return self.up.weight.shape[0] // self.stride

    @property
    def reach(self) -> int:
        """Samples to each side that its units hear."""
        return sum(unit.by.reach for unit in self.units)


class Sliced(nn.Module):
    """diffusers' decoder, whose weight norms are folded, so."""

    @torch.no_grad()
    def __init__(self, decoder: Any) -> None:
        super().__init__()
        decoder.requires_grad_(False)  # each thread has its own say on gradients
        self._first, self._last = _Convolution.of(decoder.conv1), _Convolution.of(decoder.conv2)
        # Where whoever holds the module looks for the dtype that it takes.
        self.weight = nn.Parameter(self._first.weight, requires_grad=False)
        self._blocks, self._snake = [_block(block) for block in decoder.block], _Snake.of(decoder.snake1)
        number = torch.get_num_threads()
        self._threads = lone_threads(number) if number > 1 else None

    def forward(self, latents: Tensor) -> Tensor:
        """[1, channels, frames] to float32 [1, channels, samples]."""
        states = self._convolved(latents[0].T.contiguous(), None, self._first)
        for block in self._blocks:
            states = self._through(block, states)
        return self._convolved(states, self._snake, self._last).T[None]

    def _convolved(self, states: Tensor, snake: _Snake | None, by: _Convolution) -> Tensor:
        length, out = len(states), states.new_empty(len(states), by.weight.shape[0])

        def work(start: int, end: int) -> None:
            low, high = max(0, start - by.reach), min(length, end + by.reach)
            padded = _snaked(states[low:high], snake, start - by.reach - low, end + by.reach - high)
            out[start:end] = by(padded)

        self._each(length, max(states.shape[1], out.shape[1]), work)
        return out

    def _through(self, block: _Block, states: Tensor) -> Tensor:
        length = (len(states) + 1) * block.stride - 2 * block.cut
        out = states.new_empty(length, block.channels)

        def work(start: int, end: int) -> None:
            low, high = max(0, start - block.reach), min(length, end + block.reach)
            residual = _upsampled(block, states, low, high)
            for unit in block.units:
                # What lies beyond the whole is silence to each convolution; beyond the slice it is known no more.
                before, after = (-unit.by.reach if low == 0 else 0), (unit.by.reach if high == length else 0)
                hidden = unit.by(_snaked(residual, unit.before, before, after))
                low, high, skipped = _narrowed(low, high, length, unit.by.reach)
                residual = unit.mix(_snaked(hidden, unit.between, 0, 0)).add_(residual[skipped : skipped + high - low])
            out[start:end] = residual[start - low : end - low]

        self._each(length, block.channels, work)
        return out

    def _each(self, length: int, channels: int, work: Callable[[int, int], None]) -> None:
        """All slices of a length, beside each other."""
        rows = max(LEAST_ROWS, SLICE // channels)
        starts = range(0, length, rows)
        if self._threads is None:
            for start in starts:
                work(start, min(length, start + rows))
            return
        waiting = [self._threads.submit(work, start, min(length, start + rows)) for start in starts]
        wait(waiting)
        for one in waiting:
            one.result()


def _upsampled(block: _Block, states: Tensor, start: int, end: int) -> Tensor:
    """Samples from start to end."""
    # A row of the product is made of the row that came in at its place and of the one before it.
    first, last = (start + block.cut) // block.stride, (end - 1 + block.cut) // block.stride
    low, high = max(0, first - 1), min(len(states), last + 1)
    samples = block.up(_snaked(states[low:high], block.snake, first - 1 - low, last + 1 - high))
    samples = samples.reshape(-1, block.channels)
    begin = start + block.cut - first * block.stride
    return samples[begin : begin + end - start]


def _snaked(states: Tensor, snake: _Snake | None, before: int, after: int) -> Tensor:
    """Behind the snake, with rows of silence: `-before` of them in front and `after` behind."""
    rows, front = len(states), -before
    out = states.new_empty(front + rows + after, states.shape[1])
    out[:front], out[front + rows :] = 0.0, 0.0
    if snake is None:
        out[front : front + rows] = states
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found in the sound
            snake(states.numpy(), out[front : front + rows].numpy())
    return out


def _narrowed(low: int, high: int, length: int, reach: int) -> tuple[int, int, int]:
    """What is still known of a slice behind a convolution, and how many rows in front are no more."""
    skipped = reach if low > 0 else 0
    return low + skipped, high - (reach if high < length else 0), skipped


def _block(block: Any) -> _Block:
    up, units = block.conv_t1, [getattr(block, name) for name in UNITS]
    stride, weight = up.stride[0], up.weight
    # [in, out, 2 · stride] as a convolution of two taps: the earlier row gives the second half.
    taps = torch.stack([weight[:, :, stride:], weight[:, :, :stride]], dim=-1)
    joined = taps.permute(2, 1, 0, 3).reshape(-1, len(weight), 1, 2).contiguous(memory_format=torch.channels_last)
    return _Block(
        snake=_Snake.of(block.snake1),
        up=_Convolution(weight=joined, bias=None if up.bias is None else up.bias.repeat(stride)),
        stride=stride,
        cut=up.padding[0],
        units=[
            _Unit(
                before=_Snake.of(unit.snake1),
                by=_Convolution.of(unit.conv1),
                between=_Snake.of(unit.snake2),
                mix=_Convolution.of(unit.conv2),
            )
            for unit in units
        ],
    )
