"""Specs and store -> what is new, changed, failed, done, and what no spec asks for. Reads only; waits for no render."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.plan.jobs import Why
from renderer.plan.reasons import environment_changes
from renderer.spec.take_names import preview_named
from renderer.store.journal_lines import TakeFailedLine

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.pipeline.project import Project
    from renderer.plan.jobs import Change, Plan, TakePlan
    from renderer.store.takes import TakeRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One recorded version of a take."""

    record: TakeRecord
    place: Path | None
    """Where its audio lies; None when it was deleted or altered."""
    is_asked: bool
    """Whether it is what the spec asks for now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStatus:
    """Where a take stands."""

    plan: TakePlan
    elsewhere: tuple[Change, ...] = ()
    """How the surroundings it was made in differ from today's; its bytes count all the same."""
    last_failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where everything stands."""

    takes: tuple[TakeStatus, ...]
    without_spec: tuple[str, ...]
    """Takes on disk that no spec asks for."""

    def of(self, why: Why) -> tuple[TakeStatus, ...]:
        """The takes with that reason."""
        return tuple(take for take in self.takes if take.plan.why is why)


def make_status(project: Project) -> Status:
    """Where the project's takes stand.

    Raises: ModelError, UsageError for takes that can't be planned.
    """
    plan = project.plan()
    failures = _failures(project)
    return Status(
        takes=tuple(_status(project, take, failures.get(take.name, "")) for take in plan.takes),
        without_spec=without_spec(project, plan),
    )


def without_spec(project: Project, plan: Plan) -> tuple[str, ...]:
    """Recorded takes that the plan doesn't know; a preview belongs to the take it previews."""
    asked = {_whole(take.name) for take in plan.takes}
    return tuple(name for name in project.store.take_names() if _whole(name) not in asked)


def versions(project: Project, plan: TakePlan) -> tuple[Version, ...]:
    """Every recorded version of the take, the newest first."""
    store = project.store
    return tuple(
        Version(record=record, place=store.find(record), is_asked=record.key == plan.key and not record.remade)
        for record in store.versions(plan.name)
    )


def made_elsewhere(project: Project, plan: TakePlan) -> tuple[Change, ...]:
    """How the surroundings that a finished take was made in differ from today's; its bytes count all the same."""
    made_in, now = plan.made_in, project.environment
    return () if made_in is None or made_in is now else environment_changes(made_in, now)


def _status(project: Project, plan: TakePlan, failure: str) -> TakeStatus:
    elsewhere = made_elsewhere(project, plan)
    return TakeStatus(plan=plan, elsewhere=elsewhere, last_failure=failure if plan.why is Why.FAILED else "")


def _failures(project: Project) -> dict[str, str]:
    lines = (entry.line for entry in project.store.journal.lines("take-failed"))
    return {line.take: f"{line.message} (in {line.stage})" for line in lines if isinstance(line, TakeFailedLine)}


def _whole(name: str) -> str:
    preview = preview_named(name)
    return preview[0] if preview else name
