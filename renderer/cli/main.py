"""`renderer`: the table of commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import gc
import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from renderer import __version__
from renderer.cli.exit_codes import EXIT_FINE, EXIT_INTERRUPTED, EXIT_USAGE
from renderer.cli.near_group import NearGroup
from renderer.cli.streams import replace_what_cannot_be_shown, say, say_line
from renderer.cli.verbose import told_in_full, with_verbose
from renderer.errors import RendererError, SpecError, UnfitFiles

if TYPE_CHECKING:
    from collections.abc import Mapping


class Row(NamedTuple):
    """A command: the module whose `command` it is, imported only to run it, and its line in `--help`."""

    module: str
    summary: str


COMMANDS: Mapping[str, Row] = {
    "check": Row("renderer.cli.check", "Check specs: every fault of every file, with its place."),
    "show": Row("renderer.cli.show", "Show what the models are sent, or an audio file's recipe."),
    "plan": Row("renderer.cli.plan", "Show what a render would do, and why."),
    "render": Row("renderer.cli.render", "Render songs: what is new or changed, stage by stage."),
    "watch": Row("renderer.cli.watch", "Render what is saved, as it is saved."),
    "status": Row("renderer.cli.status", "Show what is new, changed, failed or done, and why."),
    "diff": Row("renderer.cli.diff", "Show what differs between takes, or since a git revision."),
    "report": Row("renderer.cli.report", "Write the page with all takes to listen to."),
    "keep": Row("renderer.cli.keep", "Vote for takes: kept in picks.toml beside the specs."),
    "pick": Row("renderer.cli.pick", "Show which takes of a song to hear first, and why."),
    "export": Row("renderer.cli.export", "Write takes' lyrics with times, or all for a DAW."),
    "album": Row("renderer.cli.album", "Check an album's kept takes, and write it to send out."),
    "share": Row("renderer.cli.share", "Write takes and a page of them to send to somebody."),
    "pin": Row("renderer.cli.pin", "Keep a take's codes beside its spec, and follow them."),
    "fix": Row("renderer.cli.fix", "Write into a spec that a part of a take is made anew."),
    "store": Row("renderer.cli.store", "Check what is on disk, free what no one needs."),
    "models": Row("renderer.cli.models", "List the known models; fetch and verify them."),
    "doctor": Row("renderer.cli.doctor", "Tell whether this machine can render, and how."),
    "bench": Row("renderer.cli.bench", "Measure how fast this machine renders, and what to set."),
    "new": Row("renderer.cli.new", "Write a starter spec, or a whole song project."),
    "import": Row("renderer.cli.import_", "Make specs from ACE-Step's own files."),
    "completion": Row("renderer.cli.completion", "Print what completes commands and names in a shell."),
    "schema": Row("renderer.cli.schema", "Write the schemas that editors complete and check specs with."),
}


class LazyCommands(NearGroup):
    """A group whose commands are imported when they run, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None when there is none of that name."""
        del ctx
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        command: click.Command = import_module(row.module).command
        return with_verbose(command)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with --verbose, what ended it is shown with where it came from."""
        with told_in_full(ctx):
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing what it names."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in COMMANDS.items()])


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="renderer")
def cli() -> None:
    """Songs kept as TOML specs, rendered with ACE-Step 1.5."""


def main() -> None:
    """Run the command line; ends the process with one of `exit_codes`."""
    # A plan of thousands of takes is a large tree without cycles; the collector would walk it again and again.
    gc.set_threshold(100_000, 20, 100)
    # What a spec means hangs on nothing else that is installed; looking for plugins of pydantic's takes its time, too.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    replace_what_cannot_be_shown()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of one command line; says on stderr what went wrong."""
    try:
        result = cli.main(args=arguments, prog_name="renderer", standalone_mode=False)
        sys.stdout.flush()
    except (click.ClickException, click.Abort, KeyboardInterrupt, RendererError, OSError) as error:
        return _say(error)
    return result if isinstance(result, int) else EXIT_FINE


def _say(error: BaseException) -> int:
    """What ended a command, in words; the exit code."""
    code = EXIT_USAGE
    match error:
        case click.UsageError() if not isinstance(error, click.exceptions.NoArgsIsHelpError):
            from renderer.cli.click_errors import as_usage_error

            show_error(as_usage_error(error))
        case click.ClickException():
            told = io.StringIO()
            error.show(file=told)
            say(told.getvalue().rstrip("\n"), err=True)
        case KeyboardInterrupt() | click.Abort():
            click.echo("interrupted", err=True)
            code = EXIT_INTERRUPTED
        case RendererError():
            show_error(error)
        case BrokenPipeError():
            # The reader of our output left; so that the interpreter's own flush at exit doesn't complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = EXIT_FINE
        case OSError():
            from renderer.files import what_to_do, why_refused

            what = f"`{error.filename}` can't be used" if error.filename else "the system refuses"
            show_error(RendererError(what, why=why_refused(error), help=what_to_do(error)))
            with suppress(OSError):
                sys.stdout.flush()
    return code


def show_error(error: RendererError) -> None:
    """What happened, why, and what to do, on stderr; of several faults each with its place."""
    from renderer.cli.show_diagnostics import show_diagnostics

    if isinstance(error, SpecError):
        show_diagnostics(error.diagnostics, stream=sys.stderr)
        return
    if isinstance(error, UnfitFiles):
        for fault in error.faults:
            show_error(fault)
        return
    say_line(f": {error.message}", head="error", colour="red", err=True)
    for label, text in (("why", error.why), ("help", error.help)):
        if text:
            say_line(f"  = {label}: {text}", err=True)
