"""Specs that a run leaves out for their faults, each with its file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Level

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from renderer.spec.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSpec:
    """A spec that is left out, with its first fault."""

    file: Path
    line: int
    column: int
    code: str
    message: str
    num_faults: int

    @property
    def place(self) -> str:
        """`specs/night.toml:3:7`."""
        return f"{self.file}:{self.line}:{self.column}"


def refused_specs(diagnostics: Iterable[Diagnostic]) -> tuple[RefusedSpec, ...]:
    """The files that errors are about, in their order."""
    by_file: dict[Path, list[Diagnostic]] = {}
    for one in diagnostics:
        if one.level is Level.ERROR and one.file is not None:
            by_file.setdefault(one.file, []).append(one)
    return tuple(_refused(file, errors) for file, errors in by_file.items())


def _refused(file: Path, errors: list[Diagnostic]) -> RefusedSpec:
    first = min(errors, key=lambda one: (one.span.line, one.span.column) if one.span else (1, 1))
    line, column = (first.span.line, first.span.column) if first.span else (1, 1)
    return RefusedSpec(
        file=file, line=line, column=column, code=first.code, message=first.message, num_faults=len(errors)
    )
