"""A thousand takes: seconds to plan them and to look over a finished batch, beside the plain ways.

    python -m tests.bench.thousand_takes

The plain ways: a command for each song, where one plans all; hashing every take's audio, where records tell. The audio
is ten seconds of noise a take, 2 GB in all. Processor seconds with start-up, best of two; ends with a line of JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from tests.pipeline.thousand import NUM_SEEDS, NUM_SPECS, finish, write_specs

SETTINGS = ("--model", "mini", "--device", "cpu", "--threads", "1")
FEW_SPECS = 10


def cpu_seconds(folder: Path, *arguments: str) -> float:
    """Of one command."""
    taken = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "renderer", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def hashing_seconds(outputs: Path) -> float:
    """To read all audio, which holds what it should only if nothing touched it."""
    began = time.process_time()
    for path in outputs.glob("*/*.flac"):
        hashlib.sha256(path.read_bytes()).hexdigest()
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (480_000, 2))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "specs").mkdir()
        soundfile.write(folder / "noise.flac", noise, 48_000)
        write_specs(folder / "specs")
        options = Options(model="mini", device="cpu", threads=1)
        plan = cpu_seconds(folder, "plan", "--json", *SETTINGS)
        songs = [f"specs/song{number:03}.toml" for number in range(FEW_SPECS)]
        each = sum(cpu_seconds(folder, "plan", "--json", song, *SETTINGS) for song in songs)
        finish(Project(select([str(folder / "specs")], options).takes, options), (folder / "noise.flac").read_bytes())
        looked_over = cpu_seconds(folder, "render", *SETTINGS, "--no-measure")
        hashing = hashing_seconds(folder / "outputs")
        results = {
            "takes": NUM_SPECS * NUM_SEEDS,
            "plan": plan,
            "plan, a command for each song": each * NUM_SPECS / FEW_SPECS,
            "finished batch": looked_over,
            "hashing its audio": hashing,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }
    print(
        json.dumps({label: round(value, 2) if isinstance(value, float) else value for label, value in results.items()})
    )


if __name__ == "__main__":
    main()
