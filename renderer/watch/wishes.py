"""What is to be rendered after a look at the specs: which takes are meant now, which songs were edited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import RendererError
from renderer.files import real
from renderer.pipeline.project import Project
from renderer.plan.jobs import Plan, Why
from renderer.spec.diagnostics import Level
from renderer.spec.project import DEFAULTS_NAME
from renderer.watch.events import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from renderer.pipeline.options import Options
    from renderer.pipeline.select import Selection
    from renderer.plan.jobs import TakePlan
    from renderer.song import Take

Takes = tuple["Take", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Songs to render next, as far as they need it."""

    songs: frozenset[str] | None
    """None: all there are by then."""
    options: Options

    def takes_of(self, takes: Iterable[Take]) -> Takes:
        """Those of the wished songs."""
        return tuple(take for take in takes if self.songs is None or take.song.name in self.songs)


def faulty_files(selection: Selection) -> frozenset[Path]:
    """The files that have errors."""
    return frozenset(one.file for one in selection.diagnostics if one.level is Level.ERROR and one.file)


def meant_now(before: Takes, selection: Selection) -> Takes:
    """The takes the specs mean now; of broken specs, and of all below a broken `renderer.toml`, the last good ones."""
    faulty = faulty_files(selection)
    adrift = tuple(real(file.parent) for file in faulty if file.name == DEFAULTS_NAME)

    def is_broken(take: Take) -> bool:
        source = take.song.source
        return source in faulty or any(real(source).is_relative_to(folder) for folder in adrift)

    return (
        *(take for take in selection.takes if not is_broken(take)),
        *(take for take in before if is_broken(take) and take.song.source.exists()),
    )


def edited_songs(before: Takes, now: Takes) -> frozenset[str]:
    """The songs of which some take is new or another than before."""
    return frozenset(take.song.name for take in set(now) - set(before))


def plans(
    takes: Sequence[Take], options: Options, refuse: Callable[[Refused], None]
) -> tuple[tuple[Project, Plan], ...]:
    """A project and its plan for each outputs folder; a song that can't be planned is refused and costs itself only."""
    found: list[tuple[Project, Plan]] = []
    for outputs in dict.fromkeys(take.song.outputs for take in takes):
        here = tuple(take for take in takes if take.song.outputs == outputs)
        try:
            project = Project(here, options)
            found.append((project, project.plan()))
        except RendererError as error:
            songs = dict.fromkeys(take.song.name for take in here)
            if len(songs) == 1:
                refuse(Refused(song=next(iter(songs)), error=error))
                continue
            good = [take for name in songs for take in _plannable(name, here, options, refuse)]
            found += plans(good, options, refuse)
    return tuple(found)


def needed(plan: Plan, failed: Callable[[TakePlan], bool]) -> tuple[TakePlan, ...]:
    """The takes with something to run or to restore, less those that `failed` before as they are."""
    return tuple(take for take in plan.takes if take.why is not Why.DONE and not failed(take))


def _plannable(name: str, takes: Takes, options: Options, refuse: Callable[[Refused], None]) -> Takes:
    here = tuple(take for take in takes if take.song.name == name)
    return here if plans(here, options, refuse) else ()
