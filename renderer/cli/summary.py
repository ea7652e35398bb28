"""A run's summary on the terminal, as JSON, and as an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from renderer.cli.exit_codes import EXIT_DEADLINE, EXIT_FAULTS, EXIT_FINE, EXIT_INTERRUPTED
from renderer.cli.streams import say
from renderer.cli.verbose import say_log

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from renderer.errors import RendererError
    from renderer.pipeline.refused_specs import RefusedSpec
    from renderer.pipeline.run_stats import TakeFailure
    from renderer.pipeline.summary import Summary

MOST_REMARKS = 10  # that are told at the end; the report has them all
MOST_NAMED = 3  # takes of one remark


def exit_code(summary: Summary) -> int:
    """A signal's, else that of failures and refused specs, else that of a deadline, else 0."""
    from renderer.pipeline.stop import StopCause

    if summary.stopped is StopCause.SIGNAL:
        return EXIT_INTERRUPTED
    if summary.failures or summary.fault or summary.refused:
        return EXIT_FAULTS
    return EXIT_DEADLINE if summary.stopped else EXIT_FINE


def print_summary(summary: Summary, page: Path | None, log: Path) -> None:
    """What was done, where it is, and last what wasn't done: failed takes and refused specs, each with its place."""
    from renderer.cli.main import show_error

    _print_remarks(summary.remarks)
    say(summary.headline)
    if summary.loads_line:
        say(summary.loads_line)
    if page:
        say(f"listen: {page}")
    for failure in summary.failures:
        _print_failure(failure)
    for refused in summary.refused:
        _print_refused(refused)
    if summary.fault:
        show_error(summary.fault)
    if summary.failures or summary.fault:
        say_log(log)


def _print_failure(failure: TakeFailure) -> None:
    from renderer.spec.diagnostics import printable

    error, failed = failure.error, click.style("failed", fg="red", bold=True)
    click.echo(f"{failed} {printable(failure.take)} in {failure.stage}: {printable(error.message)}")
    click.echo(f"  --> {printable(failure.place)}")
    for label, text in (("why", error.why), ("help", error.help)):
        if text:
            click.echo(f"  = {label}: {printable(text)}")


def _print_refused(refused: RefusedSpec) -> None:
    from renderer.spec.diagnostics import printable

    more = f" (and {refused.num_faults - 1} more)" if refused.num_faults > 1 else ""
    click.echo(
        f"{click.style('refused', fg='red', bold=True)} {printable(str(refused.file))}: "
        f"{printable(refused.message)}{more}"
    )
    click.echo(f"  --> {printable(refused.place)}")


def _print_remarks(remarks: Mapping[str, tuple[str, ...]]) -> None:
    """A line for each remark, with the takes it is about."""
    from renderer.spec.diagnostics import printable

    for remark, takes in list(remarks.items())[:MOST_REMARKS]:
        names = ", ".join(printable(take) for take in takes[:MOST_NAMED])
        more = f" and {len(takes) - MOST_NAMED} more" if len(takes) > MOST_NAMED else ""
        click.echo(f"{click.style('note', fg='cyan', bold=True)} {names}{more}: {printable(remark)}")
    if len(remarks) > MOST_REMARKS:
        click.echo(f"and {len(remarks) - MOST_REMARKS} more notes: the report flags their takes")


def summary_document(summary: Summary, log: Path) -> dict[str, object]:
    """The summary as JSON has it."""
    return {
        "outputs": str(summary.outputs),
        "rendered": list(summary.rendered),
        "restored": list(summary.restored),
        "retagged": list(summary.retagged),
        "completed": list(summary.completed),
        "kept": list(summary.kept),
        "failed": [
            {"take": failure.take, "stage": failure.stage, "place": failure.place, **_error(failure.error)}
            for failure in summary.failures
        ],
        "refused": [
            {
                "file": str(refused.file),
                "line": refused.line,
                "column": refused.column,
                "code": refused.code,
                "message": refused.message,
                "faults": refused.num_faults,
            }
            for refused in summary.refused
        ],
        "remarks": [{"remark": remark, "takes": list(takes)} for remark, takes in summary.remarks.items()],
        "stopped": summary.stopped is not None,
        "stopped_by": summary.stopped,
        "unfinished": list(summary.unfinished),
        "kept_results": dict(summary.kept_results),
        "fault": _error(summary.fault) if summary.fault else None,
        "seconds": round(summary.seconds, 3),
        "loads": dict(summary.loads),
        "loads_song_by_song": dict(summary.loads_song_by_song),
        "log": str(log),
        "summary": summary.headline,
    }


def _error(error: RendererError) -> dict[str, str]:
    return {"message": error.message, "why": error.why, "help": error.help}
