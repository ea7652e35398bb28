"""What ACE-Step's checkpoints can do, for specs and plans; files, revisions and loading are `models/`'s matter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING

from renderer.facts import NUM_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MODEL = "turbo"
DEFAULT_MAX_DURATION = 240  # seconds: the longest of the lengths that ACE-Step calls most stable


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a DiT checkpoint can do. Source: ace-step/ACE-Step-1.5, docs/en/INFERENCE.md and handler.py."""

    kind: str
    """`turbo`, `sft` or `base`."""
    steps: int
    """What it was distilled for, or works well with, and takes where a spec names none."""
    max_steps: int | None = None
    """More of them than this are not run; None runs any number."""
    guidance_scale: float
    """When the spec names none; 1.0 where guidance is distilled into the weights."""
    guided: bool
    """Whether a guidance scale above 1 does anything."""
    shift: float
    """What it was trained with, and takes where a spec names none."""
    shifts: tuple[float, ...] | None
    """The shifts it was distilled for; None where it wasn't distilled, or for any. It runs with others, too."""
    dcw: bool
    """Whether DCW runs where a spec doesn't say: on checkpoints that weren't distilled it makes noise."""
    max_duration: int = DEFAULT_MAX_DURATION
    """Seconds a song may last where no `max_duration` says otherwise."""
    num_codes: int = NUM_CODES
    """Entries of its audio codebook, which pinned codes must be within."""
    tells_when: bool = True
    """Whether its attention tells when lyrics are sung, and with that where sections lie."""
    own_latents: bool = False
    """Whether its latents are not ACE-Step's, so that only a VAE made for it can decode them."""


_TURBO = Checkpoint(
    kind="turbo", steps=8, max_steps=8, guidance_scale=1.0, guided=False, shift=3.0, shifts=(1.0, 2.0, 3.0), dcw=True
)
_SFT = Checkpoint(kind="sft", steps=50, guidance_scale=7.0, guided=True, shift=1.0, shifts=None, dcw=False)
_BASE = replace(_SFT, kind="base")

CHECKPOINTS: Mapping[str, Checkpoint] = {
    "turbo": _TURBO,
    "turbo-shift1": replace(_TURBO, shift=1.0, shifts=(1.0,)),
    "turbo-shift3": replace(_TURBO, shifts=(3.0,)),
    "turbo-continuous": replace(_TURBO, shifts=None),
    "sft": _SFT,
    "base": _BASE,
    "xl-turbo": _TURBO,
    "xl-sft": _SFT,
    "xl-base": _BASE,
    "xl-turbo-diffusers": _TURBO,
    "xl-sft-diffusers": _SFT,
    "xl-base-diffusers": _BASE,
    # It learnt from songs of a minute; its tempo is heard more often without DCW, see its card.
    "mini": replace(_TURBO, dcw=False, max_duration=60, num_codes=1000, own_latents=True, tells_when=False),
}


PUBLISHED_PREFIX = "acestep-v15-"
"""How ACE-Step's own folders of checkpoints are called, before the name."""

DIT_FILE_SUFFIX = ".safetensors"
PUBLISHED_LM_PREFIX = "acestep-5Hz-lm-"
PUBLISHER = "ACE-Step/"
PUBLISHED_AT = ("https://huggingface.co/", "https://hf-mirror.com/", "https://modelscope.cn/models/", "hf://")
BUNDLE_NAME = "Ace-Step1.5"
"""ACE-Step's repository with the default DiT, LM, VAE and text encoder."""

LMS = ("0.6B", "1.7B", "4B", "mini")
VAES = ("official", "scragvae")
"""VAEs by name, all of ACE-Step's latents: its own, and decoders that others trained on."""


def is_dit_file(model: str) -> bool:
    """Whether a model is a DiT in one file, and not a name or a folder."""
    return model.lower().endswith(DIT_FILE_SUFFIX)


@cache
def published_as(written: str) -> str | None:
    """The known name of a model or LM that is written as ACE-Step publishes it; None for anything else.

    `acestep-v15-turbo`, `ACE-Step/acestep-v15-sft`, a repository's address, `acestep-5Hz-lm-0.6B`.
    """
    name = written.strip().rstrip("/")
    for beginning in (*PUBLISHED_AT, PUBLISHER):
        if name.lower().startswith(beginning.lower()):
            name = name[len(beginning) :]
    if name.lower() == BUNDLE_NAME.lower():
        return DEFAULT_MODEL
    for beginning, known in ((PUBLISHED_PREFIX, tuple(CHECKPOINTS)), (PUBLISHED_LM_PREFIX, LMS)):
        if name.lower().startswith(beginning.lower()):
            own = name[len(beginning) :].lower()
            return next((one for one in known if one.lower() == own and one != "mini"), None)
    return None


@cache
def checkpoint_of(model: str) -> Checkpoint | None:
    """What is known of a model: a name, or a folder called as it was published; None for any other folder."""
    folder = PurePath(model).name
    name = folder.removeprefix(PUBLISHED_PREFIX) if folder.startswith(PUBLISHED_PREFIX) else model
    return CHECKPOINTS.get(name)


def default_max_duration(model: str) -> int:
    """Seconds a song may last on that model where no `max_duration` says otherwise."""
    checkpoint = CHECKPOINTS.get(published_as(model) or model)
    return checkpoint.max_duration if checkpoint else DEFAULT_MAX_DURATION
