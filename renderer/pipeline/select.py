"""What the user names (folders, files, songs, takes) -> the songs and takes meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.files import is_folder
from renderer.folders import SPECS_FOLDER
from renderer.song import MAX_TAKES
from renderer.spec.load import load_songs
from renderer.spec.near import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.pipeline.options import Options
    from renderer.song import Song, Take
    from renderer.spec.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The songs and takes meant, and every fault found in their specs."""

    songs: tuple[Song, ...]
    takes: tuple[Take, ...]
    diagnostics: tuple[Diagnostic, ...]


def select(named: Sequence[str], options: Options) -> Selection:
    """The takes that `named` means: paths, song names or take names; nothing means the folder `specs`.

    Raises: UsageError for a name that no spec bears.
    """
    paths = [Path(name) for name in named if _is_path(name)]
    names = [name for name in named if not _is_path(name)]
    loaded = load_songs(spec_paths(named), model=options.model, vae=options.vae)
    songs = tuple(with_options(song, options) for song in loaded.songs)
    every = tuple(take for song in songs for take in song.takes())
    if not names:
        return Selection(songs=songs, takes=every, diagnostics=loaded.diagnostics)
    sources = {song.source for song in load_songs(paths).songs} if paths else set()
    takes = tuple(t for t in every if t.song.source in sources or t.name in names or t.song.name in names)
    for name in names:
        if not any(name in (take.name, take.song.name) for take in takes):
            raise _unknown(name, every, broken=len(loaded.errors))
    meant = {take.song.name for take in takes}
    return Selection(
        songs=tuple(song for song in songs if song.name in meant), takes=takes, diagnostics=loaded.diagnostics
    )


def songs_here() -> tuple[Song, ...]:
    """The songs without errors in the folder `specs`, where there is one."""
    return load_songs([SPECS_FOLDER]).songs if Path(SPECS_FOLDER).is_dir() else ()


def spec_paths(named: Sequence[str]) -> tuple[Path, ...]:
    """Where the specs of what is `named` are looked for: its paths, and the folder `specs` for names."""
    paths = tuple(Path(name) for name in named if _is_path(name))
    return paths if paths and all(_is_path(name) for name in named) else (*paths, Path(SPECS_FOLDER))


def _is_path(name: str) -> bool:
    return "/" in name or name.endswith(".toml") or name in (".", "..") or is_folder(Path(name))


def with_options(song: Song, options: Options) -> Song:
    """The song as the run's options have it: model, LM, VAE, seeds, outputs folder."""
    if options.model:
        variants = tuple(
            replace(variant, model=options.model, based_on=None, lm=options.lm, vae=options.vae)
            for variant in song.variants
        )
    else:
        variants = tuple(
            replace(variant, lm=options.lm or variant.lm, vae=options.vae or variant.vae) for variant in song.variants
        )
    num_seeds = 1 if options.first_seed else None
    changed = replace(song, variants=variants, outputs=options.outputs or song.outputs).with_seeds(
        lambda own: (options.seeds or own)[:num_seeds]
    )
    if changed.num_takes > MAX_TAKES:
        raise UsageError(
            f"`{song.name}` would have {changed.num_takes:,} takes",
            why=f"of {len(song.rendered)} variants with their seeds; a song has {MAX_TAKES:,} at most",
            help="give fewer seeds with --seeds",
        )
    # What edits are made from is there whatever seeds are rendered now.
    plain = replace(options, seeds=None, first_seed=False)
    return replace(changed, built_on=tuple(with_options(one, plain) for one in song.built_on))


def _unknown(name: str, takes: Sequence[Take], *, broken: int) -> UsageError:
    known = sorted({take.song.name for take in takes} | {take.name for take in takes})
    return UsageError(
        f"no song or take is called `{name}`",
        why=f"the specs below `{SPECS_FOLDER}` have none of that name"
        + (f"; but some have {broken} errors: renderer check" if broken else ""),
        help=suggestion(name, known, most=3) or "name a spec file, a folder or a song",
    )
