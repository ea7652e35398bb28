"""Keys and signals -> what is requested. Pure, a part of `step`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from renderer.watch.effects import Announce, KillWorker, OpenPage, StopRender
from renderer.watch.notices import Answer
from renderer.watch.state import RenderRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.watch.effects import Effect
    from renderer.watch.state import WatchState

    Step = tuple[WatchState, tuple[Effect, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the terminal: one row of `KEYS`."""

    label: str
    """What it is for, as the terminal shows it."""
    press: Callable[[WatchState], Step]


def press_key(state: WatchState, key: str) -> Step:
    """Do what a key stands for; others than `KEYS` stand for nothing."""
    return KEYS[key].press(state) if key in KEYS else (state, ())


def _request_all(state: WatchState) -> Step:
    state = replace(state, failed={}, tried={})
    return _request(state, RenderRequest(songs=None, options=state.settings.options)), ()


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


def _open_page(state: WatchState) -> Step:
    if state.page.address is None:
        return state, (Announce(notice=Answer(text="there is no report yet")),)
    return state, (OpenPage(address=state.page.address),)


def stop(state: WatchState) -> Step:
    """Let what runs come to its next token, step or tile; asked again, end it at once."""
    if state.is_stopping:
        return state, (KillWorker(),)
    state = replace(state, is_stopping=True)
    if state.run is None:
        return state, (StopRender(),)
    answer = Answer(text="stopping at the next token, step or tile (again to stop at once)")
    return state, (StopRender(), Announce(notice=answer))


KEYS: Mapping[str, Key] = {
    "r": Key(label="render all", press=_request_all),
    "f": Key(label="full length", press=_request_full_length),
    "o": Key(label="open the report", press=_open_page),
    "q": Key(label="quit", press=stop),
}
