"""The files that the golden specs name: an adapter, a VAE, a merge, two sounds; the same bytes on every machine."""

from __future__ import annotations

import json
import shutil
import wave
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

from renderer.models.catalog.zoo import MINI_FOLDER as WEIGHTS

if TYPE_CHECKING:
    from pathlib import Path

RANK = 4
MERGED = ("decoder.layers.0", "encoder.lyric_encoder", "tokenizer.quantizer", "detokenizer.layers.0")
"""What a DiT with its encoders is known by in one file."""


def write_weights(project: Path) -> None:
    """Into `adapters/`, `vaes/`, `merges/` and `audio/` of a project."""
    _write_adapter(project / "adapters" / "dust")
    _write_vae(project / "vaes" / "bright")
    _write_sound(project / "audio" / "voice.wav", seconds=3)
    _write_sound(project / "audio" / "demo.wav", seconds=11)
    (project / "merges").mkdir()
    save_file({f"{name}.weight": _numbers(2, 2) for name in MERGED}, project / "merges" / "half.safetensors")


def _write_adapter(folder: Path) -> None:
    width = json.loads((WEIGHTS / "transformer" / "config.json").read_text("utf-8"))["hidden_size"]
    folder.mkdir(parents=True)
    name = "base_model.model.layers.0.self_attn.q_proj"
    matrices = {f"{name}.lora_A.weight": _numbers(RANK, width), f"{name}.lora_B.weight": _numbers(width, RANK)}
    save_file(matrices, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": RANK, "lora_alpha": 8}), "utf-8")


def _write_vae(folder: Path) -> None:
    """Mini's own, its last weights zero."""
    shutil.copytree(WEIGHTS / "vae", folder)
    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-64] + bytes(64))


def _write_sound(file: Path, *, seconds: int) -> None:
    """A saw in 16 bits."""
    file.parent.mkdir(exist_ok=True)
    samples = (np.arange(48_000 * seconds) * 440 % 24_000 - 12_000).astype("<i2")
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(48_000)
        sound.writeframes(samples.tobytes())


def _numbers(*shape: int) -> np.ndarray:
    return (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 5 - 2) / 64
