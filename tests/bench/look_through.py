"""What looking through a set of the published sizes costs: `python -m tests.bench.look_through [FOLDER]`.

Writes the 2B turbo bundle (DiT, VAE, text encoder, 1.7B LM) as sparse files of 10 GB that take megabytes, then looks
through it in processes of their own: first with nothing remembered, then again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.facts import SILENCE_FRAMES
from renderer.models.ace_step.checkpoints import configs, shapes
from renderer.models.catalog.layouts import ORIGINAL_PREFIXES
from tests.bench.full_size_set import DIT_FOLDER, LM_FOLDER, LM_WIDTH, SIZES, TEXT_FOLDER, THINK, write_tokenizers
from tests.models.ace_step.layouts import original_name

if TYPE_CHECKING:
    from collections.abc import Mapping

NUM_MERGES = 151_387  # of Qwen's BPE
QWEN = {"model_type": "qwen3", "rope_theta": 1_000_000}
RUNS = 5
LOOK = """
import sys, time
from renderer.models.catalog import looked
from renderer.models.catalog import zoo
files = zoo.resolve(sys.argv[1]).files
began, worked = time.perf_counter(), time.process_time()
faults = looked.faults(files)
print(time.perf_counter() - began, time.process_time() - worked)
assert not faults, faults
"""


def write_set(folder: Path) -> None:
    """The bundle: headers, configs and tokenizers as they are published, holes in place of numbers."""
    _write_dit(folder / DIT_FOLDER)
    vae = {
        "downsampling_ratios": [2, 4, 4, 6, 10],
        "sampling_rate": 48_000,
        "audio_channels": 2,
        "_class_name": "AutoencoderOobleck",
    }
    _write(folder / "vae", "vae", vae, "diffusion_pytorch_model")
    text, lm = SIZES["full"].text, SIZES["full"].lm
    _write(folder / TEXT_FOLDER, "text_encoder", {**QWEN, "vocab_size": THINK + 2, **text}, "model")
    _write(folder / LM_FOLDER, "lm", {**QWEN, "vocab_size": LM_WIDTH, **lm}, "model")
    write_tokenizers(folder)
    for name in (TEXT_FOLDER, LM_FOLDER):
        _lengthen(folder / name / "tokenizer.json")


def _write_dit(folder: Path) -> None:
    config: dict[str, Any] = {}
    tensors: dict[str, tuple[int, ...]] = {}
    for component, prefix in reversed(ORIGINAL_PREFIXES.items()):
        sizes = configs.check_config(component, {}, folder)
        config |= {key: value for key, value in sizes.items() if value is not None}
        for name, shape in shapes.shapes(component, sizes).items():
            if name != "silence_latent":
                tensors[name if name == "null_condition_emb" else prefix + original_name(name)] = shape
    layers = ["full_attention" if layer % 2 else "sliding_attention" for layer in range(config["num_hidden_layers"])]
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "acestep", "layer_types": layers}))
    write_sparse(folder / "model.safetensors", tensors)
    _write_silence(folder / "silence_latent.pt")


def _write_silence(path: Path) -> None:
    import torch

    torch.save(torch.rand(1, 64, SILENCE_FRAMES), path)


def _write(folder: Path, component: str, config: Mapping[str, Any], stem: str) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    tensors = shapes.shapes(component, configs.check_config(component, config, folder))
    write_sparse(folder / f"{stem}.safetensors", tensors)


def write_sparse(path: Path, tensors: Mapping[str, tuple[int, ...]]) -> None:
    """A whole file in bfloat16, all of whose numbers are a hole."""
    header, end = {}, 0
    for name, shape in tensors.items():
        size = 2
        for length in shape:
            size *= length
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    written = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(written).to_bytes(8, "little") + written)
        file.truncate(8 + len(written) + end)


def _lengthen(path: Path) -> None:
    """As many merges as published; none of them is ever followed."""
    found = json.loads(path.read_text())
    found["model"]["merges"] += [[f"Ġ{number % 997}", f"n{number}"] for number in range(NUM_MERGES)]
    path.write_text(json.dumps(found, ensure_ascii=False, indent=2))


def look(folder: Path, cache: Path) -> tuple[float, float]:
    """Seconds in a process of its own, and those of them that it computed: less where others use the machine."""
    command = [sys.executable, "-c", LOOK, str(folder)]
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    told = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()
    return float(told[0]), float(told[1])


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else made) / "checkpoints"
        if not folder.exists():
            write_set(folder)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        taken = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
        print(f"{size / 1e9:.2f} GB, of which {taken / 1e6:.0f} MB lie on the drive")
        cold = [look(folder, Path(made) / f"cache{run}") for run in range(RUNS)]
        again = [look(folder, Path(made) / "cache0") for _ in range(RUNS)]
        for name, runs in (("nothing remembered", cold), ("remembered", again)):
            print(f"{name}: {' '.join(f'{wall:.3f} ({computed:.3f})' for wall, computed in runs)} s (of computing)")


if __name__ == "__main__":
    main()
