"""What a checkpoint must agree on before it counts: each check says what was expected, what was found, and where."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.facts import SAMPLE_RATE, SAMPLES_PER_LATENT
from renderer.models.ace_step.checkpoints.on_disk import CONFIG, place, read_config
from renderer.models.ace_step.checkpoints.shapes import DEFAULT_LEVELS
from renderer.models.catalog import layouts
from renderer.models.catalog.regular_file import FETCH_AGAIN

if TYPE_CHECKING:
    from torch import Tensor

    from renderer.models.catalog.layouts import Config
    from renderer.models.model_files import ModelFiles

STEREO = 2
SCHEDULER = {"num_train_timesteps": 1, "shift": 1.0}


def check_codebooks(files: ModelFiles, num_codes: int) -> None:
    """LM and audio tokenizer pair must speak of the same codes.

    Raises: ModelError when the LM writes `num_codes` codes and the pair reads others.
    """
    if not layouts.has_audio_tokenizer(files):
        return
    levels = read_config(files, "audio_tokenizer")["fsq_input_levels"] or DEFAULT_LEVELS
    where = place(files, "audio_tokenizer")[0] / CONFIG
    if num_codes != prod(levels):
        raise ModelError(
            "LM and DiT don't belong together",
            why=f"the LM in `{files.lm}` has {num_codes} audio codes, `{where}` reads {prod(levels)} (levels {levels})",
            help="take the LM that belongs to the model set",
        )


def check_silence(silence: Tensor, files: ModelFiles) -> None:
    """Encoded silence is not zero; where it is, the checkpoint was converted without it and drones.

    Raises: ModelError when it is all zero.
    """
    if not silence.any():
        raise ModelError(
            "the silence latent is all zero",
            why=f"the condition encoder in `{files.dit}` was saved without it; songs would drone",
            help=FETCH_AGAIN,
        )


def check_scheduler(files: ModelFiles) -> None:
    """The scheduler of a pipeline folder must leave the schedule alone, which is shifted before.

    Raises: ModelError when it would shift once more.
    """
    if files.layout != layouts.DIFFUSERS:
        return
    path = Path(files.dit) / "scheduler" / "scheduler_config.json"
    _check_values(path, layouts.read_json(path), SCHEDULER)


def check_vae(config: Config, path: Path) -> None:
    """The VAE must give 48 kHz stereo, 1,920 samples a latent frame.

    Raises: ModelError when it gives something else.
    """
    _check_values(path, config, {"sampling_rate": SAMPLE_RATE, "audio_channels": STEREO})
    ratios = config.get("downsampling_ratios", [])
    if prod(ratios) != SAMPLES_PER_LATENT:
        raise ModelError(
            f"`{path}` gives {prod(ratios)} samples a latent frame, expected are {SAMPLES_PER_LATENT}",
            why=f"its downsampling_ratios are {ratios}",
            help="take the VAE of ACE-Step 1.5",
        )


def _check_values(path: Path, config: Config, expected: Config) -> None:
    for key, value in expected.items():
        if config.get(key) != value:
            raise ModelError(
                f"`{path}` says {key} = {config.get(key)}, expected is {value}",
                why="ACE-Step 1.5 was trained with it",
                help=FETCH_AGAIN,
            )
