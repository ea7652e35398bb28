"""Where jobs' inputs come from and their results go, as the executor sees it. Knows no disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWrite:
    """A result on its way to the disk."""

    finish: Callable[[], Iterator[RunEvent]]
    """Returns once it is there; gives `JobDone`'s companions, such as `TakeDone`.

    Raises: InputLost when what belongs to it is damaged, StoreError when it can't be kept.
    """
    waits_for: tuple[Future[Any], ...] = ()
    """What `finish` would wait for."""
    num_bytes: int = 0
    """That it occupies meanwhile."""

    @property
    def ready(self) -> bool:
        """Whether `finish` needs not wait."""
        return all(future.done() for future in self.waits_for)


class Sink(Protocol):
    """Where jobs' inputs come from and their results go."""

    @property
    def spool_folder(self) -> Path:
        """Where workers on this machine may put what is large, under names of temporary files."""

    def upstream(self, job: Job) -> Mapping[str, Artifact]:
        """What the job builds on.

        Raises: InputLost when it is gone or damaged, StoreError when the folder can't be read.
        """

    def is_picked(self, job: Job) -> bool:
        """Whether the scores that the job waited for, which are all kept by now, choose one of its takes."""

    def write(self, job: Job, artifact: Artifact) -> PendingWrite:
        """Begin to put the result on disk.

        Raises: InputLost when what belongs to it is damaged, StoreError when it can't be kept.
        """
