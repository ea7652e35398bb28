"""What the published sizes take on a Mac's unified memory, by the renderer's own policy: nothing is rendered.

`python -m tests.bench.unified_memory`: files of the published shapes whose weights are holes, 16 GB that a stand-in for
the machine tells of, and what `memory.need` says of each part on `mps` and `mlx`, of a song of 60 s. Ends with JSON.
"""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

from renderer.errors import ResourceError
from renderer.models import memory
from renderer.models.catalog.zoo import resolve
from renderer.models.model_files import PartSettings, Settings
from tests.bench import full_size_set
from tests.bench.full_size_set import DIT_FOLDER, HEADS, LM_FOLDER, LM_WIDTH, SIZES, TEXT_FOLDER, THINK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.model_files import ModelFiles

GB = 1e9
SECONDS = 60.0
MACHINE, SYSTEM = 16 * 2**30, 2 * 2**30
"""Bytes of a Mac of 16 GB, and of what its system keeps."""
LM_4B = {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, **HEADS, "num_attention_heads": 32}
ON_MPS = Settings(device="mps", dtype="auto", threads=4, lm_slots=4, vae_tile=256, vae_overlap=8)
ON_MLX = replace(ON_MPS, parts=(PartSettings(part="lm", device="mlx"),))


def write_holes(tensors: Mapping[str, torch.Tensor], path: Path, **_: Any) -> None:
    """A safetensors file with these tensors' header, in bfloat16, and holes for their weights."""
    header, end = dict[str, Any](), 0
    for name, tensor in tensors.items():
        num_bytes = 2 * math.prod(tensor.shape)
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [end, end + num_bytes]}
        end += num_bytes
    head = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.truncate(8 + len(head) + end)


def write_qwen(folder: Path, width: dict[str, Any], *, vocab_size: int) -> None:
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(**width, vocab_size=vocab_size, tie_word_embeddings=True, max_position_embeddings=40_960)
    config.save_pretrained(folder)
    write_holes(Qwen3Model(config).state_dict(), folder / "model.safetensors")


def write_vae(folder: Path) -> None:
    from diffusers import AutoencoderOobleck

    vae = AutoencoderOobleck(downsampling_ratios=[2, 4, 4, 6, 10], sampling_rate=48_000)
    vae.save_config(folder)
    write_holes(vae.state_dict(), folder / "diffusion_pytorch_model.safetensors")


def write_set(folder: Path) -> None:
    """2B turbo, its VAE and text encoder, the 1.7B LM and the 4B one."""
    sizes = SIZES["full"]
    with torch.device("meta"):
        with (
            mock.patch.object(full_size_set, "save_file", write_holes),
            mock.patch.object(torch, "save"),
            mock.patch.object(torch.Tensor, "cpu", lambda tensor: tensor),
        ):
            full_size_set.write_dit(folder / DIT_FOLDER, sizes)
        write_vae(folder / "vae")
        write_qwen(folder / TEXT_FOLDER, sizes.text, vocab_size=THINK + 2)
        write_qwen(folder / LM_FOLDER, sizes.lm, vocab_size=LM_WIDTH)
        write_qwen(folder / "acestep-5Hz-lm-4B", LM_4B, vocab_size=LM_WIDTH)


def needs(files: ModelFiles, settings: Settings, parts: tuple[str, ...], *, free: int) -> dict[str, Any]:
    """Part -> gigabytes of weights and work, and whether it fits."""
    found = {}
    for part in parts:
        need = memory.need(part, files, settings, SECONDS)
        try:
            memory.refuse_if_too_large(part, files, settings, SECONDS, free=free)
            told = "fits"
        except ResourceError as error:
            told = error.help
        found[part] = {"weights": round(need.weights / GB, 2), "work": round(need.work / GB, 2), "told": told}
    return found


def main() -> None:
    machine = mock.Mock(total=MACHINE, available=MACHINE - SYSTEM)
    with (
        tempfile.TemporaryDirectory() as name,
        mock.patch.object(memory.psutil, "virtual_memory", return_value=machine),
        mock.patch.object(memory, "_free_in_container", return_value=MACHINE),
        mock.patch.object(memory.devices, "_has_bfloat16", return_value=True),
        mock.patch.object(memory.devices, "_has_mps", return_value=True),
    ):
        write_set(Path(name))
        found = resolve(name).files
        assert found is not None
        free, large = memory.available("mps"), found.with_lm(str(Path(name) / "acestep-5Hz-lm-4B"))
        every = {
            "turbo 2B, LM 1.7B on mps": needs(found, ON_MPS, ("lm", "dit", "vae"), free=free),
            "LM 1.7B in 8 bits on mlx": needs(replace(found, lm_quantization="8bit"), ON_MLX, ("lm",), free=free),
            "LM 4B on mlx": needs(large, ON_MLX, ("lm",), free=free),
            "LM 4B in 8 bits on mlx": needs(replace(large, lm_quantization="8bit"), ON_MLX, ("lm",), free=free),
        }
    for told, parts in every.items():
        for part, need in parts.items():
            print(f"{told:28} {part:4} {need['weights']:5.2f} GB and {need['work']:5.2f} to work: {need['told']}")
    peak = max(need["weights"] + need["work"] for need in every["turbo 2B, LM 1.7B on mps"].values())
    print(json.dumps({"seconds": SECONDS, "free": round(free / GB, 2), "peak": round(peak, 2), "needs": every}))


if __name__ == "__main__":
    main()
