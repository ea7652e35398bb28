"""What would stop a run halfway, found before anything is loaded: a plan and settings go in, or an error comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.models import memory
from renderer.models.ace_step.stages import Stage
from renderer.models.catalog import layouts

if TYPE_CHECKING:
    from renderer.models.family import Settings
    from renderer.plan.jobs import Group, Plan


def refuse_what_cannot_run(plan: Plan, settings: Settings) -> None:
    """Look at every group of jobs as if it were to be loaded.

    Raises: ModelError for a model set that can't read the codes its LM is to write, ResourceError for a part that
    doesn't fit into memory.
    """
    longest = max((job.asked_seconds for job in plan.jobs), default=0.0)
    free = memory.available(settings.device)
    for group in plan.groups:
        _refuse_unread_codes(group)
        asked = [job.asked_seconds for job in group.jobs]
        memory.refuse_if_too_large(group.part, group.files, settings, max(asked) or longest, free=free)


def _refuse_unread_codes(group: Group) -> None:
    reads_codes = group.of(Stage.CODES) or any(Stage.CODES in job.upstream for job in group.of(Stage.LATENTS))
    if reads_codes and not layouts.has_audio_tokenizer(group.files):
        raise ModelError(
            f"`{group.files.name}` can't read the LM's codes",
            why=f"`{group.files.dit}` holds no audio_tokenizer and audio_token_detokenizer",
            help="take another model set, or set `thinking = false`",
        )
