"""What a watch wants done: output of `step`, carried out by the shell.

Questions are answered at once; what goes on in the background tells of its end by an event of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.pipeline.options import Options
    from renderer.plan.jobs import TakePlan
    from renderer.song import Take
    from renderer.spec.diagnostics import Diagnostic
    from renderer.watch.notices import Notice
    from renderer.watch.spec_files import SpecFiles
    from renderer.watch.state import RenderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """Let the user know."""

    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareFiles:
    """See which files the specs are made of now, and what changed. Answer: `FilesCompared`."""

    before: SpecFiles | None
    touched: frozenset[Path]
    """Resolved paths at which something was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFolders:
    """Watch `trees` with all that lies below, `folders` for what lies in them, and nothing else any more."""

    trees: frozenset[Path]
    folders: frozenset[Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSpecs:
    """Read the specs and plan what they mean. Answer: `SpecsRead` or `SpecsUnreadable`."""

    takes: tuple[Take, ...]
    """The last good ones."""
    diagnostics: tuple[Diagnostic, ...]
    """What was to be said of the specs before."""
    run_options: Options | None
    """Those of the render that runs."""
    saved: frozenset[Path] = frozenset()
    """Files that hold something else than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """Find out what of a request is still to be done. Answer: `RequestPlanned`."""

    request: RenderRequest
    takes: tuple[Take, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRender:
    """Render takes of one outputs folder in the background: the run's own events, then `RenderEnded`."""

    takes: tuple[TakePlan, ...]
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonJobs:
    """Give up what of the running render isn't wanted any more, at its next token, step or tile."""

    wanted: frozenset[str]
    """The keys of the jobs that may go on."""
    begin_no_more: bool
    """Also of those, only what has begun is finished: something else goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRender:
    """Let the running render, and any that would follow, end at its next token, step or tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """Start the worker and have it import what this take's model needs."""

    take: Take


@dataclass(frozen=True, slots=True, kw_only=True)
class DropWorker:
    """End the worker with its models and say so, if there is one."""

    idle_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KillWorker:
    """End the worker in the middle of what it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeLock:
    """See whether another render still holds the outputs folder. Answer: `LockProbed`."""

    outputs: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePage:
    """Write the report in the background: `PageEnded`."""

    takes: tuple[Take, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    """What there is to say of the specs."""
    options: Options
    """Whether it tells of previews or of takes in full length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPage:
    """Show the report in the user's browser."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMeasuring:
    """Measure finished takes in the background; where something is new: `TakesMeasured`."""

    takes: tuple[Take, ...]
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class StopMeasuring:
    """Leave the processor to a render."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quit:
    """End the watch."""


Question = CompareFiles | ReadSpecs | PlanRequest | ProbeLock
Action = (
    Announce
    | WatchFolders
    | StartRender
    | AbandonJobs
    | StopRender
    | WarmUp
    | DropWorker
    | KillWorker
    | WritePage
    | OpenPage
    | StartMeasuring
    | StopMeasuring
    | Quit
)
Effect = Question | Action
