"""What a machine has that results may depend on, and that a run on several machines has to know. Imports no torch.

`python -m renderer.models.node` reads from standard input which model sets and which folder are meant, and tells.
"""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
import json
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from renderer.errors import RendererError
from renderer.json_values import from_json, to_json
from renderer.models.catalog.identity import identity
from renderer.models.device import cuda_devices, missing_for_triton
from renderer.models.gpus import driver_version
from renderer.models.model_files import ModelFiles

LIBRARIES = ("renderer", "torch", "transformers", "diffusers", "llguidance", "numpy", "soundfile", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeQuestion:
    """What a machine is asked."""

    files: tuple[ModelFiles, ...] = ()
    folder: str = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a machine has."""

    name: str
    python: str
    machine: str
    """`Linux x86_64`."""
    versions: Mapping[str, str]
    gpus: tuple[str, ...] = ()
    """Names of all that it has."""
    driver: str = ""
    """Version of NVIDIA's; empty where there is none."""
    free_bytes: int = 0
    """In the folder asked about, or where that isn't there, in the home."""
    weights: tuple[Mapping[str, str], ...] = field(default_factory=tuple)
    """Of each set asked about: part -> digest; none of a set that can't be read there."""


def node_facts(question: NodeQuestion) -> NodeFacts:
    """What this machine has."""
    folder = Path(question.folder)
    return NodeFacts(
        name=platform.node(),
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        versions={name: _version(name) for name in LIBRARIES} | {"triton": _triton()},
        gpus=tuple(gpu.name for gpu in cuda_devices()),
        driver=driver_version(),
        free_bytes=shutil.disk_usage(folder if folder.is_dir() else Path.home()).free,
        weights=tuple(_weights(files) for files in question.files),
    )


def _weights(files: ModelFiles) -> Mapping[str, str]:
    try:
        return identity(files)
    except (RendererError, OSError):
        return {}


def _triton() -> str:
    """Its version, where it can make kernels."""
    return "none" if missing_for_triton() else _version("triton")


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "none"


def main() -> None:
    """Answer one question."""
    facts = node_facts(from_json(NodeQuestion, json.load(sys.stdin)))
    sys.stdout.write(json.dumps(to_json(facts)) + "\n")


if __name__ == "__main__":
    main()
