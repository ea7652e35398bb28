"""What would stop a run halfway, found before anything is loaded: a plan and settings go in, or an error comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.models import memory
from renderer.models.family import family

if TYPE_CHECKING:
    from renderer.models.model_files import Settings
    from renderer.plan.jobs import Plan


def refuse_what_cannot_run(plan: Plan, settings: Settings) -> None:
    """Look at every group of jobs as if it were to be loaded.

    Raises: ModelError for a model set that can't run the jobs, ResourceError for a part that
    doesn't fit into memory.
    """
    longest = max((job.asked_seconds for job in plan.jobs), default=0.0)
    free = memory.available(settings.device)
    for group in plan.groups:
        stages = {stage for job in group.jobs for stage in (job.stage, *(one.stage for one in job.inputs.values()))}
        family(group.files.family).refuse_unfit(group.files, stages)
        asked = [job.asked_seconds for job in group.jobs]
        memory.refuse_if_too_large(group.part, group.files, settings, max(asked) or longest, free=free)
