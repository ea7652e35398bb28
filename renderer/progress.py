"""Run events -> the terminal: a bar a part, a row a worker; plain lines where nobody watches. Drawn only here."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from renderer.models.family import part_of
from renderer.plurals import counted
from renderer.run.events import (
    ComponentLoaded,
    JobDone,
    JobFailed,
    JobProgress,
    PartStarted,
    RunPlanned,
    TakeDone,
    TakeFailed,
    WorkerLeftOut,
    WorkerRestarted,
)
from renderer.run.pace import Pace
from renderer.run.worker_names import worker_names
from renderer.spec.diagnostics import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from renderer.plan.jobs import Plan
    from renderer.run.events import RunEvent

    Listen = Callable[[RunEvent], None]

_BAR_SECONDS = 0.25
_OTHER_ROWS = 8  # for parts and what is told beside them: of more workers than fit, none has a row


@contextmanager
def showing(console: Console, *, line_seconds: float = 10.0) -> Iterator[Listen]:
    """A listener that shows a run on the console: bars, or a line every `line_seconds` where nobody watches."""
    if not console.is_terminal:
        yield _Lines(console, line_seconds).listen
        return
    with _bars(console) as progress:
        yield _Bars(progress).listen


@contextmanager
def under_way(console: Console, text: str, *, line_seconds: float = 10.0) -> Iterator[Callable[[str], None]]:
    """Tell of what goes on beside a run, and by what is yielded how far it is.

    A spinner; where nobody watches a line as it begins, and another no sooner than `line_seconds` after the last.
    """
    if console.is_terminal:
        with console.status(escape(text)) as status:
            yield lambda line: status.update(escape(line))
        return
    drawn_at = time.monotonic()
    console.print(Text(text), soft_wrap=True, highlight=False)

    def update(line: str) -> None:
        nonlocal drawn_at
        if time.monotonic() - drawn_at > line_seconds:
            drawn_at = time.monotonic()
            console.print(Text(f"  {line}"), soft_wrap=True, highlight=False)

    yield update


@contextmanager
def measuring(console: Console, count: int) -> Iterator[Callable[[int], None]]:
    """Tell that so many sounds are measured; what is yielded is told how many are by now."""
    text = f"measuring {counted(count, 'sound')}"
    with under_way(console, text) as update:
        yield lambda done: update(f"{text}, {done} done")


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[count]:>7}"),
        TextColumn("{task.fields[left]:>7}"),
        TextColumn("[dim]{task.fields[doing]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
    )


class _Rows:
    """A row for each of several workers: how far its job is, how many it has done, and what it is at."""

    def __init__(self, progress: Progress, devices: Sequence[str]) -> None:
        self._progress = progress
        self._tasks = [
            progress.add_task(name, total=1.0, count="0", left="", doing="") for name in worker_names(devices)
        ]
        self._num_done = [0] * len(devices)
        self._drawn_at = [0.0] * len(devices)

    def listen(self, event: RunEvent) -> None:
        """Show it."""
        match event:
            case ComponentLoaded(worker=worker):
                self._update(worker, completed=0.0, doing=_loaded(event))
            case JobProgress(worker=worker) if time.monotonic() - self._drawn_at[worker] > _BAR_SECONDS:
                self._drawn_at[worker] = time.monotonic()
                self._update(worker, completed=event.done / event.total if event.total else 0.0, doing=_at(event))
            case JobDone(worker=worker):
                self._num_done[worker] += 1
                self._update(worker, completed=1.0, count=str(self._num_done[worker]))
            case WorkerLeftOut(worker=worker):
                self._update(worker, completed=0.0, doing="left out")
            case _:
                pass

    def _update(self, worker: int, **fields: Any) -> None:
        self._progress.update(self._tasks[worker], **fields)


class _Bars:
    """A bar for each part: its jobs, the time left, and what is under way; above them the rows of several workers."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._paces = defaultdict[str, Pace](Pace)
        self._rows: _Rows | None = None
        self._drawn_at = 0.0

    def listen(self, event: RunEvent) -> None:
        """Show it."""
        if self._rows:
            self._rows.listen(event)
        match event:
            case RunPlanned(plan=plan, devices=devices):
                self._paces = _paces(plan)
                if 1 < len(devices) <= self._progress.console.height - _OTHER_ROWS and plan.jobs and not self._rows:
                    self._rows = _Rows(self._progress, devices)
            case PartStarted(part=part) if part not in self._tasks:
                count = f"0/{len(self._paces[part].jobs) or event.num_jobs}"
                self._tasks[part] = self._progress.add_task(
                    _activity(event), total=1.0, count=count, left="", doing="loading"
                )
            case ComponentLoaded():
                self._progress.update(list(self._tasks.values())[-1], doing=_loaded(event))
            case JobProgress(job=job) | JobDone(job=job) | JobFailed(job=job):
                self._paces[job.part].hear(event)
                self._draw(event, job.part)
            case TakeFailed() | WorkerRestarted() | WorkerLeftOut():
                self._progress.console.print(_word(event))
            case _:
                pass

    def _draw(self, event: JobProgress | JobDone | JobFailed, part: str) -> None:
        # Every token of many songs is more than anyone reads.
        if isinstance(event, JobProgress) and time.monotonic() - self._drawn_at < _BAR_SECONDS:
            return
        self._drawn_at = time.monotonic()
        pace = self._paces[part]
        if isinstance(event, JobProgress):
            self._progress.update(self._tasks[part], doing=escape(" · ".join(_doing(event, pace))))
        count = f"{pace.num_done}/{len(pace.jobs)}"
        self._progress.update(self._tasks[part], completed=pace.share, count=count, left=_left(pace))


class _Lines:
    """A line for what begins, ends and fails, and now and then one for how far it is."""

    def __init__(self, console: Console, line_seconds: float) -> None:
        self._console = console
        self._line_seconds = line_seconds
        self._num_takes = 0
        self._takes_done = 0
        self._paces = defaultdict[str, Pace](Pace)
        self._drawn_at = time.monotonic()

    def listen(self, event: RunEvent) -> None:
        """Show it."""
        match event:
            case RunPlanned(plan=plan):
                self._num_takes += sum(take.sound in take.runs for take in plan.as_if_picked.running)
                self._paces = _paces(plan)
            case TakeDone() | TakeFailed():
                self._takes_done += 1
            case JobProgress(job=job) | JobDone(job=job) | JobFailed(job=job):
                self._paces[job.part].hear(event)
            case _:
                pass
        line = self._line(event)
        if line is not None:
            self._console.print(line, soft_wrap=True, highlight=False)
            self._drawn_at = time.monotonic()

    def _line(self, event: RunEvent) -> Text | None:
        match event:
            case PartStarted():
                return Text(f"{_activity(event)}: {_count(event.num_jobs, 'job')}")
            case ComponentLoaded():
                return Text(f"  {_loaded(event)}")
            case TakeDone():
                return Text(
                    f"  {self._takes_done}/{self._num_takes} {printable(event.take.file)} ({event.seconds:.1f} s)"
                )
            case TakeFailed() | WorkerRestarted() | WorkerLeftOut():
                return _word(event)
            case JobProgress(job=job) if time.monotonic() - self._drawn_at > self._line_seconds:
                return Text(f"  {', '.join(_far(event, self._paces[job.part]))}")
            case _:
                return None


def _paces(plan: Plan) -> defaultdict[str, Pace]:
    """Each part's jobs, before any has begun; a part that runs unplanned (a result proved damaged) begins with none."""
    paces = defaultdict[str, Pace](Pace)
    for job in plan.as_if_picked.jobs:
        paces[job.part].jobs[job.key] = job
    return paces


def _activity(event: PartStarted) -> str:
    return part_of(event.group.files, event.part).activity


def _far(event: JobProgress, pace: Pace) -> list[str]:
    """How far a part is, in words: `3/14 done`, `4 at once`, `38 tokens/s`, `about 1:05 left`."""
    left = _left(pace)
    return [f"{pace.num_done}/{len(pace.jobs)} done", *_doing(event, pace), *([f"about {left} left"] if left else [])]


def _doing(event: JobProgress, pace: Pace) -> list[str]:
    """What is under way: of a part that takes many at once, how many and how fast; else whose turn it is."""
    if not part_of(event.job.files, event.job.part).at_once:
        return [f"{_names(event.job.takes)} at {event.done}/{event.total} {event.unit}"]
    rate = pace.per_second
    return [f"{pace.in_flight} at once", *([] if rate is None else [f"{rate:.0f} {event.unit}/s"])]


def _at(event: JobProgress) -> str:
    """`diffusion: rain.s1 at 3/8 steps`."""
    part = part_of(event.job.files, event.job.part)
    whose = "songs" if part.at_once else _names(event.job.takes)
    return escape(f"{part.activity}: {whose} at {event.done}/{event.total} {event.unit}")


def _left(pace: Pace) -> str:
    """`0:40`, `1:02:03`; empty while nobody can say."""
    if pace.seconds_left is None:
        return ""
    minutes, seconds = divmod(round(pace.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _loaded(event: ComponentLoaded) -> str:
    return f"loaded {event.component} in {event.seconds:.1f} s"


def _word(event: TakeFailed | WorkerRestarted | WorkerLeftOut) -> Text:
    error = event.error
    match event:
        case TakeFailed():
            head = f"failed {printable(event.take.name)} in {event.stage}: "
        case WorkerRestarted():
            head = "worker restarted: "
        case WorkerLeftOut():
            head = f"worker {event.worker + 1} left out: "
    return Text(
        f"  {head}{printable(error.message)}" + (f" ({printable(error.why)})" if error.why else ""), style="red"
    )


def _names(takes: tuple[str, ...]) -> str:
    return printable(takes[0]) + (f" +{len(takes) - 1}" if len(takes) > 1 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
