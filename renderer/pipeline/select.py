"""What the user names (folders, files, songs, takes) -> the songs and takes meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.files import is_folder
from renderer.folders import specs_folder
from renderer.song import MAX_TAKES
from renderer.spec.load import find_specs, load_songs
from renderer.spec.near import suggestion
from renderer.spec.take_names import preview_named, song_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from renderer.pipeline.options import Options
    from renderer.song import PickSettings, Song, Take, Variant
    from renderer.spec.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The songs and takes meant, and every fault found in their specs."""

    songs: tuple[Song, ...]
    takes: tuple[Take, ...]
    diagnostics: tuple[Diagnostic, ...]
    by_name: frozenset[str] = frozenset()
    """Takes that are meant themselves, not with their song."""

    @property
    def to_render(self) -> tuple[Take, ...]:
        """The takes as a render is asked for them: one that is meant itself is finished, whatever its plan scores."""
        return tuple(_finished(take) if take.name in self.by_name else take for take in self.takes)


def _finished(take: Take) -> Take:
    scores_plans = take.song.scores_plans or take.song.pick is not None
    return replace(take, song=replace(take.song, pick=None, scores_plans=scores_plans))


def select(named: Sequence[str], options: Options) -> Selection:
    """The takes that `named` means: paths, song or take names, with `*`, `?` and `[…]`; nothing means all in `specs`.

    What is wrong with specs that nobody named is nobody's concern now.

    Raises: UsageError for a name that no spec bears, not even a faulty one.
    """
    paths = [Path(name) for name in named if _is_path(name)]
    names = names_among(named)
    files = named_specs(named)
    loaded = load_songs(files, model=options.model, vae=options.vae)
    songs = tuple(with_options(song, options) for song in loaded.songs)
    every = tuple(take for song in songs for take in song.takes())
    if not names:
        return Selection(songs=songs, takes=every, diagnostics=loaded.diagnostics)
    sources = {song.source for song in load_songs(paths).songs} if paths else set()
    takes = tuple(take for take in every if take.song.source in sources or any(_means(name, take) for name in names))
    faulty = {song_name(file) for file in find_specs(files)} - {song.name for song in songs}
    for name in names:
        if not any(_means(name, take) for take in takes) and not any(_is_of(name, song) for song in faulty):
            raise _unknown(name, every, broken=len(loaded.errors))
    meant = {take.song.name for take in takes}
    with_song = {take.name for take in takes if any(fnmatchcase(take.song.name, name) for name in names)}
    return Selection(
        songs=tuple(song for song in songs if song.name in meant),
        takes=takes,
        diagnostics=loaded.diagnostics,
        by_name=frozenset(
            take.name for take in takes if take.song.source not in sources and take.name not in with_song
        ),
    )


def named_specs(named: Sequence[str]) -> tuple[Path, ...]:
    """The spec files and folders that `named` means, faulty ones too; nothing means the folder `specs`.

    Raises: UsageError for a name that no spec bears.
    """
    paths: list[Path] = []
    for name in named or (str(specs_folder()),):
        if _is_path(name):
            paths.append(Path(name))
            continue
        there = find_specs([specs_folder()]) if specs_folder().is_dir() else ()
        files = [file for file in there if _is_of(name, song_name(file))]
        if not files:
            raise _of_no_song(name, map(song_name, there))
        paths += files
    return tuple(dict.fromkeys(paths))


def _means(name: str, take: Take) -> bool:
    return any(fnmatchcase(one, name) for one in (take.name, take.song.name))


def _is_of(name: str, song: str) -> bool:
    """Whether a name or pattern may be a song's or one of its takes', as far as the song's own name tells."""
    return fnmatchcase(song, name.partition(".")[0])


def songs_here() -> tuple[Song, ...]:
    """The songs without errors in the folder `specs`, where there is one."""
    return load_songs([specs_folder()]).songs if specs_folder().is_dir() else ()


def spec_paths(named: Sequence[str]) -> tuple[Path, ...]:
    """Where the specs of what is `named` are looked for: its paths, and the folder `specs` for names."""
    paths = tuple(Path(name) for name in named if _is_path(name))
    return paths if paths and all(_is_path(name) for name in named) else (*paths, specs_folder())


def names_among(named: Sequence[str]) -> tuple[str, ...]:
    """Of what is `named` the songs, takes and patterns for them."""
    return tuple(name for name in named if not _is_path(name))


def _is_path(name: str) -> bool:
    return "/" in name or name.endswith(".toml") or name in (".", "..") or is_folder(Path(name))


def with_options(song: Song, options: Options) -> Song:
    """The song as the run's options have it: model, LM and what that is held in, VAE, seeds, outputs folder."""
    variants = tuple(_with_models(variant, options) for variant in song.variants)
    num_seeds = 1 if options.first_seed else None
    changed = replace(
        song, variants=variants, pick=_pick(song, options), outputs=options.outputs or song.outputs
    ).with_seeds(lambda own: (options.seeds or own)[:num_seeds])
    if changed.num_takes > MAX_TAKES:
        raise UsageError(
            f"`{song.name}` would have {changed.num_takes:,} takes",
            why=f"of {len(song.rendered)} variants with their seeds; a song has {MAX_TAKES:,} at most",
            help="give fewer seeds with --seeds",
        )
    # What edits are made from is there whatever seeds are rendered now.
    plain = replace(options, seeds=None, first_seed=False)
    output = replace(song.output, timestamps=True) if options.timestamps else song.output
    return replace(
        changed,
        output=output,
        scores_plans=song.scores_plans or options.plan_scores,
        built_on=tuple(with_options(one, plain) for one in song.built_on),
    )


def _pick(song: Song, options: Options) -> PickSettings | None:
    """Of seeds that are named those alone are planned; a preview has no score to be picked by."""
    if song.pick is None or options.preview is not None:
        return None
    is_named = options.seeds is not None or options.first_seed
    return replace(song.pick, plans=1) if is_named else song.pick


def _with_models(variant: Variant, options: Options) -> Variant:
    """The variant with the models that were asked for; an edit, for which no LM runs, keeps what is said of one."""
    if options.lm_quantization is not None and variant.edit is None:
        inference = replace(variant.inference, lm_quantization=options.lm_quantization)
        variant = replace(variant, inference=inference)
    if options.model:
        return replace(variant, model=options.model, based_on=None, lm=options.lm, vae=options.vae)
    return replace(variant, lm=options.lm or variant.lm, vae=options.vae or variant.vae)


def _of_no_song(name: str, songs: Iterable[str]) -> UsageError:
    """Of a name that no song's is: what it was to be, be that a path."""
    takes = [take for song in songs_here() for take in song.takes()]
    if not suggestion(name, (*songs, *(take.name for take in takes))):
        find_specs([name])
    return _unknown(name, takes, broken=0)


def _unknown(name: str, takes: Sequence[Take], *, broken: int) -> UsageError:
    if preview := preview_named(name):
        whole, seconds = preview
        return UsageError(
            f"`{name}` is a preview's name",
            why="it is a take's beginning, and asked for as that",
            help=f"name the take and say how much of it: {whole} --preview {seconds}",
        )
    known = sorted({take.song.name for take in takes} | {take.name for take in takes})
    return UsageError(
        f"no song or take is called `{name}`",
        why=f"the specs below `{specs_folder()}` have none of that name"
        + (f"; but some have {broken} errors: renderer check" if broken else ""),
        help=suggestion(name, known, most=3) or "name a spec file, a folder or a song",
    )
