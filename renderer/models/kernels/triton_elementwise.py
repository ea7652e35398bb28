"""What stands between the matrix products of a transformer's layer, each as one kernel of Triton; CUDA, 16 bits.

In float32 from what is loaded to what is stored. A token's bits depend on that token alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from renderer.models.kernels import row_steps
from renderer.models.kernels.launching import launch

if TYPE_CHECKING:
    from torch import Tensor

    from renderer.models.kernels.elementwise import Turns

TOKENS = 8  # of one head, that a program looks at


@triton.jit(do_not_specialize=["num_tokens", "num_heads", "stride", "period"])  # type: ignore[untyped-decorator]
def _heads(  # type: ignore[no-untyped-def]
    states, weight, cos, sin, out, eps, num_tokens, num_heads, stride, period,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    OWN: tl.constexpr, TURN: tl.constexpr, TOKENS: tl.constexpr,
):  # fmt: skip
    token, head, column = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS), tl.program_id(1), tl.arange(0, BLOCK)
    inside = (token < num_tokens)[:, None] & (column < WIDTH)[None, :]
    start = states + token.to(tl.int64)[:, None] * stride + head * WIDTH
    scales = weight + head * WIDTH * OWN
    here = tl.load(start + column[None, :], mask=inside, other=0.0).to(tl.float32)
    length = tl.rsqrt(tl.sum(here * here, 1) / WIDTH + eps)[:, None]
    here *= length * tl.load(scales + column, mask=column < WIDTH, other=0.0).to(tl.float32)[None, :]
    if TURN:
        across = (column + WIDTH // 2) % WIDTH
        there = tl.load(start + across[None, :], mask=inside, other=0.0).to(tl.float32)
        there *= length * tl.load(scales + across, mask=column < WIDTH, other=0.0).to(tl.float32)[None, :]
        turn = (token % period)[:, None] * WIDTH + column[None, :]
        here *= tl.load(cos + turn, mask=inside, other=0.0).to(tl.float32)
        here += there * tl.load(sin + turn, mask=inside, other=0.0).to(tl.float32)
    place = (token.to(tl.int64)[:, None] * num_heads + head) * WIDTH + column[None, :]
    tl.store(out + place, here.to(out.dtype.element_ty), mask=inside)


@dataclass(frozen=True, slots=True)
class TritonElementwise:
    """See `elementwise.Elementwise`."""

    def norm(self, states: Tensor, weight: Tensor, eps: float) -> Tensor:
        """As the protocol says."""
        return row_steps.add_norm(states.reshape(-1, states.shape[-1]), None, weight, eps).view(states.shape)

    def add_norm(
        self, states: Tensor, delta: Tensor, weight: Tensor, eps: float, *, gate: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As the protocol says; in the states' place."""
        flat = states.view(-1, states.shape[-1])
        return states, row_steps.add_norm(flat, delta.reshape(flat.shape), weight, eps, gate=gate).view(states.shape)

    def heads(self, states: Tensor, weight: Tensor, eps: float, turns: Turns | None = None) -> Tensor:
        """As the protocol says. Heads of one token lie side by side, tokens at any distance."""
        heads, width = states.shape[-2:]
        flat = states.flatten(0, -3)
        out = states.new_empty(states.shape)
        cos, sin = turns or (None, None)
        launch(
            _heads,
            (triton.cdiv(len(flat), TOKENS), heads),
            flat,
            weight,
            cos,
            sin,
            out,
            eps,
            len(flat),
            heads,
            flat.stride(0),
            cos.numel() // width if cos is not None else 1,
            WIDTH=width,
            BLOCK=triton.next_power_of_2(width),
            OWN=int(weight.dim() > 1),
            TURN=cos is not None,
            TOKENS=TOKENS,
            num_warps=4,
        )
        return out

    def gated(self, both: Tensor) -> Tensor:
        """As the protocol says."""
        return row_steps.gate(both.view(-1, both.shape[-1])).view(*both.shape[:-1], -1)


def launch_layer(dtype: torch.dtype, width: int, inner: int, head_width: int) -> None:
    """Launch on the meta device what layers of such widths launch."""

    def made(*shape: int) -> Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    by, states, scale, turns = TritonElementwise(), made(1, 16, width), made(width), (made(16, 1, head_width),) * 2
    by.norm(states, scale, 0.0)
    for gate in (None, scale):
        by.add_norm(states, states, scale, 0.0, gate=gate)
    heads, own = made(1, 16, 2, head_width), made(2, head_width)
    for weight, turn in ((own[0], None), (own[0], turns), (own, turns)):
        by.heads(heads, weight, 0.0, turn)
    by.gated(made(1, 16, 2 * inner))
