"""`renderer new`: a starter spec, or a whole song project; overwrites nothing."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.cli.streams import say
from renderer.errors import UsageError
from renderer.folders import specs_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_GIT: Mapping[str, str] = {
    ".gitignore": "leaves out /outputs/ and /shared/",
    ".gitattributes": "takes *.toml, *.txt and *.codes for text",
}
"""Files that git reads -> what they are to do for songs."""


@click.command(name="new")
@click.argument("name", required=False)
@click.option("--from", "origin", metavar="SPEC", help="Begin with a copy of this spec instead of the starter.")
@click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Make a song project there: specs/, renderer.toml, the schemas and what git is told.",
)
@click.option("--album", metavar="TITLE", help="Write album.toml with every song in specs/, beside that folder.")
def command(name: str | None, origin: str | None, project: Path | None, album: str | None) -> None:
    """Write the spec specs/NAME.toml (or NAME itself when it is a path), a song project, or an album.

    Files that are already there are left alone.
    """
    if sum(one is not None for one in (name, project, album)) != 1:
        raise UsageError("give a NAME, --project FOLDER or --album TITLE", help="renderer new my-song")
    if album is not None:
        if origin is not None:
            raise UsageError("--from goes with a NAME", why="an album names songs and copies none")
        _new_album(album)
    if project is not None:
        if origin is not None:
            raise UsageError("--from goes with a NAME", why="a project begins with the starter spec")
        _new_project(project)
    elif name is not None:
        _new_spec(name, origin)


def _new_project(folder: Path) -> None:
    from renderer.spec.editor_schema import schemas
    from renderer.spec.starter import project_files

    files = {folder / path: text for path, text in project_files(schemas()).items()}
    # A repository may have these before it has songs.
    kept = {folder / name: files.pop(folder / name) for name in OF_GIT if os.path.lexists(folder / name)}
    _write(files)
    for path in (path for path, text in kept.items() if not _holds(path, text)):
        say(f"{path} was there and stays: see that it {OF_GIT[path.name]}")
    # On any machine: the sketch model is there before any weights are.
    say("")
    say("next: write a song in specs/first-song.toml, and hear its beginning, sketched:")
    if folder.resolve() != Path.cwd():
        say(f"  cd {shlex.quote(str(folder))}")
    say("  renderer render --model mini --first-seed --preview 20")


def _new_album(title: str) -> None:
    from renderer.spec.load import ALBUM_NAME, find_specs
    from renderer.spec.starter import album_text
    from renderer.spec.take_names import song_name

    specs = specs_folder()
    songs = [song_name(file) for file in find_specs([specs])] if specs.is_dir() else []
    if not songs:
        raise UsageError("there are no songs yet", why=f"`{specs}` holds no spec", help="renderer new my-song")
    if not title.strip():
        raise UsageError("an album needs a title", help='renderer new --album "Night lines"')
    path = specs.parent / ALBUM_NAME
    _write({path: album_text(title, songs, schema_for(path, "album.schema.json"))})


def _holds(path: Path, text: str) -> bool:
    """Whether a file has every line that counts of a text."""
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    return all(line in lines for line in text.splitlines() if line and not line.startswith("#"))


def _new_spec(name: str, origin: str | None) -> None:
    from renderer.spec.load import name_fault
    from renderer.spec.starter import starter
    from renderer.spec.take_names import song_name

    path = Path(name) if "/" in name or name.endswith(".toml") else specs_folder() / f"{name}.toml"
    path = path if path.suffix == ".toml" else path.with_name(f"{path.name}.toml")
    if fault := name_fault(song_name(path)):
        raise UsageError(f"`{song_name(path)}` can't name a song", why=fault)
    title = song_name(path).replace("-", " ").replace("_", " ").capitalize()
    text = starter(title, schema_for(path)) if origin is None else _copied(Path(origin), title)
    _write({path: text})


def _copied(origin: Path, title: str) -> str:
    """Another spec's text, comments and all, under a new title.

    Raises: UsageError when it can't be read, SpecError when it is no valid TOML.
    """
    import tomlkit

    from renderer.errors import SpecError
    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.near import path_suggestion
    from renderer.spec.toml import read_toml

    if not origin.is_file():
        origin = origin if origin.suffix == ".toml" else specs_folder() / f"{origin}.toml"
    if not origin.is_file():
        near = path_suggestion(origin, ".toml")
        raise UsageError(f"`{origin}` does not exist", help=near or "name a spec file or a song")
    parsed = read_toml(origin)
    if isinstance(parsed, Diagnostic):
        raise SpecError([parsed])
    document = tomlkit.parse(parsed.source.text)
    if "title" in document:
        document["title"] = title
    return tomlkit.dumps(document)


def schema_for(path: Path, name: str = "song.schema.json") -> str | None:
    """The way from a spec to the schema of its project, when that has one."""
    folder = path.absolute().parent
    for above in (folder, *folder.parents):
        if (above / "schemas" / name).is_file():
            return Path(os.path.relpath(above / "schemas" / name, folder)).as_posix()
        if os.path.lexists(above / ".git"):
            return None
    return None


def _write(files: Mapping[Path, str]) -> None:
    """Write the files, or none of them when another is there under one of the names; tell their paths.

    Raises: UsageError when one is there, StoreError when one can't be written.
    """
    from renderer.store.edits import create

    create(files)
    for path in files:
        say(str(path))
