"""`renderer plan`: what a render would do, and why; loads no weights and writes nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.exit_codes import EXIT_FINE
from renderer.cli.options import Clock, beside_options, make_options, takes_options
from renderer.cli.streams import echo_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.table import Table

    from renderer.pipeline.project import Project
    from renderer.plan.jobs import Change, Plan, TakePlan
    from renderer.plan.picking import PlanPick
    from renderer.song import Take

    Elsewhere = Mapping[str, Sequence[Change]]

_HEADINGS = ("take", "runs", "why")


@click.command(name="plan")
@takes_options()
@beside_options
@click.option("--force", is_flag=True, help="As if everything were to be rendered again.")
@click.option("--only-edits", is_flag=True, help="As with render --only-edits.")
@click.option("--keep-going", is_flag=True, help="As a render of the good specs beside broken ones.")
@click.option("--until", type=Clock(), metavar="HH:MM", help="As a render that stops at that time: in waves.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    help="For people, for programs, or as Markdown for a comment: what runs, without what is done.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
def command(named: tuple[str, ...], form: str, **flags: Any) -> int:
    """Show takes, the stages that would run and why, and how often each model would be read from disk."""
    from renderer.cli.outlook import Outlook
    from renderer.cli.show_diagnostics import show_diagnostics, show_remarks, show_what_spoils
    from renderer.cli.status import choices_lines
    from renderer.models.placement import words
    from renderer.pipeline.models import require_fit
    from renderer.pipeline.pace_history import expected_times
    from renderer.pipeline.project import Project, refuse_faults
    from renderer.pipeline.rejected_sources import renderable
    from renderer.pipeline.select import select
    from renderer.pipeline.status import made_elsewhere
    from renderer.pipeline.waves import waves_of
    from renderer.run.simulation import best

    options = make_options(**flags)
    selection = select(named, options)
    refuse_faults(selection, options)
    show_what_spoils(selection.diagnostics, stream=sys.stderr)
    project = Project(selection.to_render, options)
    project, faults = renderable(project)
    show_diagnostics(faults, stream=sys.stderr)
    show_remarks(project.remarks)
    plan, missing = project.plan(), project.missing()
    elsewhere = {take.name: made_elsewhere(project, take) for take in plan.takes}
    require_fit(plan, project.model_of)
    expected = expected_times(project.store.journal, project.settings.device)
    workers = project.workers.settings
    outlook = Outlook(
        schedule=best(plan.as_if_picked, workers, expected),
        devices=tuple(one.device for one in workers),
        measured=expected.knows(plan.jobs),
        plain_seconds=best(plan.as_if_all, workers, expected).seconds if plan.picks else None,
    )
    if form == "json":
        waves = {"waves": waves_of(plan)._asdict()} if options.until and plan.running else {}
        computes = {"computes": words(project.settings)}
        echo_json({**_document(plan, missing, elsewhere), **computes, "expected": outlook.document(), **waves})
        return EXIT_FINE
    lines = [
        *_sums(plan, missing, elsewhere, project.added),
        f"computes: {words(project.settings)}",
        *choices_lines(plan.takes, project.workers.choices),
        *(outlook.lines() if plan.jobs and (len(outlook.devices) > 1 or outlook.measured) else ()),
        *(_waves(plan, f"{options.until:%H:%M}") if options.until and plan.running else ()),
        *_cuts(plan, project),
    ]
    if form == "markdown":
        _print_markdown(plan, elsewhere, lines)
    else:
        _print_text(plan, elsewhere, lines)
    return EXIT_FINE


def _print_text(plan: Plan, elsewhere: Elsewhere, lines: Sequence[str]) -> None:
    from rich.console import Console

    Console(highlight=False).print(_table(plan, elsewhere))
    for line in lines:
        say(line)


def _print_markdown(plan: Plan, elsewhere: Elsewhere, lines: Sequence[str]) -> None:
    from renderer.cli.markdown import table, verbatim
    from renderer.plan.jobs import Why

    rests = (Why.DONE, Why.NOT_PICKED)
    rows = [_row(take, elsewhere) for take in plan.takes if take.runs or take.why not in rests]
    for line in ("### Plan", "", *(table(_HEADINGS, rows) if rows else ()), "", *verbatim(lines)):
        click.echo(line)


def _waves(plan: Plan, until: str) -> Iterator[str]:
    """How many waves a deadline makes of it, each with its own loads."""
    from renderer.pipeline.waves import waves_of

    first, most = waves_of(plan)
    if most == 1:
        yield f"until {until}: one wave"
        return
    rest = "the next ones as many as the measured pace allows"
    yield f"until {until}: in waves of whole takes, the first of {first}, {rest}:"
    yield f"2 waves with time in plenty, about {most} where it is just enough; each loads its models again"


def _cuts(plan: Plan, project: Project) -> Iterator[str]:
    """Which prompts the DiT would not read to their end, as the tokenizer counts them."""
    for take in plan.running:
        facts = project.model_of(take.take.variant).facts
        for name, count, limit in take.family.cut_off(take, facts, project.store, project.options.preview):
            yield f"{take.name}: the {name} has {count} tokens, the model reads {limit}: shorten it"


def _sums(plan: Plan, missing: tuple[str, ...], elsewhere: Elsewhere, added: Sequence[Take]) -> Iterator[str]:
    """What is made, too, what is read from disk how often, and how much it is in all."""
    from renderer.cli.status import elsewhere_line, lacks_lines
    from renderer.pipeline.disk_budget import format_bytes, needed_bytes

    for take in added:
        of = next(one.take.name for one in plan.takes if take.name in {source.name for source in one.take.sources})
        yield f"{take.name} is made, too: {of} is made from it"
    loads, before = plan.loads(), plan.as_if_picked.loads_song_by_song()
    for component, count in loads.items():
        yield f"{component}: loaded {count}×, song by song {before.get(component, 0)}×{_others(plan, component)}"
    size = f", about {format_bytes(needed_bytes(plan))} on disk" if plan.running else ""
    reckoned = plan.as_if_picked
    jobs = f"{len(reckoned.jobs)} job{'s'[: len(reckoned.jobs) != 1]}"
    num_takes = sum(take.sound in take.runs for take in reckoned.running)
    beside = f", {len(plan.completed)} done to be completed" if plan.completed else ""
    for pick in plan.picks:
        anyway = f", and {len(pick.always)} whatever they score" if pick.always else ""
        yield f"{_group(pick)}: {len(pick.takes)} plans, the best {pick.finish} are finished{anyway}"
    yield f"{num_takes} of {len(plan.takes)} takes to render{beside}, {jobs}{size}"
    yield from lacks_lines(plan.takes)
    if note := elsewhere_line(list(elsewhere.values())):
        yield note
    if missing:
        names = " ".join(missing)
        yield f"not fetched: {names} (renderer models fetch {names})"


def _others(plan: Plan, component: str) -> str:
    """` (merge.safetensors on sft)`: what isn't the model's own, of components that specs can exchange."""
    from renderer.models.family import family
    from renderer.plan.reasons import SET

    named = [
        exchanged(take.requests[SET])
        for take in plan.running
        for part in family(take.files.family).parts.values()
        if (exchanged := part.exchanged.get(component))
    ]
    names = dict.fromkeys(one or "the model's own" for one in named) if any(named) else ()
    return f" ({', '.join(names)})" if names else ""


def _table(plan: Plan, elsewhere: Elsewhere) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from renderer.spec.diagnostics import printable

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for take in plan.takes:
        name, runs, reason = _row(take, elsewhere)
        table.add_row(Text(printable(name)), runs, Text(printable(reason)))
    return table


def _row(take: TakePlan, elsewhere: Elsewhere) -> tuple[str, str, str]:
    return take.name, take.runs_text or "-", why(take, elsewhere[take.name])


def _group(pick: PlanPick) -> str:
    """`night-bus`, `night-bus.wide`."""
    return pick.takes[0].rpartition(".")[0]


def why(take: TakePlan, elsewhere: Sequence[Change]) -> str:
    """`changed: shift 3.0 → 2.0`, `done (made with threads 2 → 1)`, in words."""
    changes = ", ".join(change.text for change in take.changes)
    made = f" (made with {', '.join(change.text for change in elsewhere)})" if elsewhere else ""
    lacks = f" without {' and '.join(take.lacks)}" if take.has_sound and take.lacks else ""
    return f"{take.why}{lacks}: {changes}{made}" if changes else f"{take.why}{lacks}{made}"


def _document(plan: Plan, missing: tuple[str, ...], elsewhere: Elsewhere) -> dict[str, object]:
    from renderer.plan.reasons import SET

    return {
        "takes": [
            {
                "take": take.name,
                "file": take.file,
                "why": str(take.why),
                "runs": [str(stage) for stage in take.runs],
                "if_picked": list(take.if_picked),
                "changes": [{"stage": c.stage, "name": c.name, "old": c.old, "new": c.new} for c in take.changes],
                "elsewhere": [{"name": c.name, "old": c.old, "new": c.new} for c in elsewhere[take.name]],
                "lacks": list(take.lacks) if take.has_sound else [],
                "key": take.key,
                "models": {name: take.requests[SET][name] for name in ("model", "based_on", "lm", "vae")},
            }
            for take in plan.takes
        ],
        "picks": [
            {"takes": list(pick.takes), "finish": pick.finish, "always": sorted(pick.always)} for pick in plan.picks
        ],
        "jobs": len(plan.as_if_picked.jobs),
        "loads": plan.loads(),
        "loads_song_by_song": plan.loads_song_by_song(),
        "not_fetched": list(missing),
    }
