"""`renderer show`: the texts that LM and DiT are sent, or the recipe in an audio file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.exit_codes import EXIT_FINE
from renderer.cli.options import make_options, takes_options
from renderer.cli.streams import echo_json
from renderer.formats.table import is_audio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renderer.models.take_requests import PromptText
    from renderer.pipeline.options import Options


@click.command(name="show")
@takes_options("vae", "vae-tile", "vae-overlap", "mixed", "workers", "threads")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program to read.")
def command(named: tuple[str, ...], as_json: bool, **flags: Any) -> int:
    """Show what the models are sent for specs, songs or takes, with token counts where the tokenizer is on disk.

    What the LM has yet to decide is marked, or filled in from an earlier render. Of an audio file made here, show the
    recipe in its tags.
    """
    audio = [path for path in map(Path, named) if is_audio(path)]
    for path in audio:
        _show_recipe(path, as_json=as_json)
    names = tuple(name for name in named if not is_audio(Path(name)))
    if names or not audio:
        _show_takes(names, make_options(**flags), as_json=as_json)
    return EXIT_FINE


def _show_recipe(path: Path, *, as_json: bool) -> None:
    import tomli_w

    from renderer.takes.recipe import read_recipe

    recipe = read_recipe(path)
    if as_json:
        echo_json(recipe)
    else:
        click.echo(_safe(tomli_w.dumps(recipe, multiline_strings=True)))


def _show_takes(named: tuple[str, ...], options: Options, *, as_json: bool) -> None:
    from renderer.pipeline.project import Project, refuse_faults
    from renderer.pipeline.select import select

    selection = select(named, options)
    refuse_faults(selection, options)
    project = Project(selection.takes, options)
    shown: dict[tuple[PromptText, ...], list[str]] = {}
    named_here = {take.name for take in selection.takes}
    for plan in project.plan([take for take in project.takes if take.name in named_here]).takes:
        facts = project.model_of(plan.take.variant).facts
        shown.setdefault(plan.family.prompts(plan, facts, project.store, options.preview), []).append(plan.name)
    if as_json:
        echo_json([_row(names, texts) for texts, names in shown.items()])
        return
    for texts, names in shown.items():
        click.echo(click.style(", ".join(map(_safe, names)), bold=True))
        for text in texts:
            click.echo(f"\n{click.style(_heading(text), fg='cyan')}\n{_safe(text.text)}")
        click.echo()


def _heading(text: PromptText) -> str:
    count = "" if text.num_tokens is None else f", {text.num_tokens} tokens"
    if text.num_tokens is not None and text.max_tokens is not None:
        cut = f": the last {text.num_tokens - text.max_tokens} are cut off" if text.num_tokens > text.max_tokens else ""
        count = f", {text.num_tokens} of {text.max_tokens} tokens{cut}"
    return f"── {text.stage}: {text.name}{count}"


def _row(names: Iterable[str], texts: tuple[PromptText, ...]) -> dict[str, object]:
    return {
        "takes": list(names),
        "sent": [
            {"stage": str(text.stage), "name": text.name, "text": text.text, "tokens": text.num_tokens}
            for text in texts
        ],
    }


def _safe(text: str) -> str:
    """The text line by line, nothing in it able to move the cursor."""
    from renderer.spec.diagnostics import printable

    return "\n".join(map(printable, text.split("\n")))
