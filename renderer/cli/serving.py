"""The page over HTTP, following what runs of other processes write; what `watch --serve` shares of it."""

from __future__ import annotations

import dataclasses
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from renderer.errors import RendererError, SpecError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from renderer.pipeline.options import Options
    from renderer.pipeline.project import Project
    from renderer.serve import LiveReport
    from renderer.song import Song, Take
    from renderer.spec.picks import Pick

LOOK_SECONDS = 0.3  # how often the journal is looked at: one stat


@contextmanager
def report_served(named: Sequence[str], options: Options, *, measure: bool, port: int) -> Iterator[str]:
    """The address of the report over HTTP while the scope lasts.

    Raises: UsageError when the port is taken or `renderer[serve]` isn't installed.
    """
    serve = serving_library()
    from renderer.report.build import make_report

    project = chosen_project(named, options)
    live = serve.LiveReport(make_report(project))
    site = serve.make_site(live, project.store.outputs, voter(named, options, live))
    ended = threading.Event()
    follower = threading.Thread(target=_follow, args=(named, options, live, ended), kwargs={"measure": measure})
    with serve.serving(site, port) as url:
        follower.start()
        try:
            yield url
        finally:
            ended.set()
            follower.join()


def chosen_project(named: Sequence[str], options: Options) -> Project:
    """The takes that `named` means now, with their store.

    Raises: UsageError for a name that no spec bears, SpecError where all that are meant have errors.
    """
    from renderer.pipeline.project import Project
    from renderer.pipeline.select import select

    selection = select(named, options)
    errors = [one for one in selection.diagnostics if one.level == "error"]
    if errors and not selection.takes:
        raise SpecError(errors)
    return Project(selection.takes, options)


def serving_library() -> Any:
    """The module `renderer.serve`.

    Raises: UsageError without the extra it takes.
    """
    try:
        from renderer import serve
    except ModuleNotFoundError as error:
        raise UsageError(
            f"serving needs `{(error.name or '').partition('.')[0]}`",
            help="pip install 'renderer[serve]', or open the report without --serve",
        ) from error
    return serve


def _follow(named: Sequence[str], options: Options, live: LiveReport, ended: threading.Event, *, measure: bool) -> None:
    """Publish anew whenever a run, here or anywhere, wrote to the journal, or a spec was saved; measures in between."""
    project = chosen_project(named, options)
    takes = project.takes
    seen: object = None
    while not ended.is_set():
        began = time.monotonic()
        stamp = _stamp(named, project)
        if stamp != seen:
            try:
                takes = _publish(named, options, live, takes, measure=measure)
                seen = stamp
            except (RendererError, OSError) as error:
                # A spec that is being edited may be broken for a while; what is there stays, and is looked at again.
                live.show_progress(str(error))
        # A report of many takes costs seconds; a run that writes all the time must not be slowed by who watches it.
        ended.wait(LOOK_SECONDS + time.monotonic() - began)


def _stamp(named: Sequence[str], project: Project) -> object:
    """Changes with every line of the journal and every change of the specs."""
    from renderer.pipeline.select import spec_paths
    from renderer.watch.spec_files import read_spec_files

    try:
        specs = read_spec_files([*spec_paths(named), *project.spec_files()]).digests
    except RendererError:
        specs = {}
    return project.store.journal.stamp(), specs


def _publish(
    named: Sequence[str], options: Options, live: LiveReport, before: Sequence[Take], *, measure: bool
) -> tuple[Take, ...]:
    """Show the takes that are meant now, of broken specs those that were meant `before`; returns them."""
    from renderer.pipeline.project import Project
    from renderer.pipeline.select import select
    from renderer.report.build import make_report
    from renderer.takes.measurements import measure_takes
    from renderer.watch.effective_takes import effective_takes

    selection = select(named, options)
    takes = effective_takes(tuple(before), selection)
    project = Project(takes, options)
    live.publish(make_report(project, diagnostics=selection.diagnostics))
    live.show_progress("")
    # A list: all of them are measured, whatever the first one gives.
    measured = [not one.problem for one in measure_takes(project)] if measure else []
    if any(measured):
        live.publish(make_report(project, diagnostics=selection.diagnostics))
    return takes


def _song_of(take_name: str) -> str:
    """The song's name, which has no dot: variant, seed and a preview's seconds stand behind it."""
    return take_name.partition(".")[0]


def _songs(named: Sequence[str], options: Options) -> dict[str, Song]:
    from renderer.pipeline.select import select, spec_paths

    with suppress(RendererError):
        return {song.name: song for song in select([str(path) for path in spec_paths(named)], options).songs}
    return {}


def voter(named: Sequence[str], options: Options, live: LiveReport) -> Callable[[str, Pick], None]:
    """Writes votes beside the specs, and shows them to pages opened from then on.

    It raises UsageError for a take of which no spec was ever sound, StoreError when the file can't be written.
    """
    from renderer.takes import votes as picks

    writing = threading.Lock()
    known = _songs(named, options)

    def vote(name: str, pick: Pick) -> None:
        # Votes come faster than a file is read and written again.
        with writing:
            # What is broken just now keeps the place it had: the take was heard.
            known.update(_songs(named, options))
            song = known.get(_song_of(name))
            if song is None:
                raise UsageError(f"no spec bears `{name}`", help="mend its file, then vote again")
            picks.write_picks(song, {name: pick})
            live.replace(dataclasses.replace(live.report, picks={**live.report.picks, name: pick}))

    return vote
