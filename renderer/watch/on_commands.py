"""Keys and signals -> what is requested. Pure, a part of `step`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.watch.effects import Announce, KillWorker, OpenPage, StopRender
from renderer.watch.notices import Answer
from renderer.watch.state import RenderRequest

if TYPE_CHECKING:
    from renderer.watch.effects import Effect
    from renderer.watch.state import WatchState

    Step = tuple[WatchState, tuple[Effect, ...]]


def press_key(state: WatchState, key: str) -> Step:
    """Do what a key stands for; other keys stand for nothing."""
    match key:
        case "r":
            state = replace(state, failed={}, tried={})
            return _request(state, RenderRequest(songs=None, options=state.settings.options)), ()
        case "f":
            return _request_full_length(state)
        case "o":
            return state, (_open_page(state.page.address),)
        case "q":
            return stop(state)
    return state, ()


def _request_full_length(state: WatchState) -> Step:
    options = state.settings.options
    if options.preview is None:
        text = "takes are rendered in full length already: there is no --preview"
        return state, (Announce(notice=Answer(text=text)),)
    text = f"full length: {', '.join(sorted(state.edited)) or 'all songs'}"
    request = RenderRequest(songs=state.edited or None, options=replace(options, preview=None))
    return _request(state, request), (Announce(notice=Answer(text=text)),)


def _request(state: WatchState, request: RenderRequest) -> WatchState:
    requests = state.requests if request in state.requests else (*state.requests, request)
    return replace(state.with_page_behind(), requests=requests, saved_at=None, is_idle=False, shown=request.options)


def _open_page(address: str | None) -> Effect:
    return Announce(notice=Answer(text="there is no report yet")) if address is None else OpenPage(address=address)


def stop(state: WatchState) -> Step:
    """Let what runs come to its next token, step or tile; asked again, end it at once."""
    if state.is_stopping:
        return state, (KillWorker(),)
    state = replace(state, is_stopping=True)
    if state.run is None:
        return state, (StopRender(),)
    answer = Answer(text="stopping at the next token, step or tile (again to stop at once)")
    return state, (StopRender(), Announce(notice=answer))
