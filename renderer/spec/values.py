"""Tables of a file -> the values of a song: later tables win, the rest keeps its known good value."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from renderer.song import Inference, Metas, Output
from renderer.spec.schema import InferenceTable, MetasTable, OutputTable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from renderer.spec.schema import Table

_FIELDS: Mapping[type[Table], tuple[str, ...]] = {
    # Less what can only be said in one way, such as `dcw_wavelet`.
    table: tuple(field.name for field in fields(value) if field.name in table.model_fields)
    for table, value in ((MetasTable, Metas), (InferenceTable, Inference), (OutputTable, Output))
}


def metas_of(*tables: MetasTable) -> Metas:
    """The metas of several tables, later ones winning."""
    return replace(Metas(), **_set(MetasTable, tables))


def output_of(*tables: OutputTable) -> Output:
    """The output of several tables, later ones winning."""
    return replace(Output(), **_set(OutputTable, tables))


def inference_of(*tables: InferenceTable, base: Inference | None = None) -> Inference:
    """The settings of several tables over `base`, later ones winning."""
    changed = _set(InferenceTable, tables)
    if "timesteps" in changed:
        changed["timesteps"] = tuple(changed["timesteps"])
    return replace(base or Inference(), **changed)


def _set(kind: type[Table], tables: tuple[Table, ...]) -> dict[str, Any]:
    """What the tables set."""
    return {name: value for table in tables for name in _FIELDS[kind] if (value := getattr(table, name)) is not None}
