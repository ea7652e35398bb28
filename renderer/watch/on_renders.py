"""Requests -> renders, one at a time, and what becomes of what they leave undone. Pure, a part of `step`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.errors import FolderBusy, StoreError
from renderer.plan.jobs import Why
from renderer.run.events import JobProgress, RunPlanned, TakeDone, TakeFailed
from renderer.watch.effects import Announce, StartRender, StopMeasuring
from renderer.watch.notices import Answer, JobAbandoned, Refusal, RenderStarted
from renderer.watch.state import RenderRequest, RenderRun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renderer.errors import RendererError
    from renderer.plan.jobs import TakePlan
    from renderer.run.events import RunEvent
    from renderer.watch.effects import Effect
    from renderer.watch.events import RenderEnded, RequestPlanned
    from renderer.watch.state import WatchState

    Effects = tuple[Effect, ...]
    Step = tuple[WatchState, Effects]


def begin_run(state: WatchState, event: RequestPlanned, now: float) -> Step:
    """Render what is needed of a request, or let go of it when that is nothing."""
    state = replace(state, awaits_answer=False)
    # Stopped, or something else goes first by now: what was planned is planned again when its turn comes.
    if state.is_stopping or state.run is not None or state.requests[:1] != (event.request,):
        return state, ()
    state = _give_up(state, [take for takes in event.takes for take in takes])
    for planned in event.takes:
        if takes := _needed(state, planned):
            started = RenderStarted(takes=takes, since_save_seconds=state.since_save(now))
            run = RenderRun(request=event.request, takes=takes)
            start = StartRender(takes=takes, options=event.request.options)
            state = replace(state, run=run, is_idle=False, is_warmed_up=True, has_worker=True)
            return state, (StopMeasuring(), Announce(notice=started), start)
    return replace(state, requests=state.requests[1:]), ()


def _give_up(state: WatchState, planned: Iterable[TakePlan]) -> WatchState:
    """Whatever a render was through with and still needs something: another one wouldn't bring it."""
    through = {take.name: take for take in planned if state.tried.get(take.name) == take.take}
    failed = {take.name: take.key for take in _needed(state, through.values())}
    tried = {name: take for name, take in state.tried.items() if name not in through}
    return replace(state, failed={**state.failed, **failed}, tried=tried)


def _needed(state: WatchState, takes: Iterable[TakePlan]) -> tuple[TakePlan, ...]:
    """Those with something to run or to restore, less those that failed before as they are."""
    over = (Why.DONE, Why.NOT_PICKED)
    return tuple(take for take in takes if take.why not in over and state.failed.get(take.name) != take.key)


def follow_run(state: WatchState, event: RunEvent) -> Step:
    """Note what a render tells, and pass it on."""
    match event:
        case RunPlanned():
            return state, ()
        case JobProgress():
            if state.run is not None and not state.run.has_progressed:
                state = replace(state, run=replace(state.run, has_progressed=True))
        case TakeDone(take=take):
            failed = {name: key for name, key in state.failed.items() if name != take.name}
            state = replace(state.with_page_behind(), failed=failed, num_rendered=state.num_rendered + 1)
        case TakeFailed(take=take):
            failed = {**state.failed, take.name: take.key}
            state = replace(state.with_page_behind(), failed=failed, num_failed=state.num_failed + 1)
        case _:
            pass
    return state, (Announce(notice=event),)


def end_run(state: WatchState, event: RenderEnded, now: float) -> Step:
    """Find out what becomes of what it left undone."""
    run = state.run
    if run is None:
        return state, ()
    state = replace(state.with_page_behind(), run=None, active_at=now)
    effects: Effects = tuple(
        Announce(notice=JobAbandoned(job=job, is_stale=run.is_stale(job))) for job in event.unfinished
    )
    if event.error is not None:
        state, more = _end_refused_run(state, run, event.error, event)
        return state, (*effects, *more)
    if not run.is_disturbed and not state.is_stopping:
        state = _note_tried(state, run)
    return state, effects


def _end_refused_run(state: WatchState, run: RenderRun, error: RendererError, event: RenderEnded) -> Step:
    """A render that couldn't be: of several songs each by itself, of one no more until it changes."""
    if isinstance(error, FolderBusy):
        # Nothing of it is given up: the request stands, and is taken up again.
        answer = Answer(text=f"{error.message}: what was saved is rendered when that has ended")
        return replace(state, locked=event.outputs), (Announce(notice=answer),)
    songs = tuple(dict.fromkeys(take.take.song.name for take in run.takes))
    if len(songs) > 1 and not isinstance(error, StoreError):
        one_by_one = [RenderRequest(songs=frozenset({song}), options=run.request.options) for song in songs]
        return replace(state, requests=(*one_by_one, *state.requests)), ()
    return _note_tried(state, run), (Announce(notice=Refusal(song=songs[0] if len(songs) == 1 else None, error=error)),)


def _note_tried(state: WatchState, run: RenderRun) -> WatchState:
    return replace(state, tried={**state.tried, **{take.name: take.take for take in run.takes}})
