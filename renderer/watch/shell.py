"""Carries out what `step` wants done, and brings it what happens: threads, folders, terminal and clock are here.

One thread decides; everything else posts events to its inbox.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from renderer.errors import RendererError
from renderer.models.family import stored_kinds
from renderer.models.model_files import Residency
from renderer.pipeline.project import Project, is_free
from renderer.pipeline.select import names_among, spec_paths
from renderer.pipeline.stop import Stop
from renderer.store.store import Store
from renderer.watch.effects import (
    AbandonJobs,
    Announce,
    CompareFiles,
    DropWorker,
    KillWorker,
    OpenPage,
    PlanRequest,
    ProbeLock,
    Question,
    Quit,
    ReadSpecs,
    StartMeasuring,
    StartRender,
    StopMeasuring,
    StopRender,
    WarmUp,
    WatchFolders,
    WritePage,
)
from renderer.watch.events import (
    FileChanged,
    FoldersMoved,
    KeyPressed,
    LockProbed,
    RenderEnded,
    RequestPlanned,
    Started,
    Tick,
)
from renderer.watch.folders import FolderWatch
from renderer.watch.keys import has_keys, reading_keys
from renderer.watch.measure_thread import MeasureThread
from renderer.watch.notices import Refusal, WorkerDropped
from renderer.watch.page_thread import start_page_thread
from renderer.watch.plan_takes import plan_takes, projects
from renderer.watch.read_specs import compare_files, concerns, read_specs
from renderer.watch.render_thread import RenderThread
from renderer.watch.state import first_state
from renderer.watch.step import TICK_SECONDS, seconds_to_wait, step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.run.executor import Executor
    from renderer.song import Take
    from renderer.watch.effects import Action
    from renderer.watch.events import Event
    from renderer.watch.notices import Notice
    from renderer.watch.page_thread import Publish
    from renderer.watch.state import WatchSettings, WatchState


def run_watch(
    named: Sequence[str],
    settings: WatchSettings,
    *,
    inbox: queue.SimpleQueue[Event],
    announce: Callable[[Notice], None],
    publish: Publish,
    open_page: Callable[[str], None],
) -> None:
    """Render what is saved until a key or a `StopRequested` in the `inbox` ends it.

    `publish` takes over each new report, `open_page` shows its address to the user. The inbox is a simple queue: a
    signal's handler may put something in while this very thread takes something out.
    """
    # Explicit paths: a folder that is moved away for a while must not be taken for a song's name.
    explicit = [f"./{name}" if Path(name).is_dir() and "/" not in name else name for name in named]
    with ExitStack() as ending:
        shell = _Shell(explicit, settings, inbox=inbox, announce=announce, publish=publish, open_page=open_page)
        ending.enter_context(shell.folders)
        ending.callback(shell.end_worker)
        # Whatever ends the watch, also what it can't write to: the render mustn't go on with a new worker.
        ending.callback(shell.stop.now)
        ending.callback(shell.measuring.end)
        reads_keys = has_keys()
        if reads_keys:
            ending.enter_context(reading_keys(lambda key: inbox.put(KeyPressed(key=key))))
        state = first_state(settings, time.monotonic())
        started = Started(paths=shell.paths, names=names_among(explicit), reads_keys=reads_keys)
        state = shell.feed(state, started)
        tick_at = 0.0
        while not shell.has_quit:
            state = shell.feed(state, shell.next_event(state))
            now = time.monotonic()
            if now >= tick_at:
                tick_at = now + TICK_SECONDS
                if shell.folders.is_stale():
                    state = shell.feed(state, FoldersMoved())


class _Shell:
    """What the effects need to be carried out."""

    def __init__(
        self,
        named: Sequence[str],
        settings: WatchSettings,
        *,
        inbox: queue.SimpleQueue[Event],
        announce: Callable[[Notice], None],
        publish: Publish,
        open_page: Callable[[str], None],
    ) -> None:
        self._named = named
        self._options = settings.options
        self._inbox = inbox
        self._announce = announce
        self._publish = publish
        self._open_page = open_page
        self.stop = Stop()
        self._executor: Executor | None = None
        self._render: RenderThread | None = None
        self.paths = spec_paths(named)
        self.folders = FolderWatch(lambda path: inbox.put(FileChanged(path=path)))
        self.measuring = MeasureThread(inbox.put)
        self.has_quit = False

    def next_event(self, state: WatchState) -> Event:
        """What happens next; a tick when nothing does, or nothing that concerns the specs."""
        with suppress(queue.Empty):
            event = self._inbox.get(timeout=seconds_to_wait(state, time.monotonic()))
            if not isinstance(event, FileChanged) or concerns(state.files, event.path):
                return event
        return Tick()

    def feed(self, state: WatchState, event: Event) -> WatchState:
        """The state after an event: effects carried out, questions answered."""
        events = deque([event])
        while events:
            state, effects = step(state, events.popleft(), time.monotonic())
            for effect in effects:
                if isinstance(effect, Question):
                    events.append(self._answer(effect))
                else:
                    self._carry_out(effect)
        return state

    def end_worker(self) -> None:
        """End the worker, if there is one."""
        if self._executor is not None:
            self._executor.end()

    def _answer(self, question: Question) -> Event:
        match question:
            case CompareFiles():
                return compare_files(question, self.paths)
            case ReadSpecs():
                return read_specs(question, self._named, self._options)
            case PlanRequest(request=request, takes=takes):
                # Told again: a vote may be younger than the specs, and edits were left out of previews.
                planned = plan_takes(takes, request.options, self._announce)
                return RequestPlanned(request=request, takes=tuple(plan.takes for _, plan in planned))
            case ProbeLock(outputs=outputs):
                return LockProbed(is_free=is_free(Store(outputs, kinds=stored_kinds())))

    def _carry_out(self, effect: Action) -> None:  # noqa: C901, PLR0912 - one case an effect
        match effect:
            case Announce(notice=notice):
                self._announce(notice)
            case WatchFolders():
                self._watch_folders(effect)
            case StartRender():
                self._start_render(effect)
            case AbandonJobs():
                if self._render is not None:
                    self._render.abandon(effect)
            case StopRender():
                self.stop.now()
            case WarmUp(take=take):
                self._warm_up(take)
            case DropWorker(idle_seconds=idle_seconds):
                self._drop_worker(idle_seconds)
            case KillWorker():
                self.end_worker()
            case WritePage():
                start_page_thread(effect, self._publish, self._inbox.put)
            case OpenPage(address=address):
                self._open_page(address)
            case StartMeasuring():
                self.measuring.start(effect)
            case StopMeasuring():
                self.measuring.stop()
            case Quit():
                self.has_quit = True
            case _:
                assert_never(effect)

    def _watch_folders(self, effect: WatchFolders) -> None:
        try:
            self.folders.watch(effect.trees, effect.folders)
        except RendererError as error:
            self._announce(Refusal(song=None, error=error))

    def _start_render(self, effect: StartRender) -> None:
        takes = [take.take for take in effect.takes]
        try:
            project = Project(takes, effect.options)
        except RendererError as error:
            self._inbox.put(RenderEnded(error=error, unfinished=(), outputs=takes[0].song.outputs))
            return
        self._render = RenderThread(project, self._executor_of(project), self.stop, self._inbox.put)

    def _warm_up(self, take: Take) -> None:
        for project in projects([take], self._options):
            self._executor_of(project).warm(project.model_of(take.variant).files.family)

    def _drop_worker(self, idle_seconds: float) -> None:
        if self._executor is not None and self._executor.pids:
            self._executor.end()
            self._announce(WorkerDropped(idle_seconds=idle_seconds))

    def _executor_of(self, project: Project) -> Executor:
        if self._executor is None:
            self._executor = project.executor(Residency.BESIDE)
        return self._executor
