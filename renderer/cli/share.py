"""`renderer share`: takes in a folder of their own, to send to somebody who is to hear them."""

from __future__ import annotations

from pathlib import Path

import click

from renderer.cli.completion import songs_and_takes
from renderer.cli.options import takes_folder_option
from renderer.cli.streams import say


@click.command(name="share")
@click.argument("named", nargs=-1, required=True, metavar="TAKE...", shell_complete=songs_and_takes)
@click.option("--to", "folder", type=click.Path(path_type=Path), metavar="FOLDER", help="Write there instead.")
@click.option("--mp3", "format", flag_value="mp3", help="As MP3, whatever the takes are: small enough for a mail.")
@takes_folder_option
def command(named: tuple[str, ...], folder: Path | None, format: str | None, outputs: Path | None) -> None:  # noqa: A002 - the spec's word
    """Write a small page with players and lyrics of TAKEs into shared/SONG, to send to somebody.

    It tells nothing of how they were made: no seed, prompt, setting or recipe, in the audio neither. Rejected takes are
    left out where only a pattern names them. Files that are there and hold something else are never written over:
    nothing is written then.
    """
    from renderer.pipeline.share import share

    shared = share(named, folder, outputs, format=format)
    say(str(shared.page))
    for label, take, file in shared.labels:
        say(f"{label} = {take} ({file})")
    if shared.left_out:
        say(f"left out, as rejected: {', '.join(shared.left_out)} (named itself, a take is sent all the same)")
    say("send the whole folder: its page opens in any browser")
