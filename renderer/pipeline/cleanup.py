"""What of a project's store could go, by its specs and votes, and its deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.pipeline.keep import disk_faults
from renderer.pipeline.measured import forget_measurements
from renderer.pipeline.page import shown_by
from renderer.pipeline.picks import all_picks, kept_by
from renderer.pipeline.status import without_spec
from renderer.store.gc import Wanted, find_garbage, free

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.pipeline.project import Project
    from renderer.store.gc import Garbage


def find(project: Project, *, older_than_seconds: float, orphans: bool) -> tuple[Garbage, ...]:
    """What no spec of the project, no keeper and no remaining version needs.

    Raises: UsageError for a picks file that can't be read, ModelError for takes that can't be planned.
    """
    plan = project.plan()
    keys = {key for take in plan.takes for key in (take.key, *take.keys.values())}
    picks = all_picks({take.take.song.name: take.take.song for take in plan.takes}.values())
    wanted = Wanted(
        keys=frozenset(keys),
        kept=kept_by(picks),
        orphans=frozenset(without_spec(project, plan) if orphans else ()),
        older_than_seconds=older_than_seconds,
    )
    return find_garbage(project.store, wanted)


def clean(project: Project, garbage: Sequence[Garbage]) -> tuple[Garbage, ...]:
    """Delete it; returns what stayed because it isn't what was recorded.

    Raises: StoreError when the disk refuses.
    """
    with disk_faults(project.store):
        stayed = tuple(free(project.store, garbage))
        forget_measurements(project.store)
        # The report may offer what is gone: the next render writes it anew.
        shown_by(project.store).unlink(missing_ok=True)
        project.store.journal.append("freed", {"files": len(garbage) - len(stayed)})
    return stayed
