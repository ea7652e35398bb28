"""Which project a folder belongs to: its root, its `renderer.toml`, its outputs folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from renderer.files import real
from renderer.folders import OUTPUTS_FOLDER, SPECS_FOLDER, STORE_FOLDER
from renderer.spec.audio_files import audio_faults
from renderer.spec.checkpoints import DEFAULT_MAX_DURATION, DEFAULT_MODEL, default_max_duration
from renderer.spec.diagnostics import Diagnostic, Level
from renderer.spec.error_at import error_at
from renderer.spec.inside import is_inside, outside
from renderer.spec.lints.run import lint_settings, lint_texts
from renderer.spec.lints.subject import Layer
from renderer.spec.lints.texts import texts_of_settings
from renderer.spec.rules import (
    based_on_faults,
    finish_fault,
    unfit_vae,
    unknown_codes,
    unknown_lm,
    unknown_model,
    unknown_vae,
)
from renderer.spec.schema import DefaultsFile, empty_table
from renderer.spec.toml import Parsed, read_toml
from renderer.spec.values import inference_of, metas_of, pick_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renderer.song import Song

DEFAULTS_NAME = "renderer.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What the command line puts in place of what the files say; None leaves it to them."""

    model: str | None = None
    lm: str | None = None
    vae: str | None = None
    count_prompts: Callable[[Song], tuple[int, int] | None] | None = None
    """Tokens of a song's text prompt and lyric prompt, or None; None in its place leaves it to estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFolder:
    """What the specs of one folder share."""

    folder: Path
    """The specs' own, resolved; the paths that specs name start here."""

    root: Path
    """Resolved; the paths that specs name must stay inside."""
    outputs: Path
    overrides: Overrides
    defaults: DefaultsFile
    defaults_path: Path | None
    """The nearest `renderer.toml`; None when there is none."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """What there is to say of the `renderer.toml`; where it has an error, its defaults are empty."""


@dataclass(frozen=True, slots=True)
class SpecFolders:
    """Folders of specs by path, each `renderer.toml` read once."""

    _overrides: Overrides
    _by_folder: dict[Path, SpecFolder] = field(default_factory=dict)
    _by_file: dict[tuple[Path | None, Path, Path], SpecFolder] = field(default_factory=dict)

    def of(self, folder: Path) -> SpecFolder:
        """The project of the specs in `folder`, which must be resolved."""
        project = self._by_folder.get(folder)
        if project is None:
            git_root, defaults_path = _landmarks(folder)
            root = git_root or (
                _above_specs(defaults_path.parent) if defaults_path else _around_specs(folder) or folder
            )
            outputs = _home(folder, git_root, defaults_path) / OUTPUTS_FOLDER
            key = (defaults_path, root, outputs)
            shared = self._by_file.get(key)
            if shared is None:
                shared = self._by_file[key] = _seen(_read(defaults_path, root, outputs, self._overrides))
            project = self._by_folder[folder] = replace(shared, folder=folder)
        return project

    def diagnostics(self) -> Iterator[Diagnostic]:
        """The faults of every `renderer.toml` met so far."""
        for project in self._by_file.values():
            yield from project.diagnostics


def is_library(folder: Path) -> bool:
    """Whether takes were rendered to the folder."""
    return (folder / STORE_FOLDER).is_dir()


def _landmarks(folder: Path) -> tuple[Path | None, Path | None]:
    """The git root above `folder`, and the nearest `renderer.toml` on the way there."""
    nearest = None
    for above in (folder, *folder.parents):
        candidate = above / DEFAULTS_NAME
        if nearest is None and os.path.lexists(candidate):
            nearest = candidate
        if os.path.lexists(above / ".git"):
            return above, nearest
    return None, nearest


def _above_specs(folder: Path) -> Path:
    return folder.parent if folder.name == SPECS_FOLDER else folder


def _around_specs(folder: Path) -> Path | None:
    """The parent of the nearest `specs` that the folder is or lies in."""
    return next((above.parent for above in (folder, *folder.parents) if above.name == SPECS_FOLDER), None)


def _home(folder: Path, git_root: Path | None, defaults_path: Path | None) -> Path:
    """The folder that `outputs` lies in: one a project, from wherever it is asked for and whatever of it is named.

    Where no `renderer.toml` says what a project is, what was rendered before does, so that it is found again.
    """
    if defaults_path:
        return _above_specs(defaults_path.parent)
    rendered = (above for above in (folder, *folder.parents) if is_library(above / OUTPUTS_FOLDER))
    return next(rendered, None) or git_root or _around_specs(folder) or Path.cwd()


def _seen(project: SpecFolder) -> SpecFolder:
    """Of a `renderer.toml` that is a link, no lines are shown: it may lead to anything of the user's."""
    if project.defaults_path is None or not project.defaults_path.is_symlink():
        return project
    return replace(project, diagnostics=tuple(replace(one, span=None, excerpt="") for one in project.diagnostics))


def _read(path: Path | None, root: Path, outputs: Path, overrides: Overrides) -> SpecFolder:
    empty = SpecFolder(
        folder=root,
        root=root,
        outputs=outputs,
        overrides=overrides,
        defaults=empty_table(DefaultsFile),
        defaults_path=path,
    )
    if path is None:
        return empty
    parsed = read_toml(path)
    if isinstance(parsed, Diagnostic):
        return replace(empty, diagnostics=(parsed,))
    try:
        defaults = DefaultsFile.model_validate(parsed.values)
    except ValidationError as error:
        from renderer.spec.faults import diagnostics_of  # noqa: PLC0415 - what most projects never need

        return replace(empty, diagnostics=tuple(diagnostics_of(error, parsed.source, root=DefaultsFile)))
    in_texts = tuple(_lints_of_texts(defaults, parsed))
    faults = (*_faults(defaults, parsed, path, root), *(one for one in in_texts if one.level is Level.ERROR))
    if faults:
        return replace(empty, diagnostics=faults)
    outputs = real(path.parent / defaults.outputs) if defaults.outputs else empty.outputs
    lints = tuple(lint_settings([_layer(defaults, overrides)], parsed.source, allowed=defaults.allow or ()))
    return replace(empty, outputs=outputs, defaults=defaults, diagnostics=(*in_texts, *lints))


def _lints_of_texts(defaults: DefaultsFile, parsed: Parsed) -> Iterator[Diagnostic]:
    texts = tuple(texts_of_settings(("inference",), defaults.inference))
    return lint_texts(texts, parsed.source, draft=None, allowed=defaults.allow or ())


def _layer(defaults: DefaultsFile, overrides: Overrides) -> Layer:
    table = defaults.inference
    return Layer(
        table=("inference",),
        model_path=("model",),
        written=table.model_fields_set | ({"model"} if defaults.model else set()),
        has_all_metas=False,
        model=overrides.model or defaults.based_on or defaults.model or DEFAULT_MODEL,
        inference=inference_of(table),
    )


def _faults(defaults: DefaultsFile, parsed: Parsed, path: Path, root: Path) -> Iterator[Diagnostic]:
    yield from unknown_codes(parsed.source, defaults.allow or ())
    yield from unknown_model(parsed.source, ("model",), defaults.model, path.parent)
    yield from based_on_faults(parsed.source, (), defaults.model, defaults.based_on, path.parent)
    yield from unknown_lm(parsed.source, ("lm",), defaults.lm, path.parent)
    yield from unknown_vae(parsed.source, ("vae",), defaults.vae, path.parent)
    if defaults.model is not None:
        yield from unfit_vae(parsed.source, (), defaults.model, defaults.vae)
    pick = pick_of(defaults.pick)
    if pick is not None and pick.finish > pick.plans:
        yield finish_fault(parsed.source, pick)
    if defaults.reference_audio:
        yield from audio_faults(parsed, ("reference_audio",), defaults.reference_audio, path.parent, root)
    if defaults.outputs is not None and not is_inside(path.parent / defaults.outputs, root):
        yield outside(parsed, ("outputs",), defaults.outputs, root)
    elif defaults.outputs is not None and (held := _specs_in(path.parent / defaults.outputs, path)):
        yield error_at(
            parsed.source,
            parsed.source.value(("outputs",)),
            code="outputs-hold-specs",
            message="the outputs folder holds specs",
            why=f"`{held.name}` lies in it: takes and specs would be taken for each other",
            advice=f'name a folder of their own, such as "{OUTPUTS_FOLDER}"',
        )
    limit = defaults.max_duration or (default_max_duration(defaults.model) if defaults.model else DEFAULT_MAX_DURATION)
    duration = metas_of(defaults.metas).duration
    if duration is not None and duration > limit:
        yield error_at(
            parsed.source,
            parsed.source.value(("metas", "duration")),
            code="duration-limit",
            message=f"`duration` is {duration:g} s",
            why=f"songs may last {limit:g} s here",
            advice="raise `max_duration`",
        )


def _specs_in(folder: Path, defaults_path: Path) -> Path | None:
    """What shows that specs lie in a folder: a `.toml` just in it, where no take puts one, or the project itself."""
    real = folder.resolve()
    if defaults_path.resolve().is_relative_to(real):
        return defaults_path
    places = (real, real / SPECS_FOLDER)
    found = (file for place in places if place.is_dir() for file in sorted(place.glob("[!.]*.toml")) if file.is_file())
    return next(found, None)
