"""What the kernels of DiT and VAE are compiled to, made while the LM works: from nothing it takes longer than a song.

Of Triton's the result stays on disk; what is read of it then, and Triton's own imports, are still a second of Python,
which would be taken from whoever loads or records meanwhile. A decoding LM mostly waits for its device.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import torch

from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.protocol.names import DIT, VAE
from renderer.models.ace_step.vae.part import launch_tile
from renderer.models.kernels.time_warping import make_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.models.model_files import ModelFiles, Settings


@cache
def compile_ahead(files: ModelFiles, settings: Settings) -> Callable[[], None]:
    """Begin, once for a model set; what comes back waits until all is there."""
    if not settings.of(VAE).device.startswith("cuda"):
        return lambda: None
    thread = threading.Thread(target=_compile, args=(files, settings), daemon=True)
    thread.start()
    return thread.join


def _compile(files: ModelFiles, settings: Settings) -> None:
    # A fault is told by whoever runs the kernels.
    # Triton keeps what it made by the current device.
    with suppress(Exception), torch.cuda.device(torch.device(settings.of(VAE).device)):
        if not devices.missing_for_triton():
            from renderer.models.kernels.launching import compiled_together  # noqa: PLC0415 - Triton's

            with compiled_together():
                _launch_layers(files, settings.of(DIT))
                launch_tile(files, settings.of(VAE))
        if (dit := torch.device(settings.of(DIT).device)).type == "cuda":
            make_kernel(dit)


def _launch_layers(files: ModelFiles, settings: Settings) -> None:
    """Those of DiT and text encoder."""
    dtypes = devices.dtypes(settings.device, settings.dtype)
    if devices.kernels(settings.device, dtypes.dit) != "triton":
        return
    from renderer.models.kernels.triton_elementwise import launch_layer  # noqa: PLC0415 - Triton's

    for name, dtype in (("dit", dtypes.dit), ("text_encoder", dtypes.text_encoder)):
        sizes = find_component(files, name).module.config
        launch_layer(getattr(torch, dtype), sizes.hidden_size, sizes.intermediate_size, sizes.head_dim)
