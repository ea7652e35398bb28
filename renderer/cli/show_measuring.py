"""That sounds are measured before a command answers, on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


def show_measuring(count: int) -> AbstractContextManager[Callable[[int], None]]:
    """Tell of so many sounds; beside what a program may read."""
    from rich.console import Console

    from renderer.progress import measuring

    return measuring(Console(stderr=True), count)
