"""The VAE's decoder on the tensor cores, channels last: 32 kernels a tile in place of 88. CUDA, 16 bits, with Triton.

Each convolution's kernel ends with the snake that comes next, so that no kernel stands between two convolutions; the
units of the last two blocks, which have most of the samples, are one kernel each. In float32 from a convolution's sums
to what the next one reads. Source of the architecture: huggingface/diffusers,
src/diffusers/models/autoencoders/autoencoder_oobleck.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from renderer.facts import VAE_REACH
from renderer.models.ace_step.vae.fused import UNITS
from renderer.models.device import capability
from renderer.models.kernels.convolution import BlockSizes, Convolution, SnakeConstants, convolve, residual_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

ONE_KERNEL = 128  # channels: so many fit into a block together
LARGE = (8, 0), (9, 0), (10, 0)
"""Compute capabilities of devices with 160 KB of memory and more a multiprocessor: others have 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockChoice:
    """Block sizes on one kind of device."""

    straight: BlockSizes
    """Of convolutions one by one."""
    unit: BlockSizes
    last: BlockSizes
    """Of the convolution to two channels."""


CHOICES = {
    True: BlockChoice(
        straight=BlockSizes(128, 128, 64, 4, 3),
        unit=BlockSizes(128, 128, 64, 4, 3),
        last=BlockSizes(256, 16, 64, 8, 3),
    ),
    False: BlockChoice(
        straight=BlockSizes(128, 128, 32, 8, 3),
        unit=BlockSizes(64, 128, 32, 4, 3),
        last=BlockSizes(128, 16, 32, 4, 3),
    ),
}
"""Measured once, on an H200; for devices of less memory the largest that fit."""


def choice_of(device: torch.device) -> BlockChoice:
    """By what the device is, never by a clock: another choice is another rounding."""
    # Of the driver: torch's own question would begin CUDA, before whoever tells that it can't has prepared it.
    large = device.type != "cuda" or capability(device.index or 0) in LARGE
    return CHOICES[large]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    by: Convolution
    inner: SnakeConstants
    mix: Convolution
    snake: SnakeConstants
    """What comes behind it: the next unit's, block's or the last convolution's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    up: Convolution
    stride: int
    padding: int
    snake: SnakeConstants
    """Its first unit's."""
    units: Sequence[_Unit]


class ChannelsLast(nn.Module):
    """diffusers' decoder, whose weight norms are folded, as such kernels."""

    @torch.no_grad()
    def __init__(self, decoder: Any, choice: BlockChoice) -> None:
        super().__init__()
        self._choice, blocks = choice, list(decoder.block)
        self._first = _straight(decoder.conv1)
        # Where whoever holds the module looks for the dtype that it takes.
        self.weight = nn.Parameter(self._first.weight, requires_grad=False)
        self._before = _snake(blocks[0].snake1)
        behind = [*(block.snake1 for block in blocks[1:]), decoder.snake1]
        self._blocks = [_block(block, after) for block, after in zip(blocks, behind, strict=True)]
        self._last = _straight(decoder.conv2)

    def forward(self, latents: Tensor) -> Tensor:
        """[1, channels, frames] to float32 [1, channels, samples]."""
        states = latents[0].T.contiguous()
        states = self._convolve(states, self._first, snake=self._before)
        for block in self._blocks:
            states = self._through(block, states)
        channels = self._last.weight.shape[-1]
        sound = torch.empty(channels, len(states), dtype=torch.float32, device=states.device)
        convolve(states, self._last, sound.T, self._choice.last)
        return sound[None]

    def _through(self, block: _Block, states: Tensor) -> Tensor:
        residual, states = self._upsampled(block, states)
        for number, unit in enumerate(block.units):
            last = number == len(block.units) - 1
            # Of wide units, which are few, the last sum is kept though nobody reads it: one kernel less to compile.
            raw = None if last and residual.shape[1] <= ONE_KERNEL else torch.empty_like(residual)
            states, residual = self._unit(unit, states, residual, raw), residual if raw is None else raw
        return states

    def _upsampled(self, block: _Block, states: Tensor) -> tuple[Tensor, Tensor]:
        """The samples before and behind the first snake. One product's row holds a stride of samples."""
        channels, length = len(block.up.bias), len(states)
        samples = (length + 1) * block.stride - 2 * block.padding
        raw, out = (states.new_empty(samples, channels) for _ in range(2))
        convolve(
            states,
            block.up,
            out,
            self._choice.straight,
            snake=block.snake,
            raw=raw,
            cut=block.padding,
        )
        return raw, out

    def _unit(self, unit: _Unit, states: Tensor, residual: Tensor, raw: Tensor | None) -> Tensor:
        if states.shape[1] <= ONE_KERNEL:
            out, blocks = torch.empty_like(states), self._choice.unit
            return residual_unit(states, unit.by, unit.inner, unit.mix, residual, unit.snake, out, blocks, raw=raw)
        hidden = self._convolve(states, unit.by, snake=unit.inner)
        return self._convolve(hidden, unit.mix, snake=unit.snake, residual=residual, raw=raw)

    def _convolve(self, states: Tensor, by: Convolution, **more: Any) -> Tensor:
        out = states.new_empty(len(states), by.weight.shape[-1])
        return convolve(states, by, out, self._choice.straight, **more)


@torch.no_grad()
def launch_tile(decoder: Any, dtype: torch.dtype, choice: BlockChoice) -> None:
    """Launch what a tile launches on the meta device, where the decoder lies."""
    made = ChannelsLast(decoder.to(dtype), choice)
    made(torch.empty(1, made.weight.shape[1], VAE_REACH, dtype=dtype, device="meta"))


def _block(block: Any, after: Any) -> _Block:
    units = [getattr(block, name) for name in UNITS]
    snakes = [*(unit.snake1 for unit in units[1:]), after]
    up = block.conv_t1
    return _Block(
        up=_transposed(up),
        stride=up.stride[0],
        padding=up.padding[0],
        snake=_snake(units[0].snake1),
        units=[
            _Unit(by=_straight(unit.conv1), inner=_snake(unit.snake2), mix=_straight(unit.conv2), snake=_snake(snake))
            for unit, snake in zip(units, snakes, strict=True)
        ],
    )


def _snake(snake: Any) -> SnakeConstants:
    """Frequency in half turns, depth as diffusers has it."""
    alpha, beta = (value.flatten().float() for value in (snake.alpha, snake.beta))
    if snake.logscale:
        alpha, beta = alpha.exp(), beta.exp()
    return SnakeConstants(turns=alpha / math.pi, depth=(beta + 1e-9).reciprocal())


def _straight(convolution: Any) -> Convolution:
    weight = convolution.weight.permute(2, 1, 0).contiguous()
    return Convolution(weight, _bias(convolution), convolution.dilation[0], convolution.padding[0])


def _transposed(convolution: Any) -> Convolution:
    """As a convolution of two taps whose row holds `stride` samples, those of one input and of the one before."""
    weight, stride = convolution.weight, convolution.stride[0]
    num_in, num_out, _ = weight.shape
    halves = [weight[:, :, stride:], weight[:, :, :stride]]
    taps = torch.stack([half.permute(0, 2, 1).reshape(num_in, stride * num_out) for half in halves])
    return Convolution(taps.contiguous(), _bias(convolution), 1, 1)


def _bias(convolution: Any) -> Tensor:
    if convolution.bias is None:
        return torch.zeros(convolution.out_channels, device=convolution.weight.device)
    bias: Tensor = convolution.bias.float()
    return bias
