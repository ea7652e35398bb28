"""The families of models, and the names under which specs ask for them; their tables are `models/`'s matter."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from renderer.spec.checkpoints import CHECKPOINTS, is_dit_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GROUP = "renderer.families"
"""The entry points under which other packages offer families, each named as its one model: name -> their `FAMILY`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyRow:
    """A family that comes with the renderer."""

    name: str
    module: str
    """Torch-free, with its table as `FAMILY`; imported when first asked for."""
    models: tuple[str, ...]
    """The models that it knows by their names alone."""


FAMILIES: Mapping[str, FamilyRow] = {
    row.name: row
    for row in (FamilyRow(name="ace_step", module="renderer.models.ace_step.stages", models=tuple(CHECKPOINTS)),)
}


def family_named(model: str) -> str | None:
    """The family, built in or installed, that has a model of that name; None for a folder, a file and anything else."""
    own = next((row.name for row in FAMILIES.values() if model in row.models), None)
    # Installed ones last: looking through what is installed takes as long as checking a hundred specs.
    return own or (model if _may_be_a_name(model) and _is_installed(model) else None)


class ModelNames(Collection[str]):
    """The names of all models that need no path: those of the built-in families, then the installed ones."""

    def __contains__(self, model: object) -> bool:
        return isinstance(model, str) and family_named(model) is not None

    def __iter__(self) -> Iterator[str]:
        built_in = [model for row in FAMILIES.values() for model in row.models]
        yield from dict.fromkeys([*built_in, *_installed()])

    def __len__(self) -> int:
        return sum(1 for _ in self)


MODELS = ModelNames()


def _may_be_a_name(model: str) -> bool:
    return bool(model) and not (set("/\\\0") & set(model) or model.startswith((".", "~")) or is_dit_file(model))


# Entry points are found on `sys.path`, where no project's folder stands (`renderer.processes`).
@cache
def _is_installed(name: str) -> bool:
    from importlib.metadata import entry_points  # noqa: PLC0415 - specs that name known models do without

    return bool(entry_points(group=GROUP, name=name))


@cache
def _installed() -> tuple[str, ...]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - as above

    return tuple(sorted({found.name for found in entry_points(group=GROUP)} - set(FAMILIES)))
