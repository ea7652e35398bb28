"""The seam between running and models: what a stage is, and the table of families. Imports no torch.

A family turns `ModelFiles` into stages; the worker knows only these protocols.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from renderer.artifacts import Artifact
    from renderer.models.ace_step.protocol.requests import StageRequest


class Stage(StrEnum):
    """The stages of a take, in the order of the data's way."""

    COT = "cot"
    CODES = "codes"
    LATENTS = "latents"
    WAVEFORM = "waveform"


class Part(StrEnum):
    """What is resident together: one part is loaded for one or more stages."""

    LM = "lm"
    DIT = "dit"
    VAE = "vae"


class Residency(StrEnum):
    """What becomes of the other parts when one is loaded."""

    ALONE = "alone"
    """They are dropped first: a batch runs stage by stage, and each has the memory to itself."""
    BESIDE = "beside"
    """They stay while the one to run has room beside them, for whoever renders again soon."""


PART_OF: Mapping[Stage, Part] = {
    Stage.COT: Part.LM,
    Stage.CODES: Part.LM,
    Stage.LATENTS: Part.DIT,
    Stage.WAVEFORM: Part.VAE,
}


_NO_PATHS = ("family", "name", "kind", "layout", "loras")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Where a model set's parts lie on disk; JSON-able (paths as strings), sent to the worker."""

    family: str
    """`ace_step`."""
    name: str
    kind: str
    """`turbo`, `sft` or `base`."""
    layout: str
    """`diffusers` or `original`."""
    dit: str
    """Folder with the DiT, its condition encoder and audio tokenizer pair."""
    vae: str
    text_encoder: str
    """Folder with text encoder and its tokenizer (in the diffusers layout: the pipeline's folder)."""
    lm: str | None
    """Folder of the 5 Hz LM; None when no take needs one."""
    loras: tuple[tuple[str, float], ...] = ()
    """PEFT folders with their scales, merged in this order."""
    dit_file: str | None = None
    """The DiT with its encoders in one file, in place of the weights in `dit`, whose sizes and silence stay."""

    def read_by(self, part: Part) -> tuple[object, ...]:
        """What of the set a part is made from: sets that have it in common share the part."""
        of_part: Mapping[Part, tuple[object, ...]] = {
            Part.LM: (self.lm,),
            Part.DIT: (self.layout, self.kind, self.dit, self.dit_file, self.text_encoder, self.loras),
            Part.VAE: (self.vae,),
        }
        return (self.family, *of_part[part])

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StageJob:
    """One stage of one take (or of several that share it)."""

    id: str
    """The job's key."""
    request: StageRequest
    upstream: Mapping[Stage, Artifact]
    """The results this job builds on: `cot` for codes, `cot` and `codes` for latents, `latents` for the waveform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A job's result."""

    id: str
    artifact: Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A job that failed alone: what, why and what to do."""

    id: str
    message: str
    why: str = ""
    help: str = ""


class Listener(Protocol):
    """Whom a stage tells how far it is, and asks whether to go on."""

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """`done` of `total` units (`tokens`, `steps`, `tiles`) of a job; called at each of them."""

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """A component (`lm`, `text_encoder`, `condition_encoder`, `dit`, `vae`, …) was read from disk."""

    def cancelled(self, job_id: str) -> bool:
        """Whether to abandon the job now; asked at each token, step and tile."""


class LoadedPart(Protocol):
    """A part resident on the device, able to run its stages."""

    def run(self, stage: Stage, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """Results as they come, in any order; a cancelled job yields nothing.

        One job's fault is a `Failed`; only what ends every job (a broken checkpoint) raises.
        """

    def close(self) -> None:
        """Drop the weights and free the device's memory."""


class Family(Protocol):
    """A family of models: how its parts are loaded."""

    def prepare(self) -> None:
        """Import what every part needs, so that the first one loads without that wait."""

    def examine(self, part: Part, files: ModelFiles) -> None:
        """Read what of a part only reading can tell, and only where that is quick: before other parts work for hours.

        Raises: ModelError when the checkpoint is not what it claims.
        """

    def load(self, part: Part, files: ModelFiles, settings: Settings, listener: Listener) -> LoadedPart:
        """The part, resident.

        Raises: ModelError when the checkpoint is not what it claims, ResourceError when it doesn't fit.
        """


def family(name: str) -> Family:
    """The family of that name, imported now (this is where torch comes in)."""
    from renderer.models.ace_step import parts  # noqa: PLC0415 - torch only from here on

    families: dict[str, Family] = {"ace_step": parts.AceStep()}
    return families[name]
