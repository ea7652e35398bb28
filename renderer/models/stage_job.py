"""What a worker asks of a family: parts that load, jobs that run, who listens. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from _typeshed import DataclassInstance

    from renderer.artifacts import Artifact
    from renderer.models.model_files import ModelFiles, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class StageJob:
    """One stage of one take (or of several that share it)."""

    id: str
    """The job's key."""
    request: DataclassInstance
    upstream: Mapping[str, Artifact]
    """The results this job builds on, by the names under which its stage takes them."""


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
    by_device: bool = False
    """Whether another device of the same kind may do better: one that others use too has less memory."""


class DeviceLost(Exception):  # noqa: N818 - what happened
    """The device answers nobody in this process any more; raised by whoever runs stages, or as torch has it."""


class Listener(Protocol):
    """Whom a stage tells how far it is, and asks whether to go on."""

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """`done` of `total` units (`tokens`, `steps`, `tiles`) of a job; tokens may come a few at a time."""

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """A component (`lm`, `text_encoder`, `condition_encoder`, `dit`, `vae`, …) was read from disk."""

    def cancelled(self, job_id: str) -> bool:
        """Whether to abandon the job now; asked at each step and tile and every few tokens."""


class LoadedPart(Protocol):
    """A part resident on the device, which its stages' runners are given."""

    def close(self) -> None:
        """Drop the weights and free the device's memory."""


class Runner(Protocol):
    """What runs a stage on its part."""

    def __call__(self, part: Any, jobs: Sequence[StageJob], listener: Listener, /) -> Iterator[Done | Failed]:
        """Results as they come, in any order; a cancelled job yields nothing.

        One job's fault is a `Failed`; only what ends every job (a broken checkpoint) raises.
        """


class PartLoader(Protocol):
    """How a family's parts are loaded, in the worker: this is where torch comes in."""

    def prepare(self) -> None:
        """Import what every part needs, so that the first one loads without that wait."""

    def examine(self, part: str, files: ModelFiles) -> None:
        """Read what of a part only reading can tell, and only where that is quick: before other parts work for hours.

        Raises: ModelError when the checkpoint is not what it claims.
        """

    def prefetch(self, part: str, files: ModelFiles, settings: Settings) -> object | None:
        """Begin to read a part while another one works; what comes back goes to `load`, or is dropped.

        None where nothing is gained. Returns at once; a fault is told by `load`.
        """

    def load(
        self, part: str, files: ModelFiles, settings: Settings, listener: Listener, prefetched: Any = None
    ) -> LoadedPart:
        """The part, resident; `prefetched` is what `prefetch` gave for the same part, files and settings.

        Raises: ModelError when the checkpoint is not what it claims, ResourceError when it doesn't fit.
        """
