"""`renderer import`: specs from ACE-Step's own files and from takes; overwrites nothing, says what was left out."""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.cli.exit_codes import EXIT_FINE, EXIT_USAGE
from renderer.cli.streams import say_line
from renderer.errors import RendererError, SpecError, StoreError, UsageError
from renderer.folders import SPECS_FOLDER
from renderer.formats.table import FORMATS
from renderer.song import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.spec.imports.specs import Imported

MAX_LISTED = 100  # keys of a song that is none
MAX_NAME = 100  # bytes of a song's name; longer ones are cut, for what is made of it has longer ones

_ENDINGS = ", ".join(sorted(FORMATS, key=lambda name: name != Output().format))  # the usual one first
HELP = f"""Make specs from FILES: ACE-Step's examples, saved parameters, API requests, its CLI's TOML; and from takes.

JSON may list many songs: each becomes a spec, and one that can't be had costs only itself. A take rendered here
({_ENDINGS}, or the TOML beside it) gives the spec that renders the same samples. What can't be carried over is listed.
Exits with 2 when a song could not be imported; the others are.
"""


@click.command(name="import", help=HELP)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    default=Path(SPECS_FOLDER),
    show_default=True,
    metavar="FOLDER",
    help="Where the specs go.",
)
def command(files: tuple[Path, ...], folder: Path) -> int:
    """Import each file; what can't be had costs only itself."""
    from renderer.cli.show_diagnostics import show_diagnostics
    from renderer.spec.load import load_songs

    taken = _names_in(folder)
    outcomes = [outcome for file in files for outcome in _import(file, folder, taken)]
    written = [outcome for outcome in outcomes if isinstance(outcome, Path)]
    if written:
        show_diagnostics(load_songs(written).diagnostics, stream=sys.stdout)
    failed = len(outcomes) - len(written)
    if failed and len(outcomes) > 1:
        click.echo(f"{len(written)} imported, {failed} could not be", err=True)
    return EXIT_USAGE if failed else EXIT_FINE


def _names_in(folder: Path) -> set[str]:
    """The names of what lies in a folder, letter case aside; none where there is no folder.

    Raises: StoreError when it can't be read.
    """
    try:
        return {path.name.casefold() for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        raise StoreError(f"`{folder}` can't be read", why=(error.strerror or str(error)).lower()) from error


def _import(file: Path, folder: Path, taken: set[str]) -> Iterator[Path | RendererError]:
    """Write the specs that a file holds; gives the path of each, or what kept it from being written, told already."""
    from renderer.takes.from_recipe import holds_recipe

    try:
        if holds_recipe(file):
            yield _import_recipe(file, folder, taken)
        else:
            yield from _import_foreign(file, folder, taken)
    except RendererError as error:
        yield _print_refusal(error)


def _import_foreign(file: Path, folder: Path, taken: set[str]) -> Iterator[Path | RendererError]:
    """Raises: RendererError when the file can't be read at all."""
    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.imports.documents import SUFFIXES, WHAT_IS_TAKEN
    from renderer.spec.imports.specs import MAX_BYTES, Imported, read_foreign
    from renderer.spec.toml import read_text

    text = read_text(file, max_bytes=MAX_BYTES)
    if isinstance(text, Diagnostic):
        known = text.code == "unreadable" or file.suffix.lower() in SUFFIXES
        raise SpecError([text if known else replace(text, help=WHAT_IS_TAKEN)])
    foreign = read_foreign(text, file)
    for left in foreign.left_out:
        say_line(f"{file}: left out `{left.key}`: {left.why}")
    stem = spec_name(file)
    for number, song in enumerate(foreign.songs, start=1):
        try:
            if not isinstance(song, Imported):
                raise song
            path = folder / (f"{stem}-{number}.toml" if foreign.is_list else f"{stem}.toml")
            _write(path, song, taken)
        except RendererError as error:
            yield _print_refusal(error, of=f"song {number} of `{file}`" if foreign.is_list else f"`{file}`")
        else:
            _print_import(f"{file}, song {number}" if foreign.is_list else str(file), path, song)
            yield path


def _print_refusal(error: RendererError, of: str = "") -> RendererError:
    """Say what kept a song from being imported."""
    from renderer.cli.main import show_error
    from renderer.cli.show_diagnostics import show_diagnostics

    if isinstance(error, SpecError):
        show_diagnostics(error.diagnostics, stream=sys.stderr)
    elif of:
        show_error(RendererError(f"{of}: {error.message}", why=error.why, help=error.help))
    else:
        show_error(error)
    return error


def _print_import(origin: str, path: Path, song: Imported) -> None:
    say_line(f"{origin} → {path}")
    for left in song.left_out[:MAX_LISTED]:
        say_line(f"  left out `{left.key}`: {left.why}")
    if len(song.left_out) > MAX_LISTED:
        say_line(f"  and {len(song.left_out) - MAX_LISTED} more")
    for note in song.notes:
        say_line(f"  {note}")


def spec_name(file: Path) -> str:
    """A name for the song of a foreign file: as near to its own as a song may be called."""
    from renderer.spec.load import NO_SPECS, name_fault

    stem = unicodedata.normalize("NFC", file.stem)
    words = "".join(letter if _names_well(letter) else "-" for letter in stem)
    whole = re.sub(r"-{2,}", "-", words).strip("- ")
    name = whole.encode()[:MAX_NAME].decode(errors="ignore").strip("- ") or "imported"
    return f"{name}-song" if f"{name}.toml" in NO_SPECS or name_fault(name) else name


def _names_well(letter: str) -> bool:
    # Marks belong to their letters: most of India's and South East Asia's vowels are marks.
    return letter.isalnum() or letter in " _-" or unicodedata.category(letter).startswith("M")


def _import_recipe(file: Path, folder: Path, taken: set[str]) -> Path:
    """Write the spec that renders an audio file's samples again, from the recipe in it; gives its path."""
    from renderer.spec.imports.specs import Imported
    from renderer.spec.load import load_songs
    from renderer.takes.from_recipe import differences, remake

    path = folder / f"{spec_name(file)}.toml"
    remade = remake(file, name=path.stem)
    for name, source in remade.sources.items():
        _write_new(folder / f"{name}.toml", Imported(values=source.values), source.codes, taken)
        say_line(f"{file} → {folder / name}.toml")
    _write_new(path, Imported(values=remade.values), remade.codes, taken)
    say_line(f"{file} → {path}")
    takes = [take for song in load_songs([path]).songs for take in song.takes()]
    for note in (*remade.notes, *(note for take in takes[:1] for note in differences(take, remade))):
        say_line(f"  {note}")
    return path


def _write(path: Path, song: Imported, taken: set[str]) -> None:
    """Write the spec of a foreign song, and its codes beside it when it has some.

    Raises: UsageError when one of them is there, StoreError when one can't be written.
    """
    from renderer.spec.pins import ENDING, pinned_text

    if song.pinned is None:
        _write_new(path, song, None, taken)
    else:
        named = replace(song, values={"codes": path.with_suffix(ENDING).name, **song.values})
        _write_new(path, named, pinned_text(song.pinned), taken)


def _write_new(path: Path, spec: Imported, codes: str | None, taken: set[str]) -> None:
    """`taken` are the names in the folder, letter case aside: on some file systems that is one file."""
    from renderer.cli.new import schema_for
    from renderer.spec.pins import ENDING
    from renderer.spec.toml import MAX_BYTES
    from renderer.store.edits import create

    texts = {**({path.with_suffix(ENDING): codes} if codes else {}), path: spec.text(schema_for(path))}
    for file, text in texts.items():
        if file.name.casefold() in taken:
            raise UsageError(f"`{file}` is already there", why="nothing is overwritten", help="rename it, or use --to")
        if (size := len(text.encode())) > MAX_BYTES:
            raise UsageError(
                f"`{file}` would have {size // 1024} KiB", why=f"a spec has {MAX_BYTES // 1024} KiB at most"
            )
    create(texts)
    taken |= {file.name.casefold() for file in texts}
