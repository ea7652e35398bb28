"""What follows a part: while that runs, its weights are asked into the system's file cache."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from renderer.models.read_ahead import read_ahead

if TYPE_CHECKING:
    from renderer.plan.jobs import Group, Plan


def following(plan: Plan, running: Group) -> Group | None:
    """The first group of another part after it."""
    later = plan.groups[plan.groups.index(running) + 1 :]
    return next((group for group in later if group.part != running.part), None)


def prefetch_after(plan: Plan, running: Group) -> None:
    """Ask for the weights of what follows; where they are in memory already that costs nothing."""
    group = following(plan, running)
    if group is not None:
        threading.Thread(target=read_ahead, args=(group.part, group.files), daemon=True).start()
