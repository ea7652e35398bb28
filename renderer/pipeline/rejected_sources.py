"""Edits of takes that a listener rejected, in the version that is planned: a vote on a former one concerns nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import SpecError
from renderer.spec.edit_sources import rejected_source
from renderer.spec.picks import Vote
from renderer.takes.versions import current_version
from renderer.takes.votes import all_picks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.pipeline.project import Project
    from renderer.plan.jobs import TakePlan
    from renderer.song import Take
    from renderer.spec.diagnostics import Diagnostic


def rejected_sources(project: Project) -> Mapping[Take, Diagnostic]:
    """Each take that is made from a rejected one -> what is wrong with its spec.

    Raises: SpecError for picks that can't be read and for models that can't be, UsageError as planning does.
    """
    sources = {take.source.name: take.source for take in project.takes if take.source}
    picks = all_picks(source.song for source in sources.values())
    asked = [name for name in sources if name in picks and picks[name].vote is Vote.REJECT]
    plans = project.plan([sources[name] for name in asked]).takes if asked else ()
    names = {plan.name for plan in plans if picks[plan.name].rejects(_key(plan, project))}
    return {
        take: rejected_source(take.song, take.variant, take.source.name)
        for take in project.takes
        if take.source and take.source.name in names
    }


def refuse_rejected(project: Project) -> None:
    """Render nothing that is made from a rejected take.

    Raises: SpecError with every edit that is; as `rejected_sources`.
    """
    if found := rejected_sources(project):
        raise SpecError(tuple(dict.fromkeys(found.values())))


def renderable(project: Project) -> tuple[Project, tuple[Diagnostic, ...]]:
    """The project less the songs that can't be rendered, where its options keep going, and what is wrong with those.

    Raises: SpecError when no song is left, and of edits of rejected takes where it isn't to keep going; as
    `Project.without_faulty` and `rejected_sources`.
    """
    if not project.options.keep_going:
        refuse_rejected(project)
        return project, ()
    project, faults = project.without_faulty()
    project, rejected = project.without(rejected_sources(project))
    return project, (*faults, *rejected)


def _key(plan: TakePlan, project: Project) -> str:
    """Of the version that edits are made from: as its spec is now, or, for edits alone, as it is on disk."""
    record = current_version(project.store, plan.name) if project.options.only_edits else None
    return record.key if record else plan.key
