"""`renderer store`: check what is on disk, free what no one needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.exit_codes import EXIT_FAULTS, EXIT_FINE
from renderer.cli.near_group import NearGroup
from renderer.cli.options import TakesFolder, make_options
from renderer.cli.streams import say
from renderer.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.pipeline.options import Options
    from renderer.pipeline.project import Project
    from renderer.store.gc import Garbage

_UNITS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}


class Age(click.ParamType["float"]):
    """`14d`, `12h`, `2w`, `0`: seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        del param, ctx
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])|0", value)
        if not found:
            from renderer.errors import UsageError

            raise UsageError(f"`{value}` is no age", help="write 14d, 12h or 2w")
        return float(found[1]) * _UNITS[found[2]] if found[1] else 0.0


@click.group(name="store", cls=NearGroup)
def command() -> None:
    """What is kept below outputs/: artifacts of every stage, every version of every take."""


def _options(*unused: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As `takes_options`, of commands that speak of the store."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, kind in {
            "vae": None,
            "lm-quantization": click.Choice(["none", "8bit"]),
            "lm": None,
            "model": None,
        }.items():
            told = f"As when it was rendered with --{name}."
            metavar = "|".join(kind.choices) if kind else "NAME"
            command = click.option(f"--{name}", type=kind, metavar=metavar, hidden=name in unused, help=told)(command)
        told = "The outputs folder, instead of the project's own."
        command = click.option("--out", "outputs", type=TakesFolder(), metavar="FOLDER", help=told)(command)
        return click.argument("named", nargs=-1, metavar="[PATH]...")(command)

    return with_options


@command.command(name="verify", short_help="Read everything, and check it against its digest.")
@_options("model", "lm", "lm-quantization", "vae")
def verify(named: tuple[str, ...], **flags: Any) -> int:
    """Read every artifact and audio file and check it against its digest; exits with 1 when one is damaged.

    What is damaged is remembered: the next render makes it again.
    """
    from renderer.cli.verified import print_verified

    return EXIT_FAULTS if print_verified(_project(named, make_options(**flags)).store) else EXIT_FINE


@command.command(name="gc", short_help="List what no spec needs; --yes frees it.")
@_options()
@click.option("--older-than", type=Age(), default="14d", show_default=True, metavar="AGE", help="14d, 12h, 2w or 0.")
@click.option("--orphans", is_flag=True, help="Finished takes too that no spec asks for any more.")
@click.option("--yes", is_flag=True, help="Delete; without it, only list.")
def gc(named: tuple[str, ...], older_than: float, orphans: bool, yes: bool, **flags: Any) -> None:
    """List what could go: former versions and intermediate results that no spec, keeper or version on disk needs.

    PATHs are folders of specs beside specs/ that render to the same outputs: what they ask for stays.
    """
    from renderer.pipeline.cleanup import clean, find
    from renderer.pipeline.project import one_at_a_time

    options = make_options(**flags)
    project = _sound_project(_folders(named), options)
    if not project.store.folder.is_dir():
        click.echo("nothing to free")
        return
    with one_at_a_time(project.store):
        garbage = find(project, older_than_seconds=older_than, orphans=orphans)
        _print_garbage(garbage, yes=yes)
        if yes:
            # The specs again: what was saved since the list was made may ask for something on it.
            for stayed in clean(_sound_project(_folders(named), options), garbage):
                say(f"stays: {stayed.file} is asked for by now, or not what was written there")


def _folders(named: Sequence[str]) -> list[str]:
    """The folders named, and `specs` with them: a part of the specs would make orphans of the other songs' takes."""
    from pathlib import Path

    from renderer.errors import UsageError
    from renderer.folders import specs_folder
    from renderer.spec.near import path_suggestion

    for path in named:
        if not Path(path).is_dir():
            why = "gc must know every spec, or it frees too much"
            near = "" if Path(path).exists() else path_suggestion(Path(path))
            raise UsageError(
                f"`{path}` is no folder of specs", why=why, help=near or "name a folder, or nothing: specs/"
            )
    usual = [str(specs_folder())] if specs_folder().is_dir() or not named else []
    return [*named, *usual]


def _print_garbage(garbage: Sequence[Garbage], *, yes: bool) -> None:
    from renderer.pipeline.disk_budget import format_bytes

    for piece in garbage:
        say(f"{format_bytes(piece.num_bytes):>8}  {piece.file}  ({piece.why})")
    total = format_bytes(sum(piece.num_bytes for piece in garbage))
    if not garbage:
        click.echo("nothing to free")
    elif yes:
        click.echo(f"freeing {total} in {counted(len(garbage), 'file')}")
    else:
        click.echo(f"{total} in {counted(len(garbage), 'file')} could go; --yes deletes them")


def _project(named: Sequence[str], options: Options) -> Project:
    """The project of the specs, some of which may be broken."""
    from renderer.pipeline.project import Project
    from renderer.pipeline.select import select

    takes = select(named, options).takes
    return Project(takes, options) if takes else _sound_project(named, options)


def _sound_project(named: Sequence[str], options: Options) -> Project:
    """The project of specs without errors: one that can't be read may ask for just what looks unneeded."""
    from renderer.pipeline.project import Project, refuse_faults
    from renderer.pipeline.select import select

    selection = select(named, options)
    refuse_faults(selection, options)
    return Project(selection.takes, options)
