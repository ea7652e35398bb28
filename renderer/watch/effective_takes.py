"""Which takes are meant while some specs are broken, and which songs an edit concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.files import real
from renderer.song import FileSource
from renderer.spec.diagnostics import Level
from renderer.spec.project import DEFAULTS_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from renderer.pipeline.select import Selection
    from renderer.song import Take
    from renderer.spec.diagnostics import Diagnostic

    Takes = tuple[Take, ...]


def errors_of(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Those that keep a spec from being read."""
    return tuple(one for one in diagnostics if one.level is Level.ERROR)


def faulty_files(diagnostics: Iterable[Diagnostic]) -> frozenset[Path]:
    """The files that have errors."""
    return frozenset(one.file for one in diagnostics if one.level is Level.ERROR and one.file)


def effective_takes(before: Takes, selection: Selection) -> Takes:
    """The takes the specs mean now; of broken specs, and of all below a broken `renderer.toml`, the last good ones."""
    faulty = faulty_files(selection.diagnostics)
    without_defaults = tuple(real(file.parent) for file in faulty if file.name == DEFAULTS_NAME)

    def is_broken(take: Take) -> bool:
        source = take.song.source
        return source in faulty or any(real(source).is_relative_to(folder) for folder in without_defaults)

    return (
        *(take for take in selection.to_render if not is_broken(take)),
        *(take for take in before if is_broken(take) and take.song.source.exists()),
    )


def songs_that_hear(files: Iterable[Path], takes: Iterable[Take]) -> frozenset[str]:
    """The songs of which some take is made from one of these files, or takes its timbre from it."""
    saved = {real(file) for file in files}
    hearing = (take for take in takes if saved and any(real(file) in saved for file in _sounds(take)))
    return frozenset(take.song.name for take in hearing)


def _sounds(take: Take) -> Iterator[Path]:
    for one in (take, *take.sources):
        if one.variant.reference_audio is not None:
            yield one.variant.reference_audio
        if one.variant.edit and isinstance(one.variant.edit.source, FileSource):
            yield one.variant.edit.source.path


def edited_songs(before: Takes, now: Takes) -> frozenset[str]:
    """The songs of which some take is new or another than before."""
    return frozenset(take.song.name for take in set(now) - set(before))
