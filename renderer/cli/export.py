"""`renderer export`: takes and their timestamps as files that other programs read."""

from __future__ import annotations

from pathlib import Path

import click

from renderer.cli.options import takes_folder_option
from renderer.cli.show_measuring import show_measuring
from renderer.cli.streams import say


@click.command(name="export")
@click.argument("named", nargs=-1, required=True, metavar="TAKE...")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="The folder that they are written into.",
)
@click.option("--lrc", "forms", flag_value="lrc", multiple=True, help="Lines with times, for music players.")
@click.option("--vtt", "forms", flag_value="vtt", multiple=True, help="WebVTT subtitles, word by word, for videos.")
@click.option("--markers", "forms", flag_value="markers", multiple=True, help="Sections as labels, for audio editors.")
@click.option(
    "--daw",
    "forms",
    flag_value="daw",
    multiple=True,
    help="Sound named by its tempo, sections and beats for REAPER and Audacity, stems that `extract` made.",
)
@takes_folder_option
def command(named: tuple[str, ...], folder: Path, forms: tuple[str, ...], outputs: Path | None) -> None:
    """Write when TAKEs' lyrics are sung into FOLDER, as LRC, WebVTT and markers when no form is named.

    A file that is there and holds something else is never written over: nothing is written then.
    """
    from renderer.pipeline.export import export

    exported = export(named, folder, forms, outputs, show=show_measuring)
    for path in exported.paths:
        say(str(path))
    for remark in exported.remarks:
        say(remark, err=True)
