"""Compare two checkouts byte for byte: `python -m tests.golden.bytes BEFORE AFTER`.

Renders the same songs with the smallest set by the code of both, in one run on this machine, and compares codes,
latents and sound of each take. Nothing of it is kept: bytes differ between processors. Keys may differ, too.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import soundfile
from safetensors.numpy import load_file

from tests.checkout import Checkout
from tests.mini_factory.build import build_set

OPTIONS = ("--device", "cpu", "--dtype", "float32", "--threads", "1", "--lm-slots", "2", "--no-measure")
STAGES = ("codes", "latents")
HEAD = """caption = "slow blues, upright bass"
lyrics = "[verse]\\nthe kettle hums, the lamp is low"
[metas]
duration = 10
[output]
format = "wav"
[inference]
use_cot_caption = false
"""
SONGS = {
    "plain": "",
    "drawn": "lm_top_k = 40\nlm_top_p = 0.95\nlm_cfg_scale = 3.0\nlm_repetition_penalty = 1.1\nlm_seed = 4\n",
    "unguided": "lm_cfg_scale = 1.0\nuse_constrained_decoding = false\n",
    "greedy": "lm_temperature = 0.0\n",
    "random": 'infer_method = "sde"\nshift = 1.0\n',
    "twice": 'sampler_mode = "heun"\ninference_steps = 4\n',
    "timed": "timesteps = [1.0, 0.6, 0.3]\n",
    "waves": "dcw_enabled = true\ndcw_scaler = 0.1\n",
    "relative": "retake_seed = 3\nretake_variance = 0.4\n",
    "without-lm": "thinking = false\nuse_cot_metas = false\nuse_cot_language = false\n",
}
"""Songs, each with another way to render; what the two checkouts don't both know is left out by hand."""


def main(before: str, after: str) -> int:
    """The exit code: 1 when a byte differs."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "tiny")
        build_set(model, "tiny")
        made = [_render(checkout, model, Path(folder, name)) for name, checkout in _named(before, after)]
        takes = sorted({take for one in made for take in one})
        faults = [fault for take in takes for fault in _faults(take, *(one.get(take, {}) for one in made))]
    print(*faults or [f"{len(takes)} takes: codes, latents and sound are the same"], sep="\n")
    return 1 if faults or not takes else 0


def _named(before: str, after: str) -> tuple[tuple[str, Checkout], ...]:
    return ("before", Checkout(Path(before).resolve())), ("after", Checkout(Path(after).resolve()))


def _render(checkout: Checkout, model: Path, project: Path) -> dict[str, dict[str, bytes]]:
    """Take -> stage -> the bytes of what it made."""
    specs = project / "specs"
    specs.mkdir(parents=True)
    (project / "renderer.toml").write_text(f'model = "{model}"\n', "utf-8")
    for name, settings in SONGS.items():
        (specs / f"{name}.toml").write_text(f"seeds = [1]\n{HEAD}{settings}", "utf-8")
    checkout.refuse_other_code(project)
    checkout.run("-m", "renderer", "render", str(specs), *OPTIONS, folder=project)
    sidecars = sorted((project / "outputs").glob("*/*.toml"))
    return {path.stem: _made(path, project / "outputs" / ".store") for path in sidecars}


def _made(sidecar: Path, store: Path) -> dict[str, bytes]:
    keys = tomllib.loads(sidecar.read_text("utf-8"))["keys"]
    found = {stage: next((store / stage).rglob(f"{keys[stage]}.safetensors")) for stage in STAGES if stage in keys}
    sound, rate = soundfile.read(sidecar.with_suffix(".wav"), dtype="int32")
    stored = {stage: _arrays(load_file(path)) for stage, path in found.items()}
    return stored | {"sound": _arrays({"samples": sound, "rate": np.array(rate)})}


def _arrays(arrays: dict[str, np.ndarray]) -> bytes:
    parts = (
        f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes() for name, array in sorted(arrays.items())
    )
    return b"".join(parts)


def _faults(take: str, before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    stages = dict.fromkeys([*before, *after])
    return [f"{take}: other {stage}" for stage in stages if before.get(stage) != after.get(stage)]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
