"""What results depend on beside their key: library versions, device, threads. Read without importing any of them."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING

from renderer.models.device import MLX
from renderer.provenance import Environment

if TYPE_CHECKING:
    from renderer.models.model_files import Settings
    from renderer.pipeline.models import Workers

LIBRARIES = ("renderer", "torch", "transformers", "diffusers", "llguidance", "numpy", "soundfile")


def environment(workers: Workers) -> Environment:
    """Versions, device, GPU and threads, as recorded with each result."""
    settings = workers.settings[0]
    return Environment(
        versions={name: _version(name) for name in (*LIBRARIES, *_extras(settings))},
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        device=settings.device.partition(":")[0],
        gpu=", ".join(workers.gpus) or None,
        driver=", ".join(workers.drivers) or None,
        threads=settings.threads,
    )


def _extras(settings: Settings) -> tuple[str, ...]:
    """Libraries that only some runs compute with."""
    return (MLX,) if any(one.device == MLX for one in settings.parts) else ()


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "unknown"
