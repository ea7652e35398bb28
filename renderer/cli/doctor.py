"""`renderer doctor`: what this machine has, what would run on it and at what dtype, and what is known to break."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from renderer.models.doctor import Finding

SIGNS = {"fine": ("ok", "green"), "warning": ("warning", "yellow"), "broken": ("broken", "red")}


@click.command(name="doctor")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|mps|cuda[:N]", help="Where to compute.")
@click.option("--dtype", default="auto", show_default=True, metavar="auto|float32|bfloat16|float16", help="In what.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program to read.")
def command(device: str, dtype: str, as_json: bool) -> int:
    """Look at Python, torch, device, memory, disk and models; exits with 1 when rendering can't work."""
    from renderer.models.doctor import examine

    findings = list(examine(device, dtype))
    if as_json:
        document = [{"what": one.what, "state": one.state, "found": one.found, "help": one.help} for one in findings]
        click.echo(json.dumps(document, indent=2))
    else:
        for finding in findings:
            _tell(finding)
    return 1 if any(finding.state == "broken" for finding in findings) else 0


def _tell(finding: Finding) -> None:
    from renderer.spec.diagnostics import printable

    word, colour = SIGNS[finding.state]
    click.echo(f"{click.style(f'{word:8}', fg=colour)} {finding.what:12} {printable(finding.found)}")
    if finding.help:
        click.echo(f"{'':21} = help: {printable(finding.help)}")
