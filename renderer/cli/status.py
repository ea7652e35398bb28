"""`renderer status`: what is new, changed, failed, done; of one take, why it would run. Waits for no render."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.exit_codes import EXIT_FINE, EXIT_USAGE
from renderer.cli.options import make_options, takes_options
from renderer.cli.streams import echo_json, say_line
from renderer.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.pipeline.project import Project
    from renderer.pipeline.status import Status, TakeStatus, Version
    from renderer.plan.jobs import Change, TakePlan
    from renderer.spec.diagnostics import Diagnostic

COLOURS = {
    "new": "green",
    "changed": "yellow",
    "missing": "yellow",
    "failed": "red",
    "restored": "cyan",
    "tags": "cyan",
    "broken": "red",
}

MOST_DIFFERENCES = 4  # differences of surroundings, in a line
ONLY = {
    "restored": ": its file moves back from old/",
    "tags": ": its tags are written anew, the sound stays",
    "not picked": ": others of its song scored better; rendered by its name it is finished all the same",
}
"""What is done for takes that run nothing."""


@click.command(name="status")
@takes_options("mixed")
@click.option("--since", "revision", metavar="REV", help="Which takes are asked for something else since that commit.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program to read.")
def command(named: tuple[str, ...], revision: str | None, as_json: bool, **flags: Any) -> int:
    """Show what a render would make and what is done; for a TAKE, value by value why it would run.

    With --since, show which takes the specs ask other things of than at a revision of the project's git repository,
    from which stage on, and why.
    """
    if revision is not None:
        return _since(named, revision, as_json=as_json, **flags)
    from renderer.errors import SpecError
    from renderer.pipeline.project import Project
    from renderer.pipeline.rejected_sources import rejected_sources
    from renderer.pipeline.select import select
    from renderer.pipeline.status import make_status

    options = make_options(**flags)
    selection = select(named, options)
    errors = [found for found in selection.diagnostics if found.level == "error"]
    if not selection.takes:
        if named and errors:
            raise SpecError(errors)
        _print_broken(errors)
        click.echo("no takes" if not errors else "no take of a sound spec")
        return EXIT_USAGE if errors else EXIT_FINE
    project = Project(selection.takes, options)
    errors += dict.fromkeys(rejected_sources(project).values())
    status = make_status(project)
    if named:
        # Asked of some, it tells of them only.
        status = replace(status, without_spec=())
    if as_json:
        document = {"outputs": str(project.store.outputs), **_document(status, errors)}
        echo_json(document)
        return EXIT_FINE
    if len(status.takes) == 1 and named:
        _print_take(project, status.takes[0])
    else:
        _print_status(status, whole=not named)
    for line in choices_lines([take.plan for take in status.takes], project.workers.choices):
        _plain(line)
    _print_broken(errors)
    _plain(f"outputs: {project.store.outputs}")
    return EXIT_FINE


def _since(named: tuple[str, ...], revision: str, *, as_json: bool, **flags: Any) -> int:
    from renderer.cli.show_diff import history_document, print_since
    from renderer.pipeline.history_diff import compare_history

    compared = compare_history(revision, None, make_options(**flags), named=named)
    if as_json:
        echo_json(history_document(compared))
    else:
        print_since(compared)
    return EXIT_FINE


def _print_status(status: Status, *, whole: bool) -> None:
    from renderer.plan.jobs import Why
    from renderer.spec.diagnostics import printable

    for why in (Why.NEW, Why.CHANGED, Why.MISSING, Why.FAILED, Why.RESTORED, Why.TAGS):
        for take in status.of(why):
            _line(str(why), take.plan.name, "; ".join(_reasons(take)))
    done, left_out = status.of(Why.DONE), status.of(Why.NOT_PICKED)
    for take in () if whole else left_out:
        _line(str(Why.NOT_PICKED), take.plan.name, "")
    click.echo(f"{len(done)} of {len(status.takes) - len(left_out)} takes done")
    if left_out:
        names = "a take" if len(left_out) > 1 else printable(left_out[0].plan.name)
        click.echo(
            f"{len(left_out)} not picked: others of their songs scored better; render {names} by name to finish it"
        )
    for line in lacks_lines([take.plan for take in status.takes]):
        _plain(line)
    if note := elsewhere_line([take.elsewhere for take in status.takes]):
        _plain(note)
    if whole and status.without_spec:
        for name in status.without_spec:
            _line("no spec", name, "")
        click.echo("what has no spec stays until `renderer store gc --orphans` is told to free it")


def choices_lines(takes: Sequence[TakePlan], choices: Sequence[str]) -> Sequence[str]:
    """Where takes are made again that were made on this chip before: what for; nothing where none is."""
    from renderer.plan.jobs import Why

    return choices if any(take.why is Why.CHANGED for take in takes) else ()


def lacks_lines(takes: Sequence[TakePlan]) -> list[str]:
    """Of finished takes without what they want beside their sound and won't get now: how many, and how they get it."""
    lacking = [take for take in takes if take.has_sound and take.lacks and not take.runs]
    flags = {stage: take.family.stages[stage].flag for take in lacking for stage in take.lacks}
    return [
        f"{sum(stage in take.lacks for take in lacking)} done without {stage}: renderer render {flag} makes them"
        for stage, flag in flags.items()
    ]


def elsewhere_line(differences: Sequence[Sequence[Change]]) -> str:
    """Of takes made in other surroundings: how many, and what differs; nothing when there are none."""
    several = [changes for changes in differences if changes]
    if not several:
        return ""
    words = list(dict.fromkeys(change.text for changes in several for change in changes))
    more = f" and {len(words) - MOST_DIFFERENCES} more" if len(words) > MOST_DIFFERENCES else ""
    return (
        f"{len(several)} made in another environment ({', '.join(words[:MOST_DIFFERENCES])}{more}): "
        "renderer render --refresh environment makes them again"
    )


def _reasons(take: TakeStatus) -> Iterator[str]:
    yield from (change.text_with_place for change in take.plan.changes)
    if take.last_failure:
        yield take.last_failure


def _print_take(project: Project, take: TakeStatus) -> None:
    from renderer.pipeline.status import versions

    plan = take.plan
    _line(str(plan.why), plan.name, plan.file)
    for reason in _reasons(take):
        _plain(f"  {reason}")
    if plan.has_sound:
        _plain(f"  nothing runs{ONLY.get(plan.why, '')}")
    else:
        _plain(f"  runs: {plan.runs_text}" if plan.runs else f"  nothing runs{ONLY.get(plan.why, '')}")
    for line in lacks_lines([plan]):
        _plain(f"  {line}")
    for change in take.elsewhere:
        _plain(f"  made with {change.name} {change.old}, now {change.new} (--refresh environment makes it again)")
    for version in versions(project, plan):
        _plain(f"  {_version(project, version)}")


def _version(project: Project, version: Version) -> str:
    record = version.record
    where = version.place.relative_to(project.store.outputs).as_posix() if version.place else "deleted or altered"
    return f"{record.mark}  {where}{'  (this is asked for)' if version.is_asked else ''}"


def _print_broken(errors: Sequence[Diagnostic]) -> None:
    codes: dict[str, list[str]] = {}
    for error in errors:
        codes.setdefault(str(error.file), []).append(error.code)
    for file, found in codes.items():
        # Which version a vote is on is known where takes are planned.
        command = "plan" if "edit-source-rejected" in found else "check"
        _line("broken", file, f"{counted(len(found), 'fault')}: renderer {command} {file}")


def _line(word: str, name: str, note: str) -> None:
    say_line(f"{name}  {note}" if note else name, head=f"{word:<9} ", colour=COLOURS.get(word))


def _plain(text: str) -> None:
    say_line(text)


def _document(status: Status, errors: Sequence[Diagnostic]) -> dict[str, object]:
    return {
        "takes": [_take(take) for take in status.takes],
        "without_spec": list(status.without_spec),
        "broken": sorted({str(error.file) for error in errors}),
    }


def _take(take: TakeStatus) -> dict[str, object]:
    plan = take.plan
    return {
        "take": plan.name,
        "file": plan.file,
        "why": str(plan.why),
        "runs": [str(stage) for stage in plan.runs],
        "if_picked": list(plan.if_picked),
        "changes": [change.as_json for change in plan.changes],
        "elsewhere": [{"name": c.name, "old": c.old, "new": c.new} for c in take.elsewhere],
        "last_failure": take.last_failure,
        "lacks": list(plan.lacks) if plan.has_sound else [],
        "key": plan.key,
    }
