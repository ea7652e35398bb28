"""A run's summary on the terminal, as JSON, and as an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.cli.exit_codes import EXIT_DEADLINE, EXIT_FAULTS, EXIT_FINE, EXIT_INTERRUPTED
from renderer.cli.streams import say, say_line
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
    error = failure.error
    say_line(f"{failure.take} in {failure.stage}: {error.message}", head="failed ", colour="red")
    say_line(f"  --> {failure.place}")
    for label, text in (("why", error.why), ("help", error.help)):
        if text:
            say_line(f"  = {label}: {text}")


def _print_refused(refused: RefusedSpec) -> None:
    more = f" (and {refused.num_faults - 1} more)" if refused.num_faults > 1 else ""
    say_line(f"{refused.file}: {refused.message}{more}", head="refused ", colour="red")
    say_line(f"  --> {refused.place}")


def _print_remarks(remarks: Mapping[str, tuple[str, ...]]) -> None:
    """A line for each remark, with the takes it is about."""
    for remark, takes in list(remarks.items())[:MOST_REMARKS]:
        more = f" and {len(takes) - MOST_NAMED} more" if len(takes) > MOST_NAMED else ""
        say_line(f"{', '.join(takes[:MOST_NAMED])}{more}: {remark}", head="note ", colour="cyan")
    if len(remarks) > MOST_REMARKS:
        say_line(f"and {len(remarks) - MOST_REMARKS} more notes: the report flags their takes")


def summary_document(summary: Summary, log: Path) -> dict[str, object]:
    """The summary as JSON has it."""
    return {
        "outputs": str(summary.outputs),
        "rendered": list(summary.rendered),
        "restored": list(summary.restored),
        "retagged": list(summary.retagged),
        "completed": list(summary.completed),
        "kept": list(summary.kept),
        "not_picked": list(summary.not_picked),
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
