"""The encoded silence of the original layout, which lies in a file of its own."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import torch

from renderer.errors import ModelError
from renderer.models.catalog.regular_file import regular

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def read_silence(path: Path, shape: tuple[int, ...]) -> Tensor:
    """[1, frames, channels], as `shape` says: what encoded silence looks like, stored channels first.

    Raises: ModelError when the file is missing, holds more than a tensor, or another shape.
    """
    regular(path)
    try:
        # Never anything but tensors: a pickle could run code.
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"`{path}` is no tensor", why=why, help="fetch it again") from error
    expected = (shape[0], shape[2], shape[1])
    if not isinstance(loaded, torch.Tensor) or tuple(loaded.shape) != expected or not loaded.is_floating_point():
        found = tuple(loaded.shape) if isinstance(loaded, torch.Tensor) else type(loaded).__name__
        raise ModelError(
            f"`{path}` holds {found}, expected is a tensor [1, channels, frames]",
            why=f"that is {expected} of floating point numbers here",
            help="fetch it again",
        )
    return loaded.transpose(1, 2).contiguous()
