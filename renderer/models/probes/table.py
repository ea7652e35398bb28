"""The probes: what each tries, where its fault was reported, what mends it, and what is done where it is found.

Imports no torch. Others' reports are the only source of most rows: no Mac was at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 2
"""Raised by one when a probe or its bound changes: what devices gave before is then tried again."""
BOUNDS = {"float32": 1e-4, "bfloat16": 2e-2, "float16": 5e-3}
"""How far a result may be off, as a share of its largest value, by the dtype it is computed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One operation in one dtype."""

    name: str
    """In what is remembered: never changed."""
    operation: str
    """As users are told of it."""
    dtype: str
    parts: tuple[str, ...]
    """Parts that compute so."""
    issue: str
    """Where it was reported."""
    mended: str
    """The version that has no such fault."""
    remedy: str
    """A name of `REMEDIES`."""


REMEDIES = {
    "float32": "these parts compute in float32",
    "cpu": "these parts compute on the CPU",
    "short-tiles": "the VAE decodes in tiles of 32 frames",
    "not-on-mlx": "`--device mlx` is refused",
}
"""What is done where a probe is wrong, in words."""
UNKNOWN = "no version known"
_PYTORCH = "pytorch/pytorch"
_LM, _DIT, _VAE = "lm", "dit", "vae"


def _both(
    name: str, operation: str, parts: tuple[str, ...], issue: str, mended: str, wide_remedy: str = "cpu"
) -> tuple[Probe, Probe]:
    """In 16 bits, for which float32 is the way out, and in float32, from which only the CPU is."""
    narrow, wide = (
        Probe(
            name=f"{name}-{dtype}",
            operation=operation,
            dtype=dtype,
            parts=parts,
            issue=issue if "#" in issue or " " in issue else f"{_PYTORCH}#{issue}",
            mended=mended,
            remedy=remedy,
        )
        for dtype, remedy in (("bfloat16", "float32"), ("float32", wide_remedy))
    )
    return narrow, wide


PROBES: tuple[Probe, ...] = (
    *_both("linear-prompt", "a linear layer on a prompt", (_LM, _DIT), "180776", "torch 2.13"),
    *_both("linear-step", "a linear layer on a decoding step", (_LM,), "180776", "torch 2.13"),
    *_both("linear-bias", "a linear layer with bias on two rows", (_DIT,), "192934", UNKNOWN),
    *_both("causal", "causal attention", (_LM, _DIT), "195910", "torch 2.13"),
    *_both("decode-1024", "attention of rows under their own masks", (_LM,), "184180", UNKNOWN),
    *_both("decode-2048", "the same over 2,048 tokens", (_LM,), "174861", UNKNOWN),
    *_both("convolution", "a convolution to 491,520 samples", (_VAE,), "129207", "macOS 15.1", "short-tiles"),
    *_both("upsampling", "a transposed convolution to 491,520 samples", (_VAE,), "129207", "macOS 15.1", "short-tiles"),
    Probe(
        name="sort",
        operation="sort and running sum of 64,001 probabilities",
        dtype="float32",
        parts=(_LM,),
        issue="renderer's own: which token is drawn hangs on it",
        mended=UNKNOWN,
        remedy="cpu",
    ),
)

MLX_PROBES: tuple[Probe, ...] = tuple(
    probe
    for name, operation, issue in (
        ("mlx-linear", "a linear layer on a decoding step", "ml-explore/mlx#3534"),
        ("mlx-causal", "causal attention", "renderer's own: prompts are read so"),
        ("mlx-decode", "attention of rows under their own masks", "ml-explore/mlx#3897"),
        ("mlx-company", "a row's attention alone and among others", "ml-explore/mlx#3897"),
        ("mlx-8bit", "a linear layer in 8 bits", "renderer's own: `lm_quantization` computes so"),
    )
    for probe in _both(name, operation, (_LM,), issue, UNKNOWN, "not-on-mlx")
)
"""The same of MLX, whose device they are tried on."""
