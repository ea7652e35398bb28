"""All that a watch knows, as one frozen value: `step` makes the next one of it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from renderer.pipeline.options import Options
    from renderer.plan.jobs import Job, TakePlan
    from renderer.song import Take
    from renderer.spec.diagnostics import Diagnostic
    from renderer.watch.spec_files import SpecFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """What the user chose for a watch."""

    options: Options
    quiet_seconds: float = 0.3
    """Without a change, before the files are read: editors and git save in several moves."""
    idle_seconds: float = 600.0
    """Without anything to render, before the models are dropped."""
    measures: bool = True
    """Whether finished takes are measured while nothing is rendered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """Songs to render, as far as they need it."""

    songs: frozenset[str] | None
    """None: all there are by then."""
    options: Options

    def takes_of(self, takes: Iterable[Take]) -> tuple[Take, ...]:
        """Those of the requested songs."""
        return tuple(take for take in takes if self.songs is None or take.song.name in self.songs)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRun:
    """The render that runs, and what of it is still wanted."""

    request: RenderRequest
    takes: tuple[TakePlan, ...]
    has_progressed: bool = False
    """Until then it needs this process to itself: a page of many takes would hold it up."""
    wanted: frozenset[str] | None = None
    """The keys of the jobs that the specs still mean; None: nothing changed since it began."""
    begins_no_more: bool = False
    """Something edited goes first; the rest is taken up again afterwards."""

    @property
    def is_disturbed(self) -> bool:
        """Whether some of it was called off."""
        return self.wanted is not None or self.begins_no_more

    def is_stale(self, job: Job) -> bool:
        """Whether no spec means this job any more."""
        return self.wanted is not None and job.key not in self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """Whether the report tells of all that is rendered, and where it is."""

    is_behind: bool = False
    is_being_written: bool = False
    address: str | None = None
    """None before the first one."""

    @property
    def is_due(self) -> bool:
        """Whether it could be written now and would be another; never twice at once."""
        return self.is_behind and not self.is_being_written

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to write and nobody writing."""
        return not self.is_behind and not self.is_being_written


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchState:
    """All that a watch knows; times are those passed to `step`."""

    settings: WatchSettings
    awaits_answer: bool = False
    """Whether a question was asked: nothing else is decided before it is answered."""
    is_stopping: bool = False

    # The specs as last read.
    files: SpecFiles | None = None
    """None before the first look."""
    has_read: bool = False
    takes: tuple[Take, ...] = ()
    """Those that can be planned; of broken specs the last good ones."""
    diagnostics: tuple[Diagnostic, ...] = ()
    edited: frozenset[str] = frozenset()
    """Songs edited since the watch began."""

    # Saves that weren't looked at yet.
    touched: frozenset[Path] = frozenset()
    quiet_at: float | None = None
    """When the files are read, if nothing more is saved until then; None: nothing was saved."""
    saved_at: float | None = None
    """The first save of those that what is rendered now answers; None: nobody saved, it was asked for."""

    # What is rendered.
    requests: tuple[RenderRequest, ...] = ()
    """The first one stays until nothing of it is left to do: so nothing is lost between two renders."""
    run: RenderRun | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    """Take -> the key under which it failed: not tried again until something changes."""
    tried: Mapping[str, Take] = field(default_factory=dict)
    """Take -> what it was when a render was through with it: one that still needs something then has failed."""
    locked: Path | None = None
    """The outputs folder that another render holds: what was asked for waits until it is free."""
    probe_at: float = 0.0
    """When to see again whether it is."""

    # The worker.
    is_warmed_up: bool = False
    """Whether the worker was started once, ahead of what it is needed for."""
    has_worker: bool = False
    active_at: float = 0.0
    """When something was rendered last, or nothing was left to render."""

    # What is shown.
    shown: Options
    """What the report tells of: previews, or takes in full length."""
    page: PageState = field(default_factory=PageState)
    is_idle: bool = False
    """Whether it was said that all is done."""
    num_rendered: int = 0
    """Since that was said last."""
    num_failed: int = 0

    def with_page_behind(self) -> Self:
        """The report doesn't tell of everything any more."""
        return replace(self, page=replace(self.page, is_behind=True))

    def since_save(self, now: float) -> float | None:
        """Seconds from the save to `now`; None when nobody saved."""
        return None if self.saved_at is None else now - self.saved_at


def first_state(settings: WatchSettings, now: float) -> WatchState:
    """Before anything happened."""
    return WatchState(settings=settings, shown=settings.options, active_at=now)
