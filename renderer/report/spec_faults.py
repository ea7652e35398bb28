"""Diagnostics of specs -> what the page shows of them: the errors, each as `check` prints it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.report.song_values import seen_from_project, without_places
from renderer.report.values import SpecFault
from renderer.spec.diagnostics import Level, lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renderer.spec.diagnostics import Diagnostic


def spec_faults(diagnostics: Iterable[Diagnostic], outputs: Path) -> tuple[SpecFault, ...]:
    """The errors among them, each once, with their places as seen from the project."""
    seen = (_seen(one, outputs) for one in diagnostics if one.level is Level.ERROR)
    return tuple(
        SpecFault(lines=tuple(tuple((str(tone), text) for tone, text in line) for line in lines(one)))
        for one in dict.fromkeys(seen)
    )


def _seen(one: Diagnostic, outputs: Path) -> Diagnostic:
    file = Path(seen_from_project(one.file, outputs)) if one.file else None
    return replace(one, file=file, why=without_places(one.why), help=without_places(one.help), edits=())
