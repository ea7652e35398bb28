"""Saves -> files compared, specs read, takes requested. Pure, a part of `step`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.watch.effective_takes import edited_songs, errors_of
from renderer.watch.effects import AbandonJobs, Announce, ReadSpecs, WarmUp, WatchFolders
from renderer.watch.notices import FilesSaved, SpecsLoaded
from renderer.watch.state import RenderRequest

if TYPE_CHECKING:
    from renderer.watch.effects import Effect
    from renderer.watch.events import FilesCompared, SpecsRead
    from renderer.watch.state import WatchState

    Effects = tuple[Effect, ...]
    Step = tuple[WatchState, Effects]


def await_quiet(state: WatchState, now: float) -> WatchState:
    """Something was saved: read the files once nothing more is for a while."""
    saved_at = now if state.quiet_at is None else state.saved_at
    return replace(state, saved_at=saved_at, quiet_at=now + state.settings.quiet_seconds)


def compare_files(state: WatchState, event: FilesCompared) -> Step:
    """Read the specs again only where a file holds something else."""
    is_first = state.files is None
    state = replace(state, files=event.files, awaits_answer=False)
    effects: Effects = (WatchFolders(trees=event.files.trees, folders=event.files.folders),)
    if not is_first and (event.differences or event.unchanged):
        saved = FilesSaved(differences=event.differences, unchanged=event.unchanged)
        effects = (Announce(notice=saved), *effects)
    if not (is_first or event.differences):
        return state, effects
    run_options = state.run.request.options if state.run else None
    files = frozenset((*event.differences.changed, *event.differences.added))
    read = ReadSpecs(takes=state.takes, diagnostics=state.diagnostics, run_options=run_options, saved=files)
    return replace(state, awaits_answer=True), (*effects, read)


def take_specs(state: WatchState, event: SpecsRead) -> Step:
    """Ask for what the specs mean now, and let go of what they don't mean any more."""
    before, is_first = state.takes, not state.has_read
    is_told = len(event.without_preview) == sum(take.variant.edit is not None for take in before)
    takes = (*(take.take for take in event.takes), *event.without_preview)
    loaded = SpecsLoaded(
        takes=event.takes,
        num_without_preview=0 if is_told else len(event.without_preview),
        diagnostics=event.diagnostics,
        new_diagnostics=tuple(one for one in event.diagnostics if one not in state.diagnostics),
        fixed=event.fixed,
    )
    effects: Effects = (*(Announce(notice=one) for one in event.refusals), Announce(notice=loaded))
    if set(errors_of(state.diagnostics)) != set(errors_of(event.diagnostics)):
        state = state.with_page_behind()
    state = replace(state, awaits_answer=False, has_read=True, takes=takes, diagnostics=event.diagnostics)
    edited = edited_songs(before, takes) | event.other_sounds
    if not is_first:
        state = replace(state, edited=state.edited | edited)
    # What was tried with the former sound says nothing of this one.
    tried = {name: take for name, take in state.tried.items() if take.song.name not in event.other_sounds}
    state = replace(state, tried=tried)
    if takes and not state.is_warmed_up:
        # Beside the first look's render or page: the first edit mustn't wait for the worker's imports.
        state = replace(state, is_warmed_up=True, has_worker=True)
        effects = (*effects, WarmUp(take=takes[0]))
    if set(before) == set(takes) and not event.other_sounds:
        return state, effects
    state, abandoning = _make_way(
        replace(state, shown=state.settings.options).with_page_behind(), edited, event.run_keys
    )
    return state, (*effects, *abandoning)


def _make_way(state: WatchState, edited: frozenset[str], run_keys: frozenset[str]) -> Step:
    """Put edited songs first, then what was asked for besides, then everything else."""
    options = state.settings.options
    first = [RenderRequest(songs=edited, options=options)] if edited else []
    besides = [request for request in state.requests if request.options != options]
    state = replace(state, requests=(*first, *besides, RenderRequest(songs=None, options=options)))
    if state.run is None:
        return state, ()
    run = replace(state.run, wanted=run_keys, begins_no_more=state.run.begins_no_more or bool(edited))
    return replace(state, run=run), (AbandonJobs(wanted=run_keys, begin_no_more=run.begins_no_more),)
