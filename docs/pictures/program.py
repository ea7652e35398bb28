"""A project of two songs, and how the real program is started in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEFAULTS = 'model = "mini"\nallow = ["unusual-duration"]\n'
PUERTO = """\
title = "Puerto viejo"
caption = "Warm indie pop, clean electric guitar, soft drums, a close and calm vocal"
lyrics = '''
[verse]
Bajo la lluvia vuelve el mar
con su manera de contar
cada ventana una señal
para el que tarda en regresar

[chorus]
Puerto viejo, guárdame un bar
que esta noche quiero cantar
'''
seeds = [1, 2, 3]
[metas]
bpm = 96
keyscale = "G major"
duration = 24
vocal_language = "es"
[variants.bolero]
caption = "Slow bolero, nylon guitar, brushed drums, a low and close vocal"
seeds = [1]
"""
FARO = """\
title = "Faro"
caption = "Warm synthwave, pulsing analog bass, gated drums, shimmering arpeggios, night"
instrumental = true
seeds = [1, 2]
[metas]
bpm = 104
duration = 20
"""


def make_project(folder: Path) -> Path:
    """Two short songs, with defaults that name `mini`."""
    (folder / "specs").mkdir(parents=True)
    texts = {"renderer.toml": DEFAULTS, "specs/puerto.toml": PUERTO, "specs/faro.toml": FARO}
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def command(*arguments: str) -> list[str]:
    """The command line of this checkout's program."""
    return [sys.executable, "-P", "-m", "renderer", *arguments]


def environment() -> dict[str, str]:
    """A terminal of colours, no GPU."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "CUDA_VISIBLE_DEVICES": ""}


def run(folder: Path, *arguments: str) -> None:
    """Run the program to its end.

    Raises: CalledProcessError when it fails.
    """
    subprocess.run(command(*arguments), cwd=folder, env=environment(), check=True)
