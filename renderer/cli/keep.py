"""`renderer keep`: votes on takes, kept in picks.toml beside the specs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from renderer.cli.options import takes_folder_option
from renderer.cli.streams import say

if TYPE_CHECKING:
    from pathlib import Path


@click.command(name="keep")
@click.argument("named", nargs=-1, required=True, metavar="TAKE...")
@click.option("--note", metavar="TEXT", default="", help="A word on it.")
@click.option("--reject", "vote", flag_value="reject", help="The opposite: not this one.")
@click.option("--forget", "vote", flag_value="", help="Take vote and note back.")
@takes_folder_option
def command(named: tuple[str, ...], note: str, vote: str | None, outputs: Path | None) -> None:
    """Keep TAKEs: recorded in picks.toml beside their specs, shown in the report, spared by `store gc`."""
    from renderer.pipeline.rendered import heard_takes, voted_takes
    from renderer.spec.picks import Pick, Vote
    from renderer.takes.votes import vote_on, write_picks

    chosen = Vote.KEEP if vote is None else Vote(vote)
    takes = heard_takes(named, outputs) if chosen else voted_takes(named, outputs)
    for name, (song, record) in takes.items():
        if record is None:
            path = write_picks(song, {name: Pick(note=note)})
        else:
            path = vote_on(song, record, chosen, note=note, outputs=outputs)
        version = f" ({record.mark})" if record else ""
        say(f"{chosen or 'taken back'}: {name}{version} in {path}")
    say("renderer report shows it on the page")
