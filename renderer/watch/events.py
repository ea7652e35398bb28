"""What can happen to a watch: what the world does, and how what it asked for turned out. Input of `step`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.run.events import RunEvent

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.errors import RendererError
    from renderer.plan.jobs import Job, TakePlan
    from renderer.song import Take
    from renderer.spec.diagnostics import Diagnostic
    from renderer.watch.notices import Refusal
    from renderer.watch.spec_files import Differences, SpecFiles
    from renderer.watch.state import RenderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The watch begins."""

    paths: tuple[Path, ...]
    """Where specs are looked for."""
    names: tuple[str, ...] = ()
    """The songs and takes that are meant of the last path; nothing: all that lies there."""
    reads_keys: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time went by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanged:
    """Something at a resolved path was written, moved or deleted, and may be one of the specs."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldersMoved:
    """A watched folder was moved, replaced or came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed:
    """Someone pressed a key on the terminal."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """A signal asks for the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesCompared:
    """`CompareFiles` is through."""

    files: SpecFiles
    differences: Differences
    """From the files as they were before; empty at first."""
    unchanged: tuple[Path, ...]
    """Touched, and holding what they held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecsRead:
    """`ReadSpecs` is through."""

    takes: tuple[TakePlan, ...]
    """Every take that the specs mean now and that can be planned; of broken specs, those of the last good ones."""
    without_preview: tuple[Take, ...] = ()
    """Edits, where previews are rendered: they are rendered in full length only."""
    diagnostics: tuple[Diagnostic, ...]
    fixed: tuple[Path, ...]
    """Files that had errors before and have none now."""
    refusals: tuple[Refusal, ...]
    """Of songs that can't be planned."""
    other_sounds: frozenset[str] = frozenset()
    """Songs with takes that are made from a sound file that was saved, or take their timbre from it."""
    run_keys: frozenset[str]
    """The keys of all jobs these takes have under the options of the render that runs; without one, none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecsUnreadable:
    """`ReadSpecs` found nothing of what was named; what was known before stays."""

    error: RendererError


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPlanned:
    """`PlanRequest` is through."""

    request: RenderRequest
    takes: tuple[tuple[TakePlan, ...], ...]
    """By outputs folder: one render writes to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderEnded:
    """`StartRender` is through, or couldn't be; its own events came before."""

    error: RendererError | None
    """What kept it from its end; None when it got there or was told to stop."""
    unfinished: tuple[Job, ...]
    """Jobs that had begun and were given up."""
    outputs: Path
    """The outputs folder it wrote to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockProbed:
    """`ProbeLock` is through."""

    is_free: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEnded:
    """`WritePage` is through."""

    address: str | None
    """A path, or where it is served; None when there was nothing to write or it failed."""
    error: RendererError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakesMeasured:
    """`StartMeasuring` found something new; the report doesn't tell of it yet."""


Event = (
    Started
    | Tick
    | FileChanged
    | FoldersMoved
    | KeyPressed
    | StopRequested
    | FilesCompared
    | SpecsRead
    | SpecsUnreadable
    | RequestPlanned
    | RenderEnded
    | LockProbed
    | PageEnded
    | TakesMeasured
    | RunEvent
)
