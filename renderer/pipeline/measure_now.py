"""Measures sounds that a command is about to show or write, and tells of it while that takes its seconds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from renderer.takes.measure import measure_files, stored_measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from renderer.takes.measure import Measurement, SoundFile

    ShowProgress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
    """Entered with how many sounds are measured; what it gives is told how many are by now."""


@contextmanager
def quietly(_: int) -> Iterator[Callable[[int], None]]:
    """Tells nobody."""
    yield lambda _: None


def measure_now(files: Sequence[SoundFile], folder: Path, show: ShowProgress) -> dict[str, Measurement]:
    """The files' measurements by their digests, kept below `folder`; those not measured yet are, by one process.

    Raises: OSError where measurements can't be kept.
    """
    kept = {file.digest: stored_measurement(file.digest, folder) for file in files}
    found = {digest: one for digest, one in kept.items() if one is not None}
    todo = {file.digest: file for file in files if file.digest not in found}
    if todo:
        with show(len(todo)) as update:
            for number, one in enumerate(measure_files(tuple(todo.values()), folder), start=1):
                found[one.digest] = one
                update(number)
    return found
