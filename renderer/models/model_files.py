"""Where a model set lies and how its stages run: JSON-able values, sent to the worker. Imports no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from renderer.errors import ModelError
    from renderer.models.numerics import Numerics


class Residency(StrEnum):
    """What becomes of the other parts when one is loaded."""

    ALONE = "alone"
    """They are dropped first: a batch runs stage by stage, and each has the memory to itself,
    but for the next one, which may be prefetched beside it where there is plenty."""
    BESIDE = "beside"
    """They stay while the one to run has room beside them, for whoever renders again soon."""


_NO_PATHS = ("family", "name", "kind", "layout", "loras", "lm_quantization")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Where a model set's parts lie on disk; JSON-able (paths as strings), sent to the worker.

    What comes after the name is ACE-Step's: a family without files leaves it at its default.
    """

    family: str
    """`ace_step`."""
    name: str
    kind: str = ""
    """`turbo`, `sft` or `base`."""
    layout: str = ""
    """`diffusers` or `original`."""
    dit: str = ""
    """Folder with the DiT, its condition encoder and audio tokenizer pair."""
    vae: str = ""
    text_encoder: str = ""
    """Folder with text encoder and its tokenizer (in the diffusers layout: the pipeline's folder)."""
    lm: str | None = None
    """Folder of the 5 Hz LM; None when no take needs one."""
    lm_quantization: str | None = None
    """What the LM is held in, a name of `QUANTISATIONS`; None as it is computed with."""
    loras: tuple[tuple[str, float], ...] = ()
    """PEFT folders with their scales, merged in this order."""
    dit_file: str | None = None
    """The DiT with its encoders in one file, in place of the weights in `dit`, whose sizes and silence stay."""

    def with_lm(self, lm: str | None) -> ModelFiles:
        """The same set with another LM's folder."""
        return replace(self, lm=lm)

    def absolute(self) -> ModelFiles:
        """The same files, as a process in another folder finds them."""
        paths = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in _NO_PATHS}
        return replace(
            self,
            loras=tuple((os.path.abspath(path), scale) for path, scale in self.loras),  # noqa: PTH100 - texts
            **{name: path and os.path.abspath(path) for name, path in paths.items()},  # noqa: PTH100 - texts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSettings:
    """How one part runs otherwise than the rest."""

    part: str
    device: str | None = None
    """Where; None with the rest."""
    dtype: str | None = None
    """In what; None as the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How stages run; what changes bytes enters the keys of the stages it touches."""

    device: str
    """`cpu`, `mps` or `cuda:N`: already picked."""
    dtype: str
    """`float32`, `bfloat16`, `float16` or `auto` (the device's policy, part by part)."""
    threads: int
    lm_slots: int
    vae_tile: int
    """Latent frames a VAE tile."""
    vae_overlap: int
    parts: tuple[PartSettings, ...] = ()
    """Those that run otherwise, by what was asked or what a probe found."""

    def of(self, part: str) -> Settings:
        """As this part runs."""
        own = next((one for one in self.parts if one.part == part), None)
        if own is None:
            return self
        return replace(self, device=own.device or self.device, dtype=own.dtype or self.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedModel:
    """A variant's model set as the plan sees it: facts, files and fingerprints, no weights."""

    facts: Any
    """What its family wants to know of it; nobody else asks."""
    files: ModelFiles
    weights: Mapping[str, str]
    """Fingerprint of each part's weights."""
    numerics: Mapping[str, Numerics]
    missing: tuple[str, ...] = ()
    """Parts that aren't on disk, by the names `renderer models fetch` takes."""
    vae: str | None = None
    """The name of its VAE; None for the set's own, however it is named."""
    weight_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of what files each part's weights are: name -> the head of its digest, for telling which one changed."""
    faults: Mapping[str, tuple[ModelError, ...]] = field(default_factory=dict)
    """What is wrong with the files of a part, which then has no fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """A file that a part reads."""

    name: str
    """As it enters the part's digest and is told of: the same wherever the set lies."""
    path: Path
