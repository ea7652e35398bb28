"""What is known of Apple silicon by chip, macOS and torch: tables with their sources. No torch.

No Mac was at hand. So a row that no test on Linux can prove takes effect only where its probe passed (`probes/`).
"""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata

LONG_TILES_MACOS = (15, 1)
"""From here on torch lets a convolution on Metal give more than 65,536 outputs. Source: pytorch/pytorch#140726"""
LONG_TILES = (256, 8)
SLOW_BFLOAT16 = ("Apple M1", "Apple M2")
"""Chips that multiply bfloat16 by way of others. M1 Pro, torch 2.7: 4.28 TFLOPS in float32, 2.30 in bfloat16."""
GAIN = 1.3
"""How much faster float32 has to be, as measured there, to take twice the memory."""
LEAST_BYTES = 15e9
"""Of unified memory, for a DiT in float32 (6.3 GB at 2B)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadTorch:
    """Versions of torch that compute something of ours wrong on Metal."""

    before: tuple[int, int]
    dtypes: tuple[str, ...]
    """Dtypes of the LM that it is about."""
    why: str


BAD_TORCH = (
    BadTorch(
        before=(2, 13),
        dtypes=("bfloat16", "float16"),
        why="before torch 2.13 causal attention in 16 bits on Metal hears up to three tokens to come, without a word "
        "(pytorch/pytorch#195910): the LM reads its prompts so",
    ),
)


def bad_torch(dtype: str, version: str | None = None) -> BadTorch | None:
    """The reason not to run an LM of this dtype on Metal with the installed torch, or with `version`."""
    found = _numbers(torch_version() if version is None else version)
    return next((row for row in BAD_TORCH if found < row.before and dtype in row.dtypes), None)


def torch_version() -> str:
    """The installed one's; empty where there is none."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return ""


def mlx_version() -> str:
    """The installed one's; empty where there is none."""
    try:
        return metadata.version("mlx")
    except metadata.PackageNotFoundError:
        return ""


@cache
def chip() -> str:
    """`Apple M2 Pro`; empty elsewhere."""
    if platform.system() != "Darwin":
        return ""
    command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def has_long_tiles(macos: str) -> bool:
    """Whether this macOS has no limit of its own on a convolution's length."""
    return _numbers(macos) >= LONG_TILES_MACOS


def has_slow_bfloat16(name: str) -> bool:
    """Whether the DiT may be faster in float32 on this chip."""
    return name.startswith(SLOW_BFLOAT16)


def _numbers(version: str) -> tuple[int, ...]:
    head = version.partition("+")[0].split(".")[:2]
    return tuple(int(part) for part in head if part.isdecimal())
