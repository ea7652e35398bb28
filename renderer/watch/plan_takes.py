"""Takes -> a project and its plan for each outputs folder; what can't be planned costs itself only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import RendererError, SpecError
from renderer.pipeline.project import Project
from renderer.pipeline.rejected_sources import rejected_sources
from renderer.watch.notices import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.pipeline.options import Options
    from renderer.plan.jobs import Plan
    from renderer.song import Take

    Planned = tuple[tuple[Project, Plan], ...]


def _ignore(refusal: Refusal) -> None:
    """It was announced when the specs were read, or what was asked was planned."""
    del refusal


def plan_takes(takes: Sequence[Take], options: Options, refuse: Callable[[Refusal], None] = _ignore) -> Planned:
    """A project and its plan for each outputs folder; each song that can't be planned is refused and left out.

    So is each take that is made from a rejected one, and what is made from it. Songs that can be planned one by one
    and not together are refused together, as a render refuses them.
    """
    planned: list[tuple[Project, Plan]] = []
    for outputs in dict.fromkeys(take.song.outputs for take in takes):
        here = tuple(take for take in takes if take.song.outputs == outputs)
        try:
            project = Project(here, options)
            if rejected := rejected_sources(project):
                for song, fault in dict.fromkeys((take.song.name, fault) for take, fault in rejected.items()):
                    refuse(Refusal(song=song, error=SpecError([fault])))
                left = [take for take in here if not rejected.keys() & {take, *take.sources}]
                planned += plan_takes(left, options, refuse)
                continue
            planned.append((project, project.plan()))
        except RendererError as error:
            songs = dict.fromkeys(take.song.name for take in here)
            if len(songs) == 1:
                refuse(Refusal(song=next(iter(songs)), error=error))
                continue
            alone = _plannable(here, options, refuse)
            if len(alone) == len(here):
                # Each of them alone can be: nothing that is one song's fault, such as two devices for one folder.
                refuse(Refusal(song=None, error=error))
                continue
            planned += plan_takes(alone, options, _of_several(refuse))  # each song's refusals are told by now
    return tuple(planned)


def projects(takes: Sequence[Take], options: Options) -> tuple[Project, ...]:
    """One for each outputs folder, of the takes that can be planned."""
    return tuple(project for project, _ in plan_takes(takes, options))


def _of_several(refuse: Callable[[Refusal], None]) -> Callable[[Refusal], None]:
    return lambda refusal: refuse(refusal) if refusal.song is None else None


def _plannable(takes: Sequence[Take], options: Options, refuse: Callable[[Refusal], None]) -> Sequence[Take]:
    by_song: dict[str, list[Take]] = {}
    for take in takes:
        by_song.setdefault(take.song.name, []).append(take)
    return [take for song in by_song.values() if plan_takes(song, options, refuse) for take in song]
