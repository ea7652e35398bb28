"""Spec files -> songs, and every fault of every file: finding, reading, checking. Touches no model."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from renderer.errors import SpecError, UsageError
from renderer.files import by_real, is_folder, real, what_to_do, why_refused
from renderer.folders import PICKS_NAME, REPORT_FOLDER, SPECS_FOLDER
from renderer.folders import specs_folder as specs_folder_here
from renderer.spec.build import CheckedSpec, build_song
from renderer.spec.checkpoints import LMS, VAES
from renderer.spec.diagnostics import Diagnostic, Level
from renderer.spec.error_at import MAX_FAULTS
from renderer.spec.families import MODELS
from renderer.spec.lints.run import lint_song
from renderer.spec.lints.subject import Subject
from renderer.spec.name_lengths import called, length_fault
from renderer.spec.near import path_suggestion, suggestion
from renderer.spec.project import DEFAULTS_NAME, Overrides, SpecFolders, is_library
from renderer.spec.rules import faults_of
from renderer.spec.schema import SongFile
from renderer.spec.take_names import song_name
from renderer.spec.toml import Parsed, other_kind, read_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from renderer.song import Song
    from renderer.spec.project import SpecFolder

ALBUM_NAME = "album.toml"
NO_SPECS = frozenset({DEFAULTS_NAME, ALBUM_NAME, PICKS_NAME, "pyproject.toml"})
_REFUSED = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff/\\:*?\"<>|]|^[ -]|[ ]$")
_TABLES_WITHOUT_TAKES = frozenset({"metas", "inference", "output"})
"""No name of a take comes from what stands in them."""
_OF_OTHER_FILES = frozenset({"audio-missing", "audio-file", "path-outside"})
"""Nor from what these errors tell of, wherever they stand."""
_MOST_SONGS = 6  # that are named to choose from
_RESERVED_NAMES = frozenset({REPORT_FOLDER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the spec files gave: the songs without errors, and everything there is to say."""

    songs: tuple[Song, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What refuses to render."""
        return tuple(one for one in self.diagnostics if one.level is Level.ERROR)

    def require(self) -> tuple[Song, ...]:
        """The songs of specs that have no error.

        Raises: SpecError with all errors when any spec has one.
        """
        if self.errors:
            raise SpecError(self.errors)
        return self.songs


def find_specs(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """The spec files among `paths` and below the folders among them, sorted, each once, as the caller spelt them.

    A folder's specs are its `*.toml`, recursively and through links, less `renderer.toml`, `album.toml`, `picks.toml`,
    `pyproject.toml`, what is hidden and the outputs folder.

    Raises: UsageError where a path doesn't exist or can't be a spec.
    """
    projects = SpecFolders(Overrides())
    files = (_below(path, projects) if is_folder(path) else [_file(path)] for path in map(Path, paths))
    return tuple(sorted(by_real(chain.from_iterable(files)).values()))


def find_albums(folder: Path) -> tuple[Path, ...]:
    """The albums in a folder and below it, where its specs are looked for, too."""
    return tuple(
        sorted(here / ALBUM_NAME for here, files in _walk(folder, SpecFolders(Overrides())) if ALBUM_NAME in files)
    )


def load_songs(
    paths: Iterable[str | Path],
    *,
    model: str | None = None,
    lm: str | None = None,
    vae: str | None = None,
    count_prompts: Callable[[Song], tuple[int, int] | None] | None = None,
) -> Loaded:
    """The songs of the specs at `paths` (files or folders), defaults filled in, and all diagnostics of all files.

    `model` takes the place of every model the files name, base and variants, before anything is checked against it;
    its own LM and VAE come with it, or `lm` and `vae`. Those alone take the place of every LM or VAE the files name.
    `count_prompts` gives the tokens of the DiT's prompts, which are estimated where it is left out or says None.

    Raises: UsageError where a path doesn't exist, and for a model, LM or VAE that is neither known nor a folder.
    """
    _refuse_unknown("model", model, MODELS)
    _refuse_unknown("LM", lm, LMS)
    _refuse_unknown("VAE", vae, VAES)
    projects = SpecFolders(Overrides(model=model, lm=lm, vae=vae, count_prompts=count_prompts))
    songs: list[Song] = []
    faulty: list[Song] = []
    diagnostics: list[Diagnostic] = []
    names: dict[str, Path] = {}
    folders: dict[Path, Path] = {}
    for file in find_specs(paths):
        folder = folders.get(file.parent) or folders.setdefault(file.parent, real(file.parent))
        project = projects.of(folder)
        song, faults = _load(file, project)
        faults = [*_name_faults(file, names), *_length_faults(song), *faults]
        diagnostics += faults
        errors = [fault for fault in (*faults, *project.diagnostics) if fault.level is Level.ERROR]
        # Without what a broken `renderer.toml` says it would be another song.
        if song is not None and not errors:
            songs.append(song)
        elif song is not None and _leaves_takes(errors, file):
            faulty.append(song)
    songs, faults = _with_edited(songs, faulty, projects)
    return Loaded(songs=tuple(songs), diagnostics=(*projects.diagnostics(), *diagnostics, *faults))


def _leaves_takes(errors: Iterable[Diagnostic], spec: Path) -> bool:
    """Whether a song has the takes that it will have once its errors are mended, so that its edits' can be told now."""
    parsed = read_toml(spec)
    grave = [one for one in errors if one.code not in _OF_OTHER_FILES]
    lines = [one.span.line if one.span and one.file == spec else 0 for one in grave]
    tables = [parsed.source.table_at(line) if isinstance(parsed, Parsed) else () for line in lines]
    return all(table[:1] and table[0] in _TABLES_WITHOUT_TAKES for table in tables)


def _with_edited(songs: list[Song], faulty: list[Song], projects: SpecFolders) -> tuple[list[Song], list[Diagnostic]]:
    """The songs whose edits' sources are there, with these; and what is wrong with the others' and of `faulty` ones."""
    if not any(variant.edit for song in (*songs, *faulty) for variant in song.variants):
        return songs, []
    from renderer.spec.edit_sources import EditSources, specs_folder, with_sources  # noqa: PLC0415 - as in `_faults`

    @cache
    def specs(folder: Path) -> tuple[Path, ...]:
        return find_specs([folder])

    def load(file: Path) -> Song | None:
        project = projects.of(real(file.parent))
        song, faults = _load(file, project)
        return None if any(fault.level is Level.ERROR for fault in (*faults, *project.diagnostics)) else song

    sources = EditSources(
        loaded={song.name: song for song in songs}, specs=lambda song: specs(specs_folder(song)), load=load
    )
    found = [(song, *with_sources(song, sources)) for song in songs]
    more = [fault for song in faulty for fault in with_sources(song, sources)[1]]
    faults = [_seen(fault, projects) for fault in (*(one for _, _, faults in found for one in faults), *more)]
    return [song for _, song, faults in found if not faults], faults


def _seen(fault: Diagnostic, projects: SpecFolders) -> Diagnostic:
    """What lies outside of the project is named, not shown: it may be anything of the user's."""
    file = fault.file
    if file is None or not file.is_symlink() or real(file).is_relative_to(projects.of(real(file.parent)).root):
        return fault
    return replace(fault, span=None, excerpt="")


def _refuse_unknown(what: str, wanted: str | None, known: Collection[str]) -> None:
    """Raises UsageError for a name that the command line puts in place of the files', and that is none."""
    if wanted is None or wanted in known or "/" in wanted or wanted.startswith(("~", ".")) or Path(wanted).exists():
        return
    raise UsageError(
        f"there is no {what} `{wanted}`",
        why="it is neither a known name nor a folder",
        help=suggestion(wanted, known) or "known are " + ", ".join(known),
    )


def _load(file: Path, project: SpecFolder) -> tuple[Song | None, list[Diagnostic]]:
    is_link = file.is_symlink()
    leads = real(file) if is_link else file
    parsed = other_kind(file, leads) if leads.name in NO_SPECS else read_toml(file)
    if isinstance(parsed, Diagnostic):
        return None, [parsed]
    song, diagnostics = _judged(parsed, project)
    if is_link and not leads.is_relative_to(project.root):
        # As in `_seen`, whichever file is meant.
        return song, [replace(one, span=None, excerpt="") for one in diagnostics]
    return song, diagnostics


def _judged(parsed: Parsed, project: SpecFolder) -> tuple[Song | None, list[Diagnostic]]:
    spec, diagnostics = _validated(parsed)
    if spec is not None:
        draft = CheckedSpec(spec=spec, parsed=parsed, project=project)
        song, faults = build_song(draft)
        allowed = {*(spec.allow or ()), *(project.defaults.allow or ())}
        lints = lint_song(Subject(song=song, draft=draft), allowed=allowed)
        rules = islice(_faults(song, draft), MAX_FAULTS)
        found = dict.fromkeys([*diagnostics, *faults, *rules, *lints])
        return song, _in_order(list(found))
    return None, _in_order(diagnostics)


def _faults(song: Song, draft: CheckedSpec) -> Iterator[Diagnostic]:
    yield from faults_of(song, draft)
    if draft.spec.edits:
        from renderer.spec.edit_rules import edit_faults  # noqa: PLC0415 - most projects have no edits

        yield from edit_faults(song, draft)


def _validated(parsed: Parsed) -> tuple[SongFile | None, list[Diagnostic]]:
    """The spec as far as it is sound: what is at fault is patched over, so that the other rules can speak as well."""
    try:
        return SongFile.model_validate(parsed.values), []
    except ValidationError as error:
        from renderer.spec.faults import diagnostics_of, without_faults  # noqa: PLC0415 - what most specs never need

        diagnostics = list(diagnostics_of(error, parsed.source, root=SongFile))
        try:
            return SongFile.model_validate(without_faults(parsed.values, error)), diagnostics
        except ValidationError:
            return None, diagnostics


def _in_order(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """As a reader of the file meets them."""
    return sorted(diagnostics, key=lambda one: (one.span.line, one.span.column) if one.span else (0, 0))


def linked_folders(folder: Path) -> frozenset[Path]:
    """Where links below a folder lead, as far as its specs are looked for there: real paths."""
    return frozenset(real(here) for here, _ in _walk(folder, SpecFolders(Overrides())) if here.is_symlink())


def _below(folder: Path, projects: SpecFolders) -> Iterator[Path]:
    for here, files in _walk(folder, projects):
        for name in sorted(files):
            if name.endswith(".toml") and not name.startswith(".") and name not in NO_SPECS:
                yield here / name


def _walk(folder: Path, projects: SpecFolders) -> Iterator[tuple[Path, list[str]]]:
    """The folders in which specs are looked for, each with its files' names."""
    outputs, seen = {real(projects.of(real(folder)).outputs)}, {real(folder)}
    for where, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        here = Path(where)
        # A linked folder may be a project of its own, with outputs of its own.
        outputs |= {real(projects.of(real(path)).outputs) for path in map(here.joinpath, folders) if _links(path)}
        folders[:] = sorted(name for name in folders if _enters(here / name, outputs, seen))
        yield here, files


def _refuse(error: OSError) -> None:
    raise UsageError(
        f"the folder `{error.filename}` can't be read", why=why_refused(error), help=what_to_do(error)
    ) from error


def _links(folder: Path) -> bool:
    return folder.is_symlink() and is_folder(folder) and not folder.name.startswith(".")


def _enters(folder: Path, outputs: set[Path], seen: set[Path]) -> bool:
    """Whether specs are looked for in it: each folder once, wherever links lead."""
    leads = real(folder)
    if folder.name.startswith(".") or leads in outputs or leads in seen or is_library(leads):
        return False
    seen.add(leads)
    return True


def _file(path: Path) -> Path:
    if not os.path.lexists(path):
        raise _not_there(path)
    if path.suffix != ".toml" or path.name in NO_SPECS:
        foreign = path.suffix.lower() in {".json", ".jsonl", ".ndjson"}
        raise UsageError(
            f"`{path}` is no spec",
            why="a spec is a .toml file other than " + ", ".join(sorted(NO_SPECS)),
            help=f"make specs from it: renderer import {shlex.quote(str(path))}" if foreign else "",
        )
    return path


def _not_there(path: Path) -> UsageError:
    if path == Path(SPECS_FOLDER):
        what, why = "this is no song project", f"there is no folder `{SPECS_FOLDER}` here or above"
    else:
        what, why = f"`{path}` does not exist", ""
    elsewhere = f"{'' if why else 'this is no song project: '}cd into one, or make one: renderer new --project NAME"
    advice = path_suggestion(path, ".toml") or (_what_is_here() if specs_folder_here().is_dir() else elsewhere)
    return UsageError(what, why=why, help=advice)


def _what_is_here() -> str:
    songs = sorted(song_name(file) for file in find_specs([specs_folder_here()]))
    told = ", ".join(f"`{name}`" for name in songs[:_MOST_SONGS]) + (", …" if len(songs) > _MOST_SONGS else "")
    return f"name a song ({told}), a spec file or a folder of them" if songs else "name a spec file or a folder of them"


def name_fault(name: str) -> str:
    """Why a song can't be called that; nothing when it can."""
    if name and "." not in name and name.casefold() not in _RESERVED_NAMES and not _REFUSED.search(name):
        return (
            length_fault(name) if f"{name}.toml" not in NO_SPECS else f"`{name}.toml` is no spec's: it has another use"
        )
    return "takes are named `song.variant.s7` and their folder `outputs/song`, where `report` is taken"


def _name_faults(file: Path, names: dict[str, Path]) -> Iterator[Diagnostic]:
    name = song_name(file)
    other = names.setdefault(name.casefold(), file)
    if other is not file:
        yield Diagnostic(
            code="name-taken",
            message=f"another spec is called `{name}` too",
            file=file,
            why=f"{other} has that name, letter case aside, and their takes would overwrite each other",
            help="rename one of the files",
        )
    if reason := name_fault(name):
        is_long = reason == length_fault(name)
        yield Diagnostic(
            code="name-length" if is_long else "song-name",
            message=f"`{name}` can't name a song",
            file=file,
            why=reason,
            help="take a shorter name"
            if is_long
            else "rename the file, without dots and signs that file systems refuse",
        )


def _length_faults(song: Song | None) -> Iterator[Diagnostic]:
    """Names that are too long where the song's takes go, or only with a variant's."""
    for variant in song.variants if song else ():
        name = called(song, variant.name) if song else ""
        # A song whose own name is too long anywhere was told of already.
        if song and not length_fault(song.name) and (fault := length_fault(name, song.outputs)):
            yield Diagnostic(
                code="name-length",
                message=f"takes of `{name}` would have names too long for the disk",
                file=song.source,
                why=fault,
                help="take a shorter name for the variant or the file",
            )
