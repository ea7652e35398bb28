"""What stages are given in place of real results: as long and as wide, and nobody listens to what comes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from renderer.artifacts import Codes, Cot, CotMetas, Latents
from renderer.facts import CODE_RATE, LATENT_CHANNELS, LATENT_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.artifacts import Artifact
    from renderer.models.model_files import ModelFiles
    from renderer.models.stage_spec import StageSpec

_THOUGHT = "bpm: 90\ncaption: slow piano\nkeyscale: A minor\nlanguage: en\ntimesignature: 4"


def upstream(stages: Mapping[str, StageSpec], stage: str, files: ModelFiles, seconds: float) -> dict[str, Artifact]:
    """What a stage builds on, by the names under which it takes it, as far as it can be stood in for."""
    needs = {name: stages[need].artifact for name, need in stages[stage].needs.items()}
    return {name: make(files, seconds) for name, kind in needs.items() if (make := _STAND_INS.get(kind))}


def _cot(files: ModelFiles, seconds: float) -> Cot:
    del files
    metas = CotMetas(bpm=90, caption="slow piano", duration=int(seconds), keyscale="A minor", language="en")
    return Cot(text=f"<think>\n{_THOUGHT}\n</think>", metas=metas)


def _codes(files: ModelFiles, seconds: float) -> Codes:
    del files
    return Codes(codes=np.arange(round(seconds * CODE_RATE), dtype=np.int32) % 7)


def _latents(files: ModelFiles, seconds: float) -> Latents:
    config = json.loads((Path(files.vae) / "config.json").read_text("utf-8"))
    shape = (round(seconds * LATENT_RATE), config.get("decoder_input_channels", LATENT_CHANNELS))
    return Latents(frames=np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


_STAND_INS: Mapping[type, Callable[[ModelFiles, float], Artifact]] = {Cot: _cot, Codes: _codes, Latents: _latents}
