"""`renderer models`: what is known, what is on disk, what fits; fetch and verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.cli.completion import model_names
from renderer.cli.exit_codes import EXIT_FAULTS, EXIT_FINE
from renderer.cli.near_group import NearGroup
from renderer.cli.streams import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from renderer.models.catalog.hub import HubFolder
    from renderer.models.catalog.inventory import InventoryEntry
    from renderer.song import Song

MOST_NAMED = 2  # songs that the table names before it only counts them
SIZES = ("bf16", "fp32", "needs")


@click.group(name="models", cls=NearGroup, invoke_without_command=True)
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|mps|mlx|cuda[:N,…]", help="Fits where?")
@click.option("--dtype", default="auto", show_default=True, metavar="auto|float32|bfloat16|float16", help="In what?")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program to read.")
@click.pass_context
def command(context: click.Context, device: str, dtype: str, as_json: bool) -> int:
    """List the known models: on disk or not, whether they fit this machine, which specs use them."""
    if context.invoked_subcommand is not None:
        return EXIT_FINE
    from renderer.cli.main import show_error
    from renderer.models.catalog.inventory import known_models, models_of
    from renderer.models.placement import pick_first, placed, words
    from renderer.pipeline.select import songs_here

    songs, picked = songs_here(), pick_first(device)
    users = _users(songs)
    own, faults = models_of((variant for song in songs for variant in song.variants), picked, dtype)
    entries = [*known_models(picked, dtype), *own]
    if as_json:
        click.echo(json.dumps([_document(entry, users) for entry in entries], indent=2))
        return EXIT_FINE
    _print_table(entries, users)
    # Two lines: in one it would be wider than the table.
    say(f"here: {words(placed(picked, dtype))}".replace(", VAE", ",\n      VAE"))
    for fault in faults:
        show_error(fault)
    return EXIT_FINE


@command.command(name="fetch", short_help="Bring models to this machine.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=model_names)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="An existing copy.",
)
def fetch(names: tuple[str, ...], folder: Path | None) -> int:
    """Bring models to this machine: pinned revisions, only the files needed, resumed where it broke off.

    A model set brings its LM along unless another LM is named beside it. With --dir nothing is fetched: from then on
    models are also looked for in that folder, which is laid out like upstream's `checkpoints`.
    """
    from renderer.models.catalog import hub, zoo

    names = tuple(zoo.known_as(name) for name in names)
    wanted = names if any(name in zoo.LMS for name in names) else _with_lms(names)
    sources = tuple(dict.fromkeys(source for name in wanted for source in zoo.sources_of(name)))
    if folder is not None:
        return _use(folder, sources)
    for source, found in zip(sources, hub.fetch(sources, _announce), strict=True):
        say(f"{source.local_name}: {found}")
    return EXIT_FINE


def _announce(num_bytes: int, cache: Path) -> None:
    from renderer.pipeline.disk_budget import format_bytes
    from renderer.spec.diagnostics import printable

    what = f"fetching {format_bytes(num_bytes)} into" if num_bytes else "all of it is in"
    click.echo(f"{what} {printable(str(cache))}", err=True)


@command.command(name="verify", short_help="Hash models on disk anew.")
@click.argument("names", nargs=-1, metavar="[NAME|FOLDER|FILE]...")
def verify(names: tuple[str, ...]) -> int:
    """Hash models on disk anew (all known ones unless named); exits with 1 when a file is not what it was."""
    from renderer.models.catalog.verify import verify as verify_folder
    from renderer.pipeline.disk_budget import format_bytes
    from renderer.spec.diagnostics import printable

    seen, broken = 0, []
    for label, folder in _on_disk(names):
        for one in verify_folder(folder):
            state = "new" if one.expected is None else "ok" if one.is_sound else "BROKEN"
            click.echo(f"{state:7} {format_bytes(one.num_bytes):>8}  {printable(f'{label}/{one.name}')}")
            seen += 1
            broken += [] if one.is_sound else [one.path]
    if broken:
        click.echo(f"{len(broken)} of {seen} files are not what they were: delete them and fetch again", err=True)
        for path in broken:
            click.echo(f"  {printable(str(path))}", err=True)
    else:
        click.echo(_sound_files(seen))
    return EXIT_FAULTS if broken else EXIT_FINE


def _sound_files(num_files: int) -> str:
    if not num_files:
        return "no published model is on disk: renderer models fetch turbo brings one"
    return f"{num_files} files: each is what it was"


def _with_lms(names: Sequence[str]) -> Sequence[str]:
    from renderer.models.catalog import zoo

    return (*names, *dict.fromkeys(zoo.MODELS[name].lm for name in names if name in zoo.MODELS))


def _use(folder: Path, sources: Sequence[HubFolder]) -> int:
    from renderer.errors import ModelError
    from renderer.models.catalog import hub

    missing = [source.local_name for source in sources if not hub.is_complete(folder / source.local_name)]
    if missing:
        raise ModelError(
            f"`{folder}` lacks {', '.join(missing)}",
            why="a copy is used as it is, each part in a folder named as upstream's `checkpoints` has it",
            help="copy what is missing there, or fetch without --dir",
        )
    hub.remember_folder(folder)
    for source in sources:
        say(f"{source.local_name}: {(folder / source.local_name).resolve()}")
    return EXIT_FINE


def _on_disk(names: Sequence[str]) -> list[tuple[str, Path]]:
    """The folders of what is named, each with the name it was published under; without names all that is here."""
    from renderer.errors import ModelError
    from renderer.models.catalog import hub, zoo
    from renderer.spec.checkpoints import is_dit_file

    folders: list[tuple[str, Path]] = []
    for name in names or (*zoo.MODELS, *zoo.LMS, *zoo.VAES):
        if Path(name).is_dir() or (is_dit_file(name) and Path(name).is_file()):
            folders.append((Path(name).resolve().name if Path(name).is_dir() else "model", Path(name)))
            continue
        found = [(source.local_name, hub.find(source)) for source in zoo.sources_of(name)]
        if names and None in (folder for _, folder in found):
            raise ModelError(f"`{name}` isn't on disk", help=f"renderer models fetch {name}")
        folders += [(label, folder) for label, folder in found if folder is not None]
    return list({folder: (name, folder) for name, folder in reversed(folders)}.values())[::-1]


def _users(songs: Sequence[Song]) -> Mapping[str, list[str]]:
    """Model, LM or VAE -> the songs that use it."""
    from renderer.models.catalog import zoo

    users: dict[str, list[str]] = {}
    for song in songs:
        for variant in song.variants:
            base = zoo.MODELS.get(variant.trained_as)
            lm = variant.lm or (base.lm if base else None)
            for name in (variant.model, variant.based_on, lm, variant.vae):
                if name is not None and song.name not in users.setdefault(name, []):
                    users[name].append(song.name)
    return users


def _document(entry: InventoryEntry, users: Mapping[str, list[str]]) -> dict[str, object]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "layout": entry.layout,
        "sources": [{"repo": one.repo, "folder": one.folder, "revision": one.revision} for one in entry.sources],
        "on_disk": str(entry.on_disk) if entry.on_disk else None,
        **_abilities(entry),
        "num_params": entry.num_params,
        "resident_bytes": entry.resident_bytes,
        "dtype": entry.dtype,
        "fits": entry.fits,
        "used_by": users.get(entry.spec_name or entry.name, []),
    }


def _abilities(entry: InventoryEntry) -> dict[str, object]:
    """What a model set can do; LMs and VAEs have none of it."""
    from renderer.models.catalog import zoo

    if entry.name not in zoo.MODELS:
        return {}
    facts = zoo.model_facts(entry.name)
    return {
        "steps": facts.steps,
        "any_steps": facts.max_steps is None,
        "shift": facts.shift,
        "shifts": list(facts.shifts) if facts.shifts else "any",
        "guidance_scale": facts.guidance_scale if facts.guided else None,
        "dcw_enabled": facts.dcw,
    }


def _print_table(entries: Sequence[InventoryEntry], users: Mapping[str, list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from renderer.spec.diagnostics import printable

    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("name", "kind", *SIZES, "fits", "on disk"):
        table.add_column(heading, justify="right" if heading in SIZES else "left", no_wrap=True)
    table.add_column("used by", overflow="fold")
    for entry in entries:
        sizes = [f"{size / 1e9:.1f}" for size in (entry.num_params * 2, entry.num_params * 4, entry.resident_bytes)]
        fits, here = ("yes" if found else "no" for found in (entry.fits, entry.on_disk))
        songs = users.get(entry.spec_name or entry.name, [])
        used_by = ", ".join(songs) if len(songs) <= MOST_NAMED else f"{len(songs)} songs"
        table.add_row(Text(printable(entry.name)), entry.kind, *sizes, fits, here, Text(printable(used_by)))
    Console(highlight=False).print(table)
    click.echo("in GB; needs: resident here at most, room to work included")
    click.echo("mini comes with the program, to sketch with")
    click.echo("`model`, `lm` and `vae` also take a folder")
