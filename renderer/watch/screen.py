"""A watch on a terminal: a calm table of songs that stays in place, what was just said, and what is wrong."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from renderer.plan.jobs import Why
from renderer.run.events import JobDone, JobProgress, TakeDone, TakeFailed, WorkerRestarted
from renderer.spec.diagnostics import Level, Tone, lines, printable
from renderer.watch.notice_text import KEYS_LINE, address_text, error_line, log_text, notice_lines, takes_label
from renderer.watch.notices import Idle, JobAbandoned, PageWritten, Refusal, RenderStarted, SpecsLoaded, WatchStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console, RenderableType

    from renderer.plan.jobs import TakePlan
    from renderer.spec.diagnostics import Diagnostic
    from renderer.watch.notices import Notice

_NUM_NOTICES = 4
_NUM_DIAGNOSTICS = 3
_LEAST_ROWS = 3
_TABLE_LINES = 4  # head, rule and the blank lines around
_FRAME_SECONDS = 0.125
_STYLES = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.NOTE: "cyan"}


@contextmanager
def showing(console: Console) -> Iterator[Callable[[Notice], None]]:
    """A listener that keeps the screen up to date; leaves the last state behind."""
    screen = Screen()
    with Live(console=console, auto_refresh=False, get_renderable=lambda: screen.drawn(console)) as live:
        drawn_at = 0.0

        def listen(event: Notice) -> None:
            nonlocal drawn_at
            screen.listen(event)
            # Progress comes faster than one can read; everything else is shown at once.
            if not isinstance(event, JobProgress) or time.monotonic() - drawn_at >= _FRAME_SECONDS:
                live.refresh()
                drawn_at = time.monotonic()

        yield listen


@dataclass(slots=True)
class _Row:
    """One song."""

    num_takes: int
    names: frozenset[str]
    """Of its takes; what is rendered in full length beside previews isn't among them."""
    done: set[str]
    """Its takes that are on disk as the spec has them now."""
    state: Text
    seconds: float | None = None
    """The last render's."""


@dataclass(slots=True)
class Screen:
    """What is shown; every event changes a little of it."""

    _rows: dict[str, _Row] = field(default_factory=dict)
    _songs: dict[str, str] = field(default_factory=dict)
    """Take -> song."""
    _spent: dict[str, float] = field(default_factory=dict)
    """Take -> seconds its stages took in this render."""
    _diagnostics: tuple[Diagnostic, ...] = ()
    _notices: deque[Text] = field(default_factory=lambda: deque(maxlen=_NUM_NOTICES))
    _foot: str = "starting"
    _page: str = ""

    def listen(self, event: Notice) -> None:
        """Change what it is about."""
        self._say(event)
        match event:
            case SpecsLoaded():
                self._load(event)
            case RenderStarted(takes=takes):
                self._foot = "rendering"
                for take in takes:
                    self._songs[take.name] = take.take.song.name
                    self._mark(take.name, Text(f"waiting: {' → '.join(take.runs)}", style="dim"))
            case JobProgress(job=job):
                self._mark(job.takes[0], Text(self._progress(event), style="cyan"))
            case JobAbandoned(job=job):
                self._mark(job.takes[0], Text("edited meanwhile" if event.is_stale else "waiting", style="yellow"))
            case Idle():
                self._foot = next(notice_lines(event))
            case PageWritten(address=address):
                self._page = address_text(address)
            case _:
                self._settle(event)

    def _settle(self, event: Notice) -> None:
        match event:
            case JobDone(job=job):
                for name in job.takes:
                    self._spent[name] = self._spent.get(name, 0.0) + event.seconds
            case TakeDone(take=take):
                self._finish(take)
            case TakeFailed(take=take):
                self._mark(take.name, Text(f"failed in {event.stage}: {printable(event.error.message)}", style="red"))

    def drawn(self, console: Console) -> RenderableType:
        """The whole of it, as tall as the terminal allows: what doesn't fit is counted, the foot is always seen."""
        foot = self._footer()
        height = console.height - 1 - _TABLE_LINES - _height(console, [*self._notices, *foot])
        faults = self._faults(console, height - min(_LEAST_ROWS + 1, len(self._rows)))
        table = self._table(max(_LEAST_ROWS, height - _height(console, faults)))
        return Group(table, *faults, *self._notices, *foot)

    def _say(self, event: Notice) -> None:
        match event:
            case TakeFailed():
                line = f"{error_line(event.error)}; the worker's log: {log_text(event)}"
                self._notices.append(Text(line, style="red"))
            case Refusal() | WorkerRestarted():
                self._notices.append(Text(" ".join(notice_lines(event)) or error_line(event.error), style="red"))
            case PageWritten() | Idle() | WatchStarted():
                pass
            case _:
                self._notices.extend(Text(line, style="dim") for line in notice_lines(event))

    def _load(self, event: SpecsLoaded) -> None:
        self._diagnostics = event.diagnostics
        self._songs |= {take.name: take.take.song.name for take in event.takes}
        counts: dict[str, list[TakePlan]] = {}
        for take in event.takes:
            counts.setdefault(take.take.song.name, []).append(take)
        faulty = {one.file for one in event.diagnostics if one.level is Level.ERROR}
        former = self._rows
        self._rows = {}
        for song, takes in sorted(counts.items()):
            done = {take.name for take in takes if take.why is Why.DONE}
            num_takes = sum(take.why is not Why.NOT_PICKED for take in takes)
            state = _done_text(len(done), num_takes)
            if takes[0].take.song.source in faulty:
                state = Text("its file has errors: the last good version stays", style="yellow")
            self._rows[song] = _Row(
                num_takes=num_takes,
                names=frozenset(take.name for take in takes),
                done=done,
                state=state,
                seconds=former[song].seconds if song in former else None,
            )

    def _mark(self, take: str, state: Text) -> None:
        row = self._rows.get(self._songs.get(take, ""))
        if row is not None:
            row.state = state

    def _finish(self, take: TakePlan) -> None:
        row = self._rows.get(take.take.song.name)
        if row is not None:
            row.done |= {take.name} & row.names
            row.state = _done_text(len(row.done), row.num_takes)
            row.seconds = self._spent.pop(take.name, None)

    def _progress(self, event: JobProgress) -> str:
        """`latents 3/8 steps · wide.s7 +2`: the song's own name stands in its row already."""
        takes = takes_label(event.job.takes).removeprefix(f"{self._songs.get(event.job.takes[0], '')}.")
        return f"{event.job.stage} {event.done}/{event.total} {event.unit} · {takes}"

    def _table(self, height: int) -> Table:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=True)
        table.add_column("song", no_wrap=True, ratio=2)
        table.add_column("takes", justify="right")
        table.add_column("state", no_wrap=True, ratio=4)
        table.add_column("rendered in", justify="right")
        # What needs a look comes first when not all fit.
        order = sorted(self._rows.items(), key=lambda row: row[1].state.plain == "done")
        fits = len(order) <= height
        for name, row in self._rows.items() if fits else order[: height - 1]:
            spent = "" if row.seconds is None else f"{row.seconds:.1f} s"
            table.add_row(Text(printable(name)), str(row.num_takes), row.state, spent)
        if not fits:
            table.add_row(Text(f"and {len(order) - height + 1} more", style="dim"), "", "", "")
        return table

    def _faults(self, console: Console, height: int) -> list[Text]:
        """The worst diagnostics, whole, as far as there is height; the first one in any case."""
        bad = [one for one in self._diagnostics if one.level is not Level.NOTE]
        bad.sort(key=lambda one: one.level is not Level.ERROR)
        drawn: list[Text] = []
        for number, one in enumerate(bad):
            more = [_coloured(line, one.level) for line in lines(one, width=console.width)]
            if number == _NUM_DIAGNOSTICS or (drawn and _height(console, [*drawn, *more]) >= height):
                return [*drawn, Text(f"and {len(bad) - number} more: renderer check", style="dim")]
            drawn += more
        return drawn

    def _footer(self) -> list[Text]:
        style = "bold" if self._foot == "rendering" else "dim"
        page = [Text(self._page, style="dim")] if self._page else []
        return [Text(self._foot, style=style), *page, Text(KEYS_LINE, style="dim")]


def _height(console: Console, texts: Iterable[Text]) -> int:
    """Lines they take on the terminal, the long ones more than one."""
    return sum(len(console.render_lines(text)) for text in texts)


def _done_text(done: int, takes: int) -> Text:
    return Text("done", style="green") if done == takes else Text(f"{done} of {takes} done")


def _coloured(pieces: list[tuple[Tone, str]], level: Level) -> Text:
    text = Text()
    for tone, piece in pieces:
        text.append(piece, style=_STYLES[level] if tone in {Tone.LEVEL, Tone.CARET} else None)
    return text
