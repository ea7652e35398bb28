"""Where a song's settings are written: in its variant, at the spec's head, or in the `renderer.toml` that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.files import real
from renderer.spec.project import Overrides, SpecFolders
from renderer.spec.toml import Parsed, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from renderer.spec.source import KeyPath, Source


def place_of(spec: Path, variant: str, settings: Sequence[str]) -> tuple[Source, KeyPath] | None:
    """The nearest place that writes one of the settings, the first of them first; None when no file does."""
    for source, table in _tables(spec, variant):
        for setting in settings:
            if source.has((*table, setting)):
                return source, (*table, setting)
    return None


def _tables(spec: Path, variant: str) -> Iterator[tuple[Source, KeyPath]]:
    own = read_toml(spec)
    if isinstance(own, Parsed):
        if variant:
            yield own.source, ("variants", variant)
            yield own.source, ("edits", variant)
        yield from ((own.source, table) for table in ((), ("inference",)))
    defaults_path = SpecFolders(Overrides()).of(real(spec.parent)).defaults_path
    defaults = read_toml(defaults_path) if defaults_path else None
    if isinstance(defaults, Parsed):
        yield from ((defaults.source, table) for table in ((), ("inference",)))
