"""The range of a key's value, read from its schema, in words: for the error of a spec and for `check --explain`."""

from __future__ import annotations

from typing import Any, get_args

from annotated_types import Ge, Le

from renderer.settings import ABOVE_ZERO

_LARGE = 1e6  # from here on `%g` rounds


def range_words(field: Any) -> str:
    """`30 to 300`, of a list that of its values; empty where the key has no range."""
    limits = _limits(field)
    if limits is None:
        return ""
    low, high = limits
    if low == ABOVE_ZERO:
        return f"more than 0, {high:g} at most"
    return f"{low:g} to {high:g}" if high < _LARGE else f"{low:g} to {high:.0f}"


def _limits(field: Any) -> tuple[float, float] | None:
    """The range in a field of a model, or in an annotation; the outermost where one lies in another."""
    metadata = [*getattr(field, "metadata", ()), *getattr(field, "__metadata__", ())]
    low = next((limit.ge for limit in metadata if isinstance(limit, Ge)), None)
    high = next((limit.le for limit in metadata if isinstance(limit, Le)), None)
    if isinstance(low, int | float) and isinstance(high, int | float):
        return float(low), float(high)
    inner = [field.annotation] if hasattr(field, "annotation") else get_args(field)
    return next((limits for one in inner if (limits := _limits(one)) is not None), None)
