"""What the user is let know beside the runs' own events; lines and screen make of it what they like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.run.events import RunEvent

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.errors import RendererError
    from renderer.plan.jobs import Job, TakePlan
    from renderer.spec.diagnostics import Diagnostic
    from renderer.watch.spec_files import Differences


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStarted:
    """The watch began."""

    paths: tuple[Path, ...]
    """Where specs are looked for."""
    names: tuple[str, ...] = ()
    """The songs and takes that are meant of the last path; nothing: all that lies there."""
    reads_keys: bool
    """Whether keys can be pressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSaved:
    """Files were written; `unchanged` ones hold what they held before."""

    differences: Differences
    unchanged: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecsLoaded:
    """The specs were read: what there is, and all that is to say of them now."""

    takes: tuple[TakePlan, ...]
    num_without_preview: int = 0
    """Edits, where previews are rendered; 0 where that was told already."""
    diagnostics: tuple[Diagnostic, ...]
    new_diagnostics: tuple[Diagnostic, ...]
    """Those that weren't there before."""
    fixed: tuple[Path, ...]
    """Files that had errors before and have none now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something asked can't be done; the watch goes on."""

    song: str | None
    """None: it isn't one song's fault."""
    error: RendererError


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderStarted:
    """Takes are about to be rendered, and why."""

    takes: tuple[TakePlan, ...]
    """Those with something to run or to restore."""
    since_save_seconds: float | None
    """None: nobody saved, it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAbandoned:
    """A job under way was given up."""

    job: Job
    is_stale: bool
    """An edit made it useless; else something edited goes first, and it runs again afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWritten:
    """The report holds what was rendered so far."""

    address: str
    """Its path, or where it is served."""
    since_save_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDropped:
    """The models were dropped after a while of quiet."""

    idle_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to a key."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """All that was asked is done; the next save is waited for."""

    num_rendered: int
    """Since the last `Idle`."""
    num_failed: int
    num_faulty: int
    """Files with errors now."""


Notice = (
    WatchStarted
    | FilesSaved
    | SpecsLoaded
    | Refusal
    | RenderStarted
    | JobAbandoned
    | PageWritten
    | WorkerDropped
    | Answer
    | Idle
    | RunEvent
)
