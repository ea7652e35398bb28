"""`renderer doctor`: what this machine has, what would run on it and at what dtype, and what is known to break."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from renderer.cli.exit_codes import EXIT_FAULTS, EXIT_FINE

if TYPE_CHECKING:
    from renderer.models.catalog.doctor import CheckResult

INDENT = 22  # columns before what was found
MIN_WIDTH = 30
SIGNS = {"fine": ("ok", "green"), "warning": ("warning", "yellow"), "broken": ("broken", "red")}


@click.command(name="doctor")
@click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|mps|mlx|cuda[:N,…]", help="Where to compute."
)
@click.option("--dtype", default="auto", show_default=True, metavar="auto|float32|bfloat16|float16", help="In what.")
@click.option("--probe", is_flag=True, help="Try on the device what was computed wrong on some, against the CPU.")
@click.option("--cluster", metavar="auto|ADDRESS", help="Look at every node of a Ray cluster instead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program to read.")
def command(device: str, dtype: str, probe: bool, cluster: str | None, as_json: bool) -> int:
    """Look at Python, torch, device, memory, disk and models; exits with 1 when rendering can't work."""
    from renderer.models.catalog.doctor import examine, probes
    from renderer.pipeline.cluster import examine_cluster
    from renderer.pipeline.select import songs_here

    variants = [variant for song in songs_here() for variant in song.variants]
    results = list(examine_cluster(cluster, variants) if cluster else examine(device, dtype, variants))
    if probe and not cluster:
        results += probes(device)
    if as_json:
        document = [{"what": one.what, "state": one.state, "found": one.detail, "help": one.help} for one in results]
        click.echo(json.dumps(document, indent=2))
    else:
        for result in results:
            _print_result(result)
    return EXIT_FAULTS if any(result.state == "broken" for result in results) else EXIT_FINE


def _print_result(result: CheckResult) -> None:
    from renderer.spec.diagnostics import printable

    word, colour = SIGNS[result.state]
    text = _lines(printable(result.detail), INDENT)
    click.echo(f"{click.style(f'{word:8}', fg=colour)} {result.what:12} {text}")
    if result.help:
        click.echo(f"{'':{INDENT - 1}} = help: {_lines(printable(result.help), INDENT + len('= help: '))}")


def _lines(text: str, indent: int) -> str:
    """The text broken for a terminal, whose further lines stand below its first; one line where nobody watches."""
    if not sys.stdout.isatty():
        return text
    width = max(MIN_WIDTH, shutil.get_terminal_size().columns - indent)
    return f"\n{'':{indent}}".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))
