"""The takes asked for -> all takes of their project, for the page: it is the project's, whatever was asked for last."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from renderer.errors import RendererError, SpecError
from renderer.files import by_real, real
from renderer.folders import SPECS_FOLDER
from renderer.pipeline.model_faults import refuse_model_faults
from renderer.pipeline.project import Project
from renderer.pipeline.select import with_options
from renderer.spec.diagnostics import Diagnostic, Level
from renderer.spec.load import find_specs, load_songs
from renderer.spec.take_names import preview_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from renderer.pipeline.options import Options
    from renderer.plan.jobs import TakePlan
    from renderer.song import Song, Take
    from renderer.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SongTakes:
    """A song with its takes: those asked for, and the others of its spec."""

    song: Song
    asked: tuple[Take, ...] = ()
    others: tuple[Take, ...] = ()
    previews: tuple[tuple[str, Take], ...] = ()
    """Previews that were rendered once, by their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """All songs of a project, and what is wrong with specs that can't be among them."""

    asked: Project
    """Plans the takes asked for, with the options of whoever asked."""
    rest: Project
    """Plans the others, whole and with their own seeds."""
    previewing: Mapping[float, Project] = field(default_factory=dict)
    """Seconds -> what plans the previews of that length that lie on disk."""
    songs: tuple[SongTakes, ...]
    """In the order of their files."""
    faults: tuple[Diagnostic, ...] = ()

    @property
    def only_heard(self) -> bool:
        """Whether takes that weren't asked for belong here only where they lie: the folder is one for this run."""
        return self.rest.options.outputs is not None

    def plans(self, one: SongTakes) -> tuple[TakePlan, ...]:
        """A song's takes as they stand: what was asked for, then, of the others, each whose name isn't taken by then.

        Raises: RendererError for takes asked for that can't be planned; others are left out.
        """
        asked = self.asked.plan_takes(one.asked) if one.asked else ()
        others: tuple[TakePlan, ...] = ()
        with suppress(RendererError):
            others = self.rest.plan_takes(one.others) if one.others else ()
        names = {plan.name for plan in asked}
        more = (plan for plan in (*others, *self._previews(one)) if plan.name not in names)
        return _in_order(one.song, (*asked, *more))

    def _previews(self, one: SongTakes) -> Iterator[TakePlan]:
        """Previews that sound as they would now: nobody waits for the others to be made again."""
        takes = {take.name: take for _, take in one.previews}
        for project in self.previewing.values() if takes else ():
            with suppress(RendererError):
                known = {name for name, _ in one.previews}
                yield from (p for p in project.plan_takes(tuple(takes.values())) if p.name in known and p.has_sound)


def whole_project(project: Project) -> Whole:
    """All takes that the project of these takes has; specs with faults cost themselves only.

    Raises: SpecError, ModelError for models of takes asked for that can't be.
    """
    options = replace(project.options, force=False, refresh_environment=False)
    plain = replace(options, preview=None, seeds=None, first_seed=False, only_edits=False)
    asked: dict[str, list[Take]] = {}
    for take in project.takes:
        asked.setdefault(take.song.name, []).append(take)
    known = {takes[0].song.name: takes[0].song.as_written for takes in asked.values()}
    songs, faults = _songs_beside(known.values(), project, is_known=plain == options)
    every = known | {song.name: song for song in songs}
    rows = tuple(
        _row(song, tuple(asked.get(song.name, ())), whole=plain != options)
        for song in sorted(every.values(), key=lambda song: real(song.source))
    )
    own = Project(project.named, options)
    # One store: what it has read is read once.
    own.store = project.store
    refuse_model_faults(own.takes, own.model_of, options)
    rest, more = own, tuple[Diagnostic, ...]()
    if any(row.others for row in rows):
        rest, more = _without_faulty(Project([take for row in rows for take in (*row.asked, *row.others)], plain))
        rest.store = project.store
        good = {take.song.name for take in rest.takes}
        rows = tuple(row if row.song.name in good else replace(row, others=()) for row in rows)
    rows, previewing = _with_previews(rows, plain, project.store)
    return Whole(
        asked=own,
        rest=rest,
        previewing=previewing,
        songs=tuple(row for row in rows if row.asked or row.others),
        faults=tuple(dict.fromkeys((*faults, *more))),
    )


def spec_files(project: Project) -> tuple[Path, ...]:
    """The spec files of the project of these takes, unread: those beside and around theirs, and those in `specs`."""
    sources = dict.fromkeys(take.song.source for take in project.named)
    homes = {folder: _home(folder) for folder in dict.fromkeys(source.parent for source in sources)}
    beside = project.store.outputs.parent / SPECS_FOLDER
    folders = {real(home): home for home in (*homes.values(), *([beside] if beside.is_dir() else ()))}
    files = [source for source in sources if source.exists()]
    for folder in folders.values():
        # A folder that can't be read holds nothing that was rendered just now.
        with suppress(RendererError):
            files += find_specs([folder])
    return tuple(by_real(files).values())


def _home(folder: Path) -> Path:
    """The nearest `specs` that the folder is or lies in, else itself."""
    return next((above for above in (folder, *folder.parents) if above.name == SPECS_FOLDER), folder)


def _songs_beside(
    known: Iterable[Song], project: Project, *, is_known: bool
) -> tuple[tuple[Song, ...], tuple[Diagnostic, ...]]:
    """The project's songs, less those `known` where these are as their specs have them, and the errors of its specs."""
    sources = by_real(song.source for song in known) if is_known else {}
    files = [file for leads, file in by_real(spec_files(project)).items() if leads not in sources]
    if not files:
        return (), ()
    options = replace(project.options, seeds=None, first_seed=False)
    loaded = load_songs(files, model=options.model, vae=options.vae)
    songs = (with_options(song, options) for song in loaded.songs)
    own = tuple(song for song in songs if real(song.outputs) == real(project.store.outputs))
    return own, tuple(one for one in loaded.diagnostics if one.level is Level.ERROR)


def _row(song: Song, asked: tuple[Take, ...], *, whole: bool) -> SongTakes:
    """`whole`: what was asked for may bear the others' names and still be another take, such as a preview."""
    names = set() if whole else {take.name for take in asked}
    return SongTakes(song=song, asked=asked, others=tuple(take for take in song.takes() if take.name not in names))


def _with_previews(
    rows: Sequence[SongTakes], options: Options, store: Store
) -> tuple[tuple[SongTakes, ...], Mapping[float, Project]]:
    """The songs with the previews of their takes that are recorded, and what plans them."""
    found: dict[str, list[tuple[str, float]]] = {}
    for name in store.take_names():
        if preview := preview_named(name):
            found.setdefault(preview[0], []).append((name, float(preview[1])))
    takes = {take.name: take for row in rows for take in (*row.asked, *row.others) if take.variant.edit is None}
    told = tuple(
        replace(
            row,
            previews=tuple((name, takes[own]) for own in _names(row) if own in takes for name, _ in found.get(own, ())),
        )
        for row in rows
    )
    previewed = [takes[name] for name in found if name in takes]
    lengths = sorted({seconds for name in found if name in takes for _, seconds in found[name]})
    projects = {seconds: Project(previewed, replace(options, preview=seconds)) for seconds in lengths}
    for one in projects.values():
        one.store = store
    return told, projects


def _names(row: SongTakes) -> Iterable[str]:
    return dict.fromkeys(take.name for take in (*row.asked, *row.others))


def _without_faulty(rest: Project) -> tuple[Project, tuple[Diagnostic, ...]]:
    try:
        return rest.without_faulty()
    except SpecError as error:
        return rest, error.diagnostics
    except RendererError:
        # A model that the command line names: whoever asks for takes of it is told by their own plan.
        return rest, ()


def _in_order(song: Song, plans: Sequence[TakePlan]) -> tuple[TakePlan, ...]:
    """As the spec has them, a preview behind its take, seeds of the command line behind all."""
    places = {take.name: place for place, take in enumerate(song.takes())}
    return tuple(sorted(plans, key=lambda plan: (places.get(plan.take.name, len(places)), plan.name != plan.take.name)))
