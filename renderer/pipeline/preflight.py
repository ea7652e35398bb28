"""What would stop a run halfway, found before anything is loaded: a plan and settings go in, or an error comes out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from renderer.models import memory
from renderer.models.family import family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.models.model_files import Settings
    from renderer.plan.jobs import Plan


def refuse_what_cannot_run(plan: Plan, workers: Sequence[Settings]) -> None:
    """Look at every group of jobs as if each worker were to load it.

    Raises: ModelError for a model set that can't run the jobs, ResourceError for a part that
    doesn't fit into memory.
    """
    longest = max((job.asked_seconds for job in plan.jobs), default=0.0)
    settings, free = least_room(workers)
    for group in plan.groups:
        stages = {stage for job in group.jobs for stage in (job.stage, *(one.stage for one in job.inputs.values()))}
        family(group.files.family).refuse_unfit(group.files, stages)
        asked = [job.asked_seconds for job in group.jobs]
        own = settings.of(group.part).device
        left = free if own == settings.device else memory.available(own)
        memory.refuse_if_too_large(group.part, group.files, settings, max(asked) or longest, free=left)


def least_room(workers: Sequence[Settings]) -> tuple[Settings, int]:
    """The worker that has least memory, and how much: those of one device share what is free on it."""
    sharing = Counter(settings.device for settings in workers)
    free = {device: memory.available(device) // number for device, number in sharing.items()}
    least = min(workers, key=lambda settings: free[settings.device])
    return least, free[least.device]
