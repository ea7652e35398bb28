"""A spec on its way: what a foreign file's keys have given so far, and what they could not give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from renderer.spec.imports.entry import LeftOut
from renderer.spec.schema import TABLES, table_of

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from renderer.spec.imports.entry import Field


@dataclass(slots=True, kw_only=True)
class SpecDraft:
    """What is known of a spec; filled key by key."""

    values: dict[str, Any] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    """A spec's key -> the foreign key that it came from."""
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    codes: tuple[int, ...] = ()
    decided: dict[str, Field] = field(default_factory=dict)
    """What an LM decided when the codes were made, by the key that a spec has for it."""

    def put(self, key: str, value: Any, origin: Field) -> None:
        """Take a value over; where the key has another one already, that one counts."""
        table = table_of(key)
        place = self.values if table is None else self.values.setdefault(table, {})
        if key not in place:
            place[key], self.written[key] = value, origin.key
        elif place[key] != value:
            self.leave(origin, f"`{self.written[key]}` says something else, and comes first")

    def leave(self, origin: Field, why: str) -> None:
        """List a key that is not carried over."""
        self.left_out.append(LeftOut(key=origin.key, why=why))

    def table(self, name: str) -> dict[str, Any]:
        """What stands in a table so far; empty when there is none."""
        found: dict[str, Any] = self.values.get(name, {})
        return found


def field_of(key: str) -> FieldInfo | None:
    """What a key of a spec's tables takes; None when they have no such key."""
    return next((model.model_fields[key] for model in TABLES.values() if key in model.model_fields), None)
