"""`renderer import`: specs from ACE-Step's own files and from takes; overwrites nothing, says what was left out."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.errors import RendererError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from renderer.spec.imports import Imported


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
    from renderer.pipeline.from_recipe import holds_recipe
    from renderer.spec.diagnostics import Diagnostic, printable
    from renderer.spec.imports import MAX_BYTES, read_foreign
    from renderer.spec.toml import read_text

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
    folder.mkdir(parents=True, exist_ok=True)
    for path, spec in zip(paths, specs, strict=True):
        _write(path, spec)
        click.echo(f"{printable(str(file))} → {printable(str(path))}")
        for left in spec.left_out:
            click.echo(f"  left out `{printable(left.key)}`: {printable(left.why)}")
        yield path


def _stem(file: Path) -> str:
    return re.sub(r"[^\w -]+", "-", file.stem).strip("-") or "imported"


def _refuse_taken(paths: Iterable[Path]) -> None:
    if taken := next((path for path in paths if path.exists()), None):
        raise UsageError(f"`{taken}` is already there", why="nothing is overwritten", help="rename it, or use --to")


def _import_recipe(file: Path, folder: Path) -> Path:
    """Write the spec that renders an audio file's samples again, from the recipe in it; gives its path."""
    from renderer.pipeline.from_recipe import differences, remake
    from renderer.spec.diagnostics import printable
    from renderer.spec.imports import Imported
    from renderer.spec.load import load_songs
    from renderer.spec.pins import ENDING

    path = folder / f"{_stem(file)}.toml"
    remade = remake(file, name=path.stem)
    _refuse_taken((path, *([path.with_suffix(ENDING)] if remade.codes else [])))
    folder.mkdir(parents=True, exist_ok=True)
    if remade.codes:
        path.with_suffix(ENDING).write_text(remade.codes, "utf-8")
    _write(path, Imported(values=remade.values, left_out=()))
    click.echo(f"{printable(str(file))} → {printable(str(path))}")
    takes = [take for song in load_songs([path]).songs for take in song.takes()]
    for note in (*remade.notes, *(note for take in takes[:1] for note in differences(take, remade))):
        click.echo(f"  {printable(note)}")
    return path


def _write(path: Path, spec: Imported) -> None:
    from renderer.cli.new import schema_for

    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(spec.text(schema_for(path)))
