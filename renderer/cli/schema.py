"""`renderer schema`: the JSON schemas of spec and `renderer.toml`, for editors."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="schema")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("schemas"))
def command(folder: Path) -> None:
    """Write song.schema.json and renderer.schema.json into FOLDER (schemas/ when none is named)."""
    from renderer.spec.editor_schema import schemas

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")
        click.echo(folder / name)
