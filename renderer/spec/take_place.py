"""Where a spec asks for a take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Diagnostic
from renderer.spec.toml import read_toml

if TYPE_CHECKING:
    from renderer.song import Take


def take_place(take: Take) -> str:
    """`specs/night.toml:31`: its variant's table, or the head of the file."""
    source, table = take.song.source, take.variant.table
    parsed = read_toml(source) if table else None
    line = 1 if parsed is None or isinstance(parsed, Diagnostic) else parsed.source.key(table).line
    return f"{source}:{line}"
