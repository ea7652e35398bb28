"""What would be wrong with a spec after a change of it, told before anything is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.files import real
from renderer.spec.load import load_songs
from renderer.spec.toml import MAX_BYTES, instead_of, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from renderer.spec.diagnostics import Diagnostic


def errors_after(
    spec: Path, change: Callable[[str], str], beside: Mapping[Path, str] | None = None
) -> tuple[Diagnostic, ...]:
    """The errors of a spec as it would be, placed in the file as it is; `beside` are files that come with the change.

    An error of what the change itself writes has no place: that line isn't there.
    """
    text = read_text(spec, max_bytes=MAX_BYTES)
    before = text if isinstance(text, str) else ""
    after = change(before)
    with instead_of({real(spec): after} | {real(path): one for path, one in (beside or {}).items()}):
        errors = load_songs([spec]).errors
    return tuple(_as_it_is(one, before, after) if one.file == spec else one for one in errors)


def _as_it_is(error: Diagnostic, before: str, after: str) -> Diagnostic:
    """The error with the line that it has before lines came in above it."""
    old, new = before.splitlines(), after.splitlines()
    first = next((number for number, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
    added, span = len(new) - len(old), error.span
    if span is None or span.line <= first:
        return error
    if span.line <= first + added:
        return replace(error, span=None, excerpt="")
    return replace(error, span=replace(span, line=span.line - added))
