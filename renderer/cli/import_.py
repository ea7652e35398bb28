"""`renderer import`: specs from ACE-Step's own files and from takes; overwrites nothing, says what was left out."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.errors import RendererError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("specs"),
    show_default=True,
    metavar="FOLDER",
    help="Where the specs go.",
)
def command(files: tuple[Path, ...], folder: Path) -> int:
    """Make a spec from each of FILES: ACE-Step's example JSON, saved generation parameters, its CLI's TOML, or a take.

    A take rendered here (flac, wav, mp3, opus, or the TOML beside it) gives the spec that renders the same samples.
    What can't be carried over is listed. Exits with 2 when a file could not be imported; the others are.
    """
    from renderer.cli.main import show_error
    from renderer.cli.show_diagnostics import show_diagnostics
    from renderer.spec.load import load_songs

    written: list[Path] = []
    failed = False
    for file in files:
        try:
            written += _import(file, folder)
        except RendererError as error:
            show_error(error)
            failed = True
    if written:
        show_diagnostics(load_songs(written).diagnostics, stream=sys.stdout)
    return 2 if failed else 0


def _import(file: Path, folder: Path) -> Iterator[Path]:
    """Write the specs that a file holds; gives their paths.

    Raises: UsageError when it holds none, or a spec of that name is already there.
    """
    from renderer.cli.new import schema_for
    from renderer.pipeline.from_recipe import holds_recipe
    from renderer.spec.diagnostics import Diagnostic, printable
    from renderer.spec.imports import MAX_BYTES, read_foreign
    from renderer.spec.toml import read_text
    from renderer.store.edits import create

    if holds_recipe(file):
        yield _import_recipe(file, folder)
        return
    text = read_text(file, max_bytes=MAX_BYTES)
    if isinstance(text, Diagnostic):
        raise UsageError(f"`{file}`: {text.message}", why=text.why, help=text.help)
    specs = read_foreign(text, name=file.name)
    stem = _stem(file)
    paths = [
        folder / (f"{stem}.toml" if len(specs) == 1 else f"{stem}-{number}.toml") for number in range(1, len(specs) + 1)
    ]
    _refuse_taken(paths)
    create({path: spec.text(schema_for(path)) for path, spec in zip(paths, specs, strict=True)})
    for path, spec in zip(paths, specs, strict=True):
        click.echo(f"{printable(str(file))} → {printable(str(path))}")
        for left in spec.left_out:
            click.echo(f"  left out `{printable(left.key)}`: {printable(left.why)}")
        yield path


def _stem(file: Path) -> str:
    return re.sub(r"[^\w -]+", "-", file.stem).strip("-") or "imported"


def _refuse_taken(paths: Sequence[Path]) -> None:
    # Where a killed import left some of several, the others are written; what differs is refused as they are.
    if all(path.exists() for path in paths):
        taken = paths[0]
        raise UsageError(f"`{taken}` is already there", why="nothing is overwritten", help="rename it, or use --to")


def _import_recipe(file: Path, folder: Path) -> Path:
    """Write the spec that renders an audio file's samples again, from the recipe in it; gives its path."""
    from renderer.cli.new import schema_for
    from renderer.pipeline.from_recipe import differences, remake
    from renderer.spec.diagnostics import printable
    from renderer.spec.imports import Imported
    from renderer.spec.load import load_songs
    from renderer.spec.pins import ENDING
    from renderer.store.edits import create

    path = folder / f"{_stem(file)}.toml"
    remade = remake(file, name=path.stem)
    _refuse_taken((path, *([path.with_suffix(ENDING)] if remade.codes else [])))
    codes = {path.with_suffix(ENDING): remade.codes} if remade.codes else {}
    create({**codes, path: Imported(values=remade.values, left_out=()).text(schema_for(path))})
    click.echo(f"{printable(str(file))} → {printable(str(path))}")
    takes = [take for song in load_songs([path]).songs for take in song.takes()]
    for note in (*remade.notes, *(note for take in takes[:1] for note in differences(take, remade))):
        click.echo(f"  {printable(note)}")
    return path
