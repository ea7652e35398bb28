"""Golden documents as text: what fits into a line stands in one, so that a difference is a line or two."""

from __future__ import annotations

import json
from typing import Any

WIDTH = 150  # characters of a line


def as_text(document: Any) -> str:
    """The document as JSON, ending in a line's end."""
    return _text(document, "", 0) + "\n"


def _text(value: Any, margin: str, taken: int) -> str:
    short = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not value or not isinstance(value, dict | list) or len(margin) + taken + len(short) <= WIDTH:
        return short
    inner = margin + " "
    if isinstance(value, dict):
        heads = {name: f"{json.dumps(name, ensure_ascii=False)}: " for name in value}
        rows = [inner + heads[name] + _text(below, inner, len(heads[name])) for name, below in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{margin}}}"
    return "[\n" + ",\n".join(inner + _text(below, inner, 0) for below in value) + f"\n{margin}]"
