"""`renderer completion`: what a shell needs to complete commands, models, songs, takes and codes; and those names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE = "_RENDERER_COMPLETE"


_HELP = """Print what completes this program's commands and names in a shell.

\b
bash: eval "$(renderer completion bash)" in ~/.bashrc
zsh:  eval "$(renderer completion zsh)" in ~/.zshrc, behind compinit
fish: renderer completion fish | source
      in ~/.config/fish/config.fish
"""


@click.command(name="completion", help=_HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """See `_HELP`."""
    from renderer.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click knows all three
        raise click.UsageError(f"click knows no {shell}")
    click.echo(kind(cli, {}, "renderer", VARIABLE).source())


def songs_and_takes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of songs; of takes once a dot is typed; of files and folders where a path is."""
    del context, parameter
    from renderer.pipeline.select import songs_here

    if "/" in incomplete or incomplete.startswith((".", "~")):
        return [CompletionItem(incomplete, type="file")]
    songs = songs_here()
    names = [song.name for song in songs]
    if "." in incomplete:
        names = [take.name for song in songs if song.name == incomplete.partition(".")[0] for take in song.takes()]
    return _beginning(incomplete, names)


def model_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of model sets, LMs or VAEs, as the option takes them; of all for an argument."""
    del context
    from renderer.spec.checkpoints import LMS, VAES
    from renderer.spec.families import MODELS

    names = {"model": MODELS, "lm": LMS, "vae": VAES}.get(parameter.name or "", (*MODELS, *LMS, *VAES))
    return _beginning(incomplete, names)


def codes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Codes of faults and lints."""
    del context, parameter
    from renderer.spec.fault_table import FAULTS
    from renderer.spec.lints.table import LINTS

    return _beginning(incomplete, (*(lint.code for lint in LINTS), *(fault.code for fault in FAULTS)))


def _beginning(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted({*names}) if name.startswith(incomplete)]
