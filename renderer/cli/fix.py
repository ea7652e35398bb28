"""`renderer fix`: a part of a take to be made anew, written into its spec as an edit."""

from __future__ import annotations

import shlex
from typing import Any

import click

from renderer.cli.completion import songs_and_takes
from renderer.cli.options import Seeds
from renderer.cli.streams import say


@click.command(name="fix")
@click.argument("take", shell_complete=songs_and_takes)
@click.option(
    "--at",
    "windows",
    multiple=True,
    required=True,
    metavar="FROM..TO|SECTION",
    help="What is made anew: seconds (62..75.5 or 1:02..1:15) or a section (bridge); several are passes in order.",
)
@click.option("--seeds", type=Seeds(), metavar="SEEDS", help="Of the new takes: 7 or 1,5,9 or 1..16.  [default: four]")
@click.option("--lyrics", metavar="TEXT", help="What the song says then; left out, what it says now.")
def command(take: str, windows: tuple[str, ...], **chosen: Any) -> None:
    """Write an [edits.…] table into the spec of TAKE that makes a part of it anew, and the rest as it is.

    Comments and everything else in the spec stay. What renders it is told.
    """
    from renderer.pipeline.faulty_specs import refuse_faulty
    from renderer.pipeline.options import Options
    from renderer.pipeline.select import select
    from renderer.takes.fix import fix, windows_in

    at, songs = windows_in(windows), select((), Options()).songs
    refuse_faulty([take], songs)
    fixed = fix(songs, take, at, **chosen)
    say(f"[edits.{fixed.name}] is written in {fixed.spec}{'' if fixed.is_new else ' already'}")
    first, *more = fixed.takes
    made = f"{first.rpartition('.')[0]}.s*" if more else first
    say(f"render it: renderer render {shlex.quote(made)}")
