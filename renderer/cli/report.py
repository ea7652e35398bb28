"""`renderer report`: the page with all takes, written anew or served live."""

from __future__ import annotations

import time
import webbrowser
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.options import make_options, takes_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rich.console import Console

    from renderer.pipeline.options import Options
    from renderer.pipeline.project import Project
    from renderer.serve import Live, Site
    from renderer.spec.picks import Pick

JOURNAL = "journal.jsonl"  # below the store
LOOK_SECONDS = 0.5  # how often a served report looks whether another process rendered


@click.command(name="report")
@takes_options
@click.option("--measure/--no-measure", default=True, help="Measure tempo, key and loudness of what is finished.")
@click.option("--open", "open_page", is_flag=True, help="Open it in the browser.")
@click.option("--serve", is_flag=True, help="Serve it to this machine's browser: new takes appear, votes are written.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="For --serve; by default a free one.")
def command(named: tuple[str, ...], measure: bool, open_page: bool, serve: bool, port: int, **given: Any) -> None:
    """Write the page with all takes to listen to: of PATHs, SONGs or TAKEs, by default of all that is in specs/."""
    from rich.console import Console

    from renderer.pipeline.page import write_page

    options = make_options(**given)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    project = _project(named, options)
    page = write_page(project)
    if serve:
        _serve(named, options, measure=measure, port=port, say=console.print, open_page=open_page)
        return
    if measure:
        page = measure_and_write(project, console)
    console.print(str(page))
    if open_page:
        webbrowser.open(page.as_uri())


def measure_and_write(project: Project, console: Console) -> Path:
    """Measure what isn't yet, then write the page with it; problems are told and cost nothing else."""
    from renderer.output.measure import missing_libraries
    from renderer.pipeline.measured import measure_takes, unmeasured
    from renderer.pipeline.page import write_page

    todo = () if missing_libraries() else unmeasured(project)
    with console.status(f"measuring {len(todo)} takes"):
        problems = [one.problem for one in measure_takes(project) if one.problem] if todo else []
    for problem in dict.fromkeys(problems):
        console.print(f"not measured: {problem}", markup=False)
    return write_page(project)


def _project(named: Sequence[str], options: Options) -> Project:
    from renderer.pipeline.project import Project
    from renderer.pipeline.select import select

    return Project(select(named, options).takes, options)


def _serve(
    named: Sequence[str],
    options: Options,
    *,
    measure: bool,
    port: int,
    say: Callable[[str], None],
    open_page: bool,
) -> None:
    from renderer.pipeline.page import make_report

    serve = serving_library()
    project = _project(named, options)
    live = serve.Live(make_report(project))
    site: Site = serve.make_site(live, project.store.outputs, voter(named, options, live))
    with serve.serving(site, port) as url:
        say(f"{url}  (Ctrl-C ends it)")
        if open_page:
            webbrowser.open(url)
        try:
            _follow(named, options, live, measure=measure)
        except KeyboardInterrupt:
            say("ended")


def serving_library() -> Any:
    """The module `renderer.serve`.

    Raises: UsageError without the extra it takes.
    """
    from renderer.errors import UsageError

    try:
        from renderer import serve
    except ModuleNotFoundError as error:
        raise UsageError(
            f"serving needs `{error.name}`", help="pip install 'renderer[serve]', or open the report without --serve"
        ) from error
    return serve


def _follow(named: Sequence[str], options: Options, live: Live, *, measure: bool) -> None:
    """Publish anew whenever a run, here or in another process, wrote to the journal; measures in between."""
    from renderer.errors import RendererError
    from renderer.pipeline.measured import measure_takes
    from renderer.pipeline.page import make_report

    journal = _project(named, options).store.folder / JOURNAL
    seen: object = None
    while True:
        began = time.monotonic()
        try:
            stamp = _stamp(journal)
            if stamp != seen:
                project = _project(named, options)
                live.publish(make_report(project))
                if measure and any(one.measured for one in measure_takes(project)):
                    live.publish(make_report(project))
                live.tell("")
                seen = stamp
        except RendererError as error:
            # A spec that is being edited may be broken for a while; what is there stays.
            live.tell(error.message)
        # A report of many takes costs seconds; a run that writes all the time must not be slowed by who watches it.
        time.sleep(max(LOOK_SECONDS, 3 * (time.monotonic() - began)))


def _stamp(journal: Path) -> object:
    return (journal.stat().st_mtime_ns, journal.stat().st_size) if journal.exists() else None


def voter(named: Sequence[str], options: Options, live: Live) -> Callable[[str, Pick], None]:
    """Writes votes beside the specs, and shows them to pages opened from then on."""
    import dataclasses

    from renderer.pipeline import picks

    def vote(name: str, pick: Pick) -> None:
        song = next(take.song for take in _project(named, options).takes if take.name == name)
        picks.write_picks(song, {name: pick})
        live.keep(dataclasses.replace(live.report, picks={**live.report.picks, name: pick}))

    return vote
