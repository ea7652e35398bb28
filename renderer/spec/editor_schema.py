"""The pydantic models -> JSON schemas that editors complete and check specs with. Knows no files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from renderer.spec.schema import DefaultsFile, SongFile

if TYPE_CHECKING:
    from collections.abc import Mapping


def schemas() -> Mapping[str, str]:
    """File name -> JSON text, for a spec and for `renderer.toml`."""
    return {
        "song.schema.json": _text(SongFile.model_json_schema()),
        "renderer.schema.json": _text(DefaultsFile.model_json_schema()),
    }


def _text(schema: dict[str, object]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
