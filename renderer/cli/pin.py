"""`renderer pin`: a take's codes beside its spec, so that the song stays while lyrics, caption or sampling change."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli.options import make_options, takes_options
from renderer.cli.streams import say


@click.command(name="pin")
@takes_options("vae", "vae-tile", "vae-overlap", "preview", "mixed", "workers", "threads")
def command(named: tuple[str, ...], **flags: Any) -> None:
    """Keep the codes of a TAKE, or of a SONG with just one, as a file beside the spec, and name it there.

    The LM then stays out: seeds vary the DiT only, and lyrics, caption and sampling may change while the song stays.
    """
    from renderer.errors import UsageError
    from renderer.pipeline.pinned import done_takes, made_anew
    from renderer.pipeline.project import Project, refuse_faults
    from renderer.pipeline.select import select
    from renderer.takes.pin import pin
    from renderer.takes.votes import all_picks

    options = make_options(**flags)
    if len(named) != 1:
        raise UsageError("pin takes one song or take", help="renderer pin night-bus.s7")
    selection = select(named, options)
    refuse_faults(selection, options)
    project, song = Project(selection.takes, options), selection.takes[0].song
    done = done_takes(song, options)
    path = pin(project, named[0], picks := all_picks(selection.songs))
    say(f"pinned in {path}, named in {song.source}")
    for line in made_anew(song, done, options, picks):
        say(line)
    say(f'to take it back, delete the line `codes = "{path.name}"` in {song.source}')
