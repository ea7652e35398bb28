"""`renderer bench`: how fast this machine is with the models on its disk, and what to set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from renderer.cli.exit_codes import EXIT_FINE
from renderer.cli.options import machine_options, make_options
from renderer.cli.streams import echo_json

if TYPE_CHECKING:
    from rich.table import Table

    from renderer.models.bench.figures import BenchFigure
    from renderer.pipeline.bench import BenchResult

MINUTES = 10.0
GB = 1e9


@click.command(name="bench")
@machine_options
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.1, max=60),
    default=MINUTES,
    show_default=True,
    help="At most; what doesn't fit in is left out, the important comes first.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program, or an issue, and no table.")
def command(minutes: float, as_json: bool, **flags: Any) -> int:
    """Measure loads, LM steps, DiT steps and VAE tiles with a model set on disk; `plan` then tells times by it.

    Without --model it is `turbo` where that is on disk, else the embedded sketch model. Nothing is written but what is
    remembered of this machine.
    """
    from renderer.pipeline.bench import bench, model_on_disk

    flags["model"] = flags["model"] or model_on_disk()
    result = bench(make_options(**flags), minutes=minutes, listen=_say)
    document = _document(result)
    if as_json:
        echo_json(document)
        return EXIT_FINE
    _print(result)
    click.echo("to paste into an issue:")
    echo_json(document)
    return EXIT_FINE


def _say(figure: BenchFigure) -> None:
    """What was measured, as it comes, for whoever waits."""
    click.echo(f"{figure.part} {figure.what}{_beside(figure)}: {_took(figure)}", err=True)


def _print(result: BenchResult) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table: Table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("part", "what", "on", "in", "at", "takes", "peak"):
        table.add_column(heading, overflow="fold")
    for one in result.figures:
        peak = f"{one.peak_bytes / GB:.1f} GB" if one.peak_bytes else ""
        table.add_row(one.part, one.what, one.device, one.dtype, _beside(one).strip(), _took(one), peak)
    Console(highlight=False).print(table)
    measured = any(one.seconds for one in result.figures if one.what != "load")
    otherwise = (
        "nothing else that was tried is a tenth faster" if measured else "the time was too short: give --minutes"
    )
    for line in result.suggestions or (otherwise,):
        click.echo(line)


def _beside(figure: BenchFigure) -> str:
    slots = f" {figure.slots} slot{'s'[: figure.slots != 1]}" if figure.slots else ""
    return slots + (f" {figure.tile[0]}/{figure.tile[1]}" if figure.tile else "")


def _took(figure: BenchFigure) -> str:
    if figure.seconds is None:
        return figure.said
    seconds = f"{figure.seconds * 1000:.1f} ms" if figure.seconds < 1 else f"{figure.seconds:.2f} s"
    return f"{seconds} a {figure.unit[:-1]}" if figure.unit else seconds


def _document(result: BenchResult) -> dict[str, object]:
    from renderer import __version__
    from renderer.json_values import to_json

    settings = result.settings
    return {
        "renderer": __version__,
        "model": result.model,
        "lm": result.lm,
        "machine": dict(result.machine),
        "environment": to_json(result.environment),
        "settings": {
            "dtype": settings.dtype,
            "lm_slots": settings.lm_slots,
            "vae_tile": settings.vae_tile,
            "vae_overlap": settings.vae_overlap,
            "parts": [to_json(one) for one in settings.parts],
        },
        "figures": [to_json(one) for one in result.figures],
        "suggestions": list(result.suggestions),
        "seconds": result.seconds,
    }
