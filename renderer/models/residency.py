"""Whether a part can run beside others that are resident: its need against what the device has left. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.models import memory

if TYPE_CHECKING:
    from renderer.models.model_files import ModelFiles, Settings

USUAL_SECONDS = 240.0
"""The length of take that residents must leave room for; a longer one that then doesn't fit fails by itself."""


def has_room(part: str, files: ModelFiles, settings: Settings, *, resident: bool) -> bool:
    """Whether the device has room for the part's work, and for its weights unless they are `resident` already."""
    wanted = memory.need(part, files, settings, USUAL_SECONDS)
    return memory.available(settings.of(part).device) >= (wanted.work if resident else wanted.total)
