"""Tables of a file -> the values of a song: later tables win, the rest keeps its known good value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.settings import EditSettings, Inference, Metas, rows
from renderer.song import Output, PickSettings

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from typing import Any

    from renderer.spec.schema import EditTable, InferenceTable, MetasTable, OutputTable, PickTable, Table


def metas_of(*tables: MetasTable) -> Metas:
    """The metas of several tables, later ones winning."""
    return Metas(**_said(rows(Metas), tables))


def output_of(*tables: OutputTable) -> Output:
    """The output of several tables, later ones winning."""
    return Output(**_said(Output.__dataclass_fields__, tables))


def pick_of(*tables: PickTable | None) -> PickSettings | None:
    """How many plans are made, and how many finished, later tables winning; None where no table asks for it."""
    written = [table for table in tables if table is not None]
    if not written:
        return None
    said = _said(PickSettings.__dataclass_fields__, written)
    plans = said.get("plans", PickSettings().plans)
    return PickSettings(plans=plans, finish=said.get("finish", min(PickSettings().finish, plans)))


def edit_settings_of(table: EditTable) -> dict[str, Any]:
    """How an edit follows its source, as far as its table says."""
    return _said(rows(EditSettings), [table])


def inference_of(*tables: InferenceTable | EditTable, base: Inference | None = None) -> Inference:
    """The settings of several tables over `base`, later ones winning."""
    said = _said(rows(Inference), tables)
    return Inference(**said) if base is None else replace(base, **said)


def _said(names: Container[str], tables: Iterable[Table]) -> dict[str, Any]:
    """What the tables say, less what can only be said in one way, such as `dcw_wavelet`."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for table in tables
        for name in table.model_fields_set
        if name in names and (value := getattr(table, name)) is not None
    }
