"""Run events -> the terminal: one bar a part, or plain lines where nobody watches. Progress is drawn only here."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from renderer.models.family import PART_OF, Part
from renderer.run.events import (
    ComponentLoaded,
    JobDone,
    JobProgress,
    PartStarted,
    RunPlanned,
    TakeDone,
    TakeFailed,
    WorkerRestarted,
)
from renderer.spec.diagnostics import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from renderer.run.events import RunEvent

    Listen = Callable[[RunEvent], None]

PART_NAMES = {Part.LM: "language model", Part.DIT: "diffusion", Part.VAE: "decoding"}
_LINE_SECONDS = 10.0


@contextmanager
def showing(console: Console) -> Iterator[Listen]:
    """A listener that shows a run on the console."""
    if not console.is_terminal:
        yield _Lines(console).listen
        return
    with _bars(console) as progress:
        yield _Bars(progress).listen


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[doing]}"),
        console=console,
    )


class _Bars:
    """A bar for each part, in jobs; the job under way in its tokens, steps or tiles."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[Part, TaskID] = {}
        self._parts_done: dict[Part, dict[str, float]] = {}
        self._totals: dict[Part, int] = {}

    def listen(self, event: RunEvent) -> None:
        """Show it."""
        match event:
            case RunPlanned(plan=plan):
                self._totals = {part: sum(PART_OF[job.stage] is part for job in plan.jobs) for part in Part}
            case PartStarted(part=part) if part not in self._tasks:
                self._tasks[part] = self._progress.add_task(PART_NAMES[part], total=self._totals[part], doing="loading")
                self._parts_done[part] = {}
            case ComponentLoaded():
                self._doing_last(f"{event.component} loaded in {event.seconds:.1f} s")
            case JobProgress(job=job):
                self._advance(PART_OF[job.stage], job.key, event.done / max(event.total, 1) * 0.99)
                self._doing(PART_OF[job.stage], f"{_names(job.takes)} · {event.done}/{event.total} {event.unit}")
            case JobDone(job=job):
                self._advance(PART_OF[job.stage], job.key, 1.0)
            case TakeFailed() | WorkerRestarted():
                self._progress.console.print(_word(event))
            case _:
                pass

    def _advance(self, part: Part, key: str, share: float) -> None:
        self._parts_done[part][key] = share
        done = sum(self._parts_done[part].values())
        self._progress.update(self._tasks[part], completed=round(done, 2))

    def _doing(self, part: Part, text: str) -> None:
        self._progress.update(self._tasks[part], doing=escape(text))

    def _doing_last(self, text: str) -> None:
        if self._tasks:
            self._doing(list(self._tasks)[-1], text)


class _Lines:
    """A line for what begins, ends and fails, and now and then one for how far it is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._num_takes = 0
        self._takes_done = 0
        self._told = time.monotonic()

    def listen(self, event: RunEvent) -> None:
        """Show it."""
        if isinstance(event, RunPlanned):
            self._num_takes += len(event.plan.running)
        if isinstance(event, TakeDone | TakeFailed):
            self._takes_done += 1
        line = self._line(event)
        if line is not None:
            self._console.print(line, soft_wrap=True, highlight=False)
            self._told = time.monotonic()

    def _line(self, event: RunEvent) -> Text | None:
        match event:
            case PartStarted():
                return Text(f"{PART_NAMES[event.part]}: {_count(event.num_jobs, 'job')}")
            case ComponentLoaded():
                return Text(f"  loaded {event.component} in {event.seconds:.1f} s")
            case TakeDone():
                return Text(
                    f"  {self._takes_done}/{self._num_takes} {printable(event.take.file)} ({event.seconds:.1f} s)"
                )
            case TakeFailed() | WorkerRestarted():
                return _word(event)
            case JobProgress(job=job) if time.monotonic() - self._told > _LINE_SECONDS:
                return Text(f"  {_names(job.takes)}: {event.done}/{event.total} {event.unit}")
            case _:
                return None


def _word(event: TakeFailed | WorkerRestarted) -> Text:
    error = event.error
    head = (
        f"failed {printable(event.take.name)} in {event.stage}: "
        if isinstance(event, TakeFailed)
        else "worker restarted: "
    )
    return Text(
        f"  {head}{printable(error.message)}" + (f" ({printable(error.why)})" if error.why else ""), style="red"
    )


def _names(takes: tuple[str, ...]) -> str:
    return printable(takes[0]) + (f" +{len(takes) - 1}" if len(takes) > 1 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
