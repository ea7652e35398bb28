"""Runs one stage of the training or all: `python -m tests.mini_factory.train all --work DIR --scale 0.02`.

Stages, each from files and to files below DIR: `codec` (VAE, silence, tokenizer pair, first encoded songs), `songs`
(more encoded songs), `dit` (text and condition encoders with the DiT), `lm`. `all` runs `codec`, then the other three
side by side. On a set that is there, `kin` encodes songs that belong together, and `edits` beside it teaches the DiT
masks, covers and reference voices. A stage that was stopped goes on where it stood.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.processes import inherited, python
from tests.mini_factory.train.recipe import DONE_FILE, READY_FILE, Recipe, open_set

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

BESIDE = ("dit", "lm", "songs")
"""Stages that run side by side."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run the stage."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=["codec", *BESIDE, "kin", "edits", "all"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2, help="processes that compose or prepare texts")
    parser.add_argument("--minutes", type=float, default=60.0, help="the longest a stage may learn")
    parser.add_argument("--codec-minutes", type=float, help="the same for the codec, where `all` is run")
    parser.add_argument("--vae", type=Path, help="folder with a vae/ taught before, to build on")
    parser.add_argument("--launch", choices=["eager", "graph"], help="graph on a GPU, eager elsewhere")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    recipe = Recipe(
        work=asked.work,
        device=asked.device,
        scale=asked.scale,
        workers=asked.workers,
        minutes=asked.minutes,
        vae=asked.vae,
        launch=asked.launch or ("eager" if asked.device == "cpu" else "graph"),
    )
    if asked.stage == "all":
        run_all(recipe, asked.codec_minutes or asked.minutes)
    else:
        from tests.mini_factory.train.stages import STAGES

        STAGES[asked.stage](recipe)


def run_all(recipe: Recipe, codec_minutes: float) -> None:
    """The codec, then what builds on it side by side; songs are made as long as the LM learns.

    Raises: CalledProcessError when a stage failed.
    """
    recipe.work.mkdir(parents=True, exist_ok=True)
    open_set(recipe)
    running = {}
    if not (recipe.work / DONE_FILE).exists():
        (recipe.work / READY_FILE).unlink(missing_ok=True)
        running["codec"] = start(recipe, "codec", codec_minutes)
        while running["codec"].poll() is None and not (recipe.work / READY_FILE).exists():
            time.sleep(0.2)
        refuse_failed(running)
    running |= {stage: start(recipe, stage, recipe.minutes) for stage in BESIDE}
    try:
        while any(process.poll() is None for stage, process in running.items() if stage != "songs"):
            refuse_failed(running)
            time.sleep(0.2)
        refuse_failed(running)
    finally:
        for process in running.values():
            process.terminate()
            process.wait()


def start(recipe: Recipe, stage: str, minutes: float) -> subprocess.Popen[bytes]:
    """A stage in a process of its own; its log goes to a file of its name too long to share a terminal."""
    given = {"work": recipe.work, "device": recipe.device, "scale": recipe.scale, "minutes": minutes}
    given |= {"workers": recipe.workers, "launch": recipe.launch}
    if recipe.vae is not None:
        given["vae"] = recipe.vae
    options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    log.info("%s starts; its log is %s", stage, recipe.work / f"{stage}.log")
    with (recipe.work / f"{stage}.log").open("ab") as told:
        return subprocess.Popen(python("-m", __package__, stage, *options), env=inherited(), stdout=told, stderr=told)


def refuse_failed(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Let only running and finished stages through.

    Raises: CalledProcessError for the first that failed.
    """
    for process in running.values():
        if process.poll():
            raise subprocess.CalledProcessError(process.returncode, process.args)


if __name__ == "__main__":
    main()
