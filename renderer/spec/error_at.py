"""An error at a place of a spec, as every rule makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Diagnostic

if TYPE_CHECKING:
    from renderer.spec.diagnostics import Edit, Span
    from renderer.spec.source import Source

MAX_FAULTS = 100  # of one file; nobody reads on, and a file made to have thousands would take its time


def error_at(
    source: Source,
    span: Span,
    *,
    code: str,
    message: str,
    why: str = "",
    advice: str = "",
    edits: tuple[Edit, ...] = (),
) -> Diagnostic:
    """An error at a place of the file, a key or its value; `edits` mend it."""
    return Diagnostic(
        code=code,
        message=message,
        file=source.path,
        span=span,
        excerpt=source.line(span.line),
        why=why,
        help=advice,
        edits=edits,
    )
