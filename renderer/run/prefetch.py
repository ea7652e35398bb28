"""While a part runs, the weights of the part that follows are asked into the system's file cache."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from renderer.models.read_ahead import read_ahead

if TYPE_CHECKING:
    from renderer.plan.jobs import Group, Plan


def prefetch_after(plan: Plan, running: Group) -> None:
    """Ask for the weights of the first other part after it; where they are in memory already that costs nothing."""
    later = plan.groups[plan.groups.index(running) + 1 :]
    following = next((group for group in later if group.part != running.part), None)
    if following is not None:
        threading.Thread(target=read_ahead, args=(following.part, following.files), daemon=True).start()
