"""Whether the files that specs name stay in their project, and the fault of one that doesn't."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.spec.error_at import error_at

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.source import KeyPath
    from renderer.spec.toml import Parsed


def is_inside(path: Path, root: Path) -> bool:
    """Whether `path` stays below `root` with its links followed; `root` is resolved."""
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL
        return False


def outside(parsed: Parsed, path: KeyPath, written: str, root: Path) -> Diagnostic:
    """The fault of a path that leaves the project."""
    return error_at(
        parsed.source,
        parsed.source.value(path),
        code="path-outside",
        message=f"`{path[-1]}` leads out of the project",
        why=f"links included, it must stay inside `{root.name}`",
        advice="" if written else "name a file",
    )
