"""What a watch does next: `step(state, event, now)` gives the next state and what is to be carried out.

Pure: no I/O, no clock, no threads. What is decided here is decided by state, event and time alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.watch.effective_takes import faulty_files
from renderer.watch.effects import (
    Announce,
    CompareFiles,
    DropWorker,
    PlanRequest,
    ProbeLock,
    Quit,
    StartMeasuring,
    WritePage,
)
from renderer.watch.events import (
    FileChanged,
    FilesCompared,
    FoldersMoved,
    KeyPressed,
    LockProbed,
    PageEnded,
    RenderEnded,
    RequestPlanned,
    SpecsRead,
    SpecsUnreadable,
    Started,
    StopRequested,
    TakesMeasured,
    Tick,
)
from renderer.watch.notices import Idle, PageWritten, Refusal, WatchStarted
from renderer.watch.on_commands import press_key, stop
from renderer.watch.on_renders import begin_run, end_run, follow_run
from renderer.watch.on_saves import await_quiet, compare_files, take_specs

if TYPE_CHECKING:
    from renderer.errors import RendererError
    from renderer.watch.effects import Effect
    from renderer.watch.events import Event
    from renderer.watch.state import PageState, WatchState

    Effects = tuple[Effect, ...]
    Step = tuple[WatchState, Effects]

TICK_SECONDS = 0.5
"""The longest time without an event."""
_PROBE_SECONDS = 1.0  # while another render holds the folder


def step(state: WatchState, event: Event, now: float) -> Step:
    """Take in what happened, then decide what follows from all that is known; `now` never goes back."""
    state, effects = _take_in(state, event, now)
    state, following = _proceed(state, now)
    return state, (*effects, *following)


def seconds_to_wait(state: WatchState, now: float) -> float:
    """How long nothing has to be decided if nothing happens."""
    return TICK_SECONDS if state.quiet_at is None else min(TICK_SECONDS, max(0.0, state.quiet_at - now))


def _take_in(state: WatchState, event: Event, now: float) -> Step:  # noqa: C901, PLR0911, PLR0912 - one case an event
    match event:
        case Started():
            started = WatchStarted(paths=event.paths, names=event.names, reads_keys=event.reads_keys)
            return replace(state.with_page_behind(), quiet_at=now), (Announce(notice=started),)
        case Tick():
            return state, ()
        case FileChanged(path=path):
            touched = state.touched if path in state.touched else state.touched | {path}
            return await_quiet(replace(state, touched=touched), now), ()
        case FoldersMoved():
            return (await_quiet(state, now) if state.quiet_at is None else state), ()
        case FilesCompared():
            return compare_files(state, event)
        case SpecsRead():
            return take_specs(state, event)
        case SpecsUnreadable(error=error):
            return replace(state, awaits_answer=False, has_read=True), (_refuse(error),)
        case RequestPlanned():
            return begin_run(state, event, now)
        case RenderEnded():
            return end_run(state, event, now)
        case LockProbed(is_free=is_free):
            return replace(state, awaits_answer=False, locked=None if is_free else state.locked), ()
        case PageEnded():
            return _end_page(state, event, now)
        case TakesMeasured():
            return state.with_page_behind(), ()
        case KeyPressed(key=key):
            return press_key(state, key)
        case StopRequested():
            return stop(state)
        case _:
            return follow_run(state, event)


def _proceed(state: WatchState, now: float) -> Step:
    """What can be begun: read what was saved, render what is requested, write the page; else rest."""
    if state.is_stopping and state.run is None and state.page.is_settled:
        return state, (Quit(),)
    effects: Effects = ()
    if not state.awaits_answer:
        state, effects = _look_or_render(state, now)
    # What was asked may begin a render, which the page then lets go first.
    if not state.awaits_answer and state.page.is_due and (state.run is None or state.run.has_progressed):
        page = replace(state.page, is_behind=False, is_being_written=True)
        return replace(state, page=page), (
            *effects,
            WritePage(takes=state.takes, diagnostics=state.diagnostics, options=state.shown),
        )
    state, resting = _rest(state, now)
    return state, (*effects, *resting)


def _look_or_render(state: WatchState, now: float) -> Step:
    if state.quiet_at is not None and now >= state.quiet_at:
        compare = CompareFiles(before=state.files, touched=state.touched)
        state = replace(state, awaits_answer=True, touched=frozenset(), quiet_at=None, is_idle=False)
        return state, (compare,)
    if state.run is not None or state.is_stopping:
        return state, ()
    if state.locked is not None:
        if now < state.probe_at:
            return state, ()
        probing = replace(state, awaits_answer=True, probe_at=now + _PROBE_SECONDS)
        return probing, (ProbeLock(outputs=state.locked),)
    if state.requests:
        request = state.requests[0]
        return replace(state, awaits_answer=True), (PlanRequest(request=request, takes=request.takes_of(state.takes)),)
    return state, ()


def _rest(state: WatchState, now: float) -> Step:
    """Say so when nothing is left to do, and drop the models when that lasts."""
    is_busy = state.awaits_answer or state.run is not None or state.quiet_at is not None
    if is_busy or state.is_stopping or state.locked is not None or not state.page.is_settled:
        return state, ()
    effects: Effects = ()
    if not state.is_idle:
        num_faulty = len(faulty_files(state.diagnostics))
        idle = Idle(num_rendered=state.num_rendered, num_failed=state.num_failed, num_faulty=num_faulty)
        state = replace(state, is_idle=True, active_at=now, saved_at=None, num_rendered=0, num_failed=0)
        effects = (Announce(notice=idle),)
        if state.settings.measures:
            effects = (*effects, StartMeasuring(takes=state.takes, options=state.shown))
    idle_seconds = now - state.active_at
    if state.has_worker and idle_seconds >= state.settings.idle_seconds:
        state = replace(state, has_worker=False)
        effects = (*effects, DropWorker(idle_seconds=idle_seconds))
    return state, effects


def _end_page(state: WatchState, event: PageEnded, now: float) -> Step:
    is_new = event.address != state.page.address
    page: PageState = replace(state.page, is_being_written=False, address=event.address or state.page.address)
    state = replace(state, page=page)
    if event.error is not None:
        return state, (_refuse(event.error),)
    # Told once where it is, and once for each save: when it holds what came of that, and no other page follows.
    is_last = state.run is None and not state.requests and not page.is_behind
    if event.address is None or not (is_new or (is_last and state.saved_at is not None)):
        return state, ()
    written = PageWritten(address=event.address, since_save_seconds=state.since_save(now))
    return state, (Announce(notice=written),)


def _refuse(error: RendererError) -> Announce:
    return Announce(notice=Refusal(song=None, error=error))
