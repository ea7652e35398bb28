"""The job boundary of a part: one job's fault becomes a value, what ends every job is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch

from renderer.errors import DeviceFault, RendererError
from renderer.models.device import is_lost, tells_of_full_memory
from renderer.models.stage_job import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renderer.artifacts import Artifact
    from renderer.models.stage_job import StageJob


T = TypeVar("T")


class Abandoned(Exception):  # noqa: N818 - no error: the listener asked for it
    """The job was cancelled; it yields nothing."""


def run_alone(job: StageJob, work: Callable[[], Artifact]) -> Iterator[Done | Failed]:
    """`work`'s artifact as `Done`, its fault as `Failed`, nothing when it was abandoned.

    Raises: what `is_lost` says of that the device answers no one in this process any more.
    """
    try:
        yield Done(id=job.id, artifact=work())
    except Abandoned:
        return
    except Exception as error:
        if is_lost(error):
            raise
        # The job boundary: a night's run outlives one take.
        yield _failed(job, error)


def value_alone(job: StageJob, work: Callable[[], T]) -> T | Failed:
    """`work`'s result, or its fault.

    Raises: Abandoned when it was cancelled, and as `run_alone` does.
    """
    try:
        return work()
    except Abandoned:
        raise
    except Exception as error:
        if is_lost(error):
            raise
        return _failed(job, error)


def _failed(job: StageJob, error: Exception) -> Failed:
    if isinstance(error, RendererError):
        by_device = isinstance(error, DeviceFault)
        return Failed(id=job.id, message=error.message, why=error.why, help=error.help, by_device=by_device)
    if is_out_of_memory(error):
        return _failed(job, out_of_memory(error))
    return Failed(
        id=job.id, message=f"{type(error).__name__}: {error}", help="this is a fault in renderer; please report it"
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device's memory ran out."""
    return isinstance(error, torch.OutOfMemoryError) or tells_of_full_memory(error)


def out_of_memory(error: Exception) -> DeviceFault:
    """What to say when a device's memory ran out within one job."""
    return DeviceFault(
        "the device's memory is full",
        why=str(error).splitlines()[0],
        help="render a shorter take, take smaller VAE tiles, or close what else uses the device",
    )
