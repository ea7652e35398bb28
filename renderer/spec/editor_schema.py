"""The pydantic models -> JSON schemas for editors: draft 4, everything in place, with defaults. Knows no files.

Taplo and Even Better TOML read draft 4, where what stands beside a `$ref` is lost; so nothing is referred to.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from renderer.settings import Inference
from renderer.song import Output
from renderer.spec.album import GAP_SECONDS
from renderer.spec.album_schema import AlbumFile
from renderer.spec.checkpoints import CHECKPOINTS, DEFAULT_MODEL, LMS, VAES
from renderer.spec.families import MODELS
from renderer.spec.lints.table import ALLOWABLE
from renderer.spec.schema import DefaultsFile, SongFile

if TYPE_CHECKING:
    from collections.abc import Mapping

_DRAFT = "http://json-schema.org/draft-04/schema#"
_DEFAULTS: Mapping[str, object] = {
    "model": DEFAULT_MODEL,
    "annotation_style": "as-written",
    "seeds": [0],
    "outputs": "outputs",
    "scale": 1.0,
    "gap": GAP_SECONDS,
    "fade_in": 0.0,
    "fade_out": 0.0,
    **{name: value for name, value in asdict(Inference()).items() if value is not None},
    **asdict(Output()),
}
_DROPPED = {"title", "default", "discriminator"}


def schemas() -> Mapping[str, str]:
    """File name -> JSON text, for a spec, for `renderer.toml` and for `album.toml`."""
    return {
        "song.schema.json": _text(song_schema()),
        "renderer.schema.json": _text(_finished(DefaultsFile.model_json_schema(), "Defaults for song specs")),
        "album.schema.json": _text(album_schema()),
    }


def song_schema() -> dict[str, Any]:
    """The schema of a spec."""
    return _finished(SongFile.model_json_schema(), "A song spec")


def album_schema() -> dict[str, Any]:
    """The schema of an album."""
    schema = AlbumFile.model_json_schema()
    plain = _plain(schema, schema.pop("$defs", {}))
    _with_defaults(plain)
    return {"$schema": _DRAFT, "title": "An album", **plain}


def _text(schema: Mapping[str, object]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _finished(schema: dict[str, Any], title: str) -> dict[str, Any]:
    plain = _plain(schema, schema.pop("$defs", {}))
    _with_defaults(plain)
    for table in _tables_with_models(plain):
        table["properties"]["model"] = _suggested(table["properties"]["model"], tuple(MODELS))
        table["properties"]["based_on"] = _suggested(table["properties"]["based_on"], tuple(CHECKPOINTS))
        if "lm" in table["properties"]:
            table["properties"]["lm"] = _suggested(table["properties"]["lm"], LMS)
        table["properties"]["vae"] = _suggested(table["properties"]["vae"], VAES)
    for name in ("variants", "edits"):
        if name in plain["properties"]:
            plain["properties"][name]["additionalProperties"] = False
    for table in _edit_tables(plain):
        table["required"] = ["task", "src_audio"]
    plain["properties"]["allow"]["items"] = {"type": "string", "enum": list(ALLOWABLE)}
    return {"$schema": _DRAFT, "title": title, **plain}


def _plain(node: Any, definitions: Mapping[str, dict[str, Any]]) -> Any:
    """The node with references put in place, and without `null`, which TOML hasn't."""
    if isinstance(node, list):
        return [_plain(one, definitions) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        node = {**definitions[name], **{key: value for key, value in node.items() if key != "$ref"}}
    if "anyOf" in node or "oneOf" in node:
        choices = [one for one in node.get("anyOf", node.get("oneOf", [])) if one != {"type": "null"}]
        rest = {key: value for key, value in node.items() if key not in {"anyOf", "oneOf"}}
        node = {**choices[0], **rest} if len(choices) == 1 else {**rest, "anyOf": choices}
        if "$ref" in node:
            return _plain(node, definitions)
    return {
        key: {name: _plain(one, definitions) for name, one in value.items()}
        if key in {"properties", "patternProperties"}
        else _plain(value, definitions)
        for key, value in node.items()
        if key not in _DROPPED
    }


def _with_defaults(table: dict[str, Any]) -> None:
    """Write what holds when a key is left out; not in variants, where that is what the base says."""
    for name, property_ in table.get("properties", {}).items():
        if name in {"variants", "edits"}:
            continue
        if name in _DEFAULTS and property_.get("type") != "object":
            property_["default"] = _DEFAULTS[name]
        _with_defaults(property_)
        _with_defaults(property_.get("items", {}))


def _tables_with_models(schema: dict[str, Any]) -> list[dict[str, Any]]:
    variants = schema["properties"].get("variants", {}).get("patternProperties", {})
    return [schema, *variants.values(), *_edit_tables(schema)]


def _edit_tables(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return list(schema["properties"].get("edits", {}).get("patternProperties", {}).values())


def _suggested(property_: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """A text that may be anything, with names for editors to complete."""
    outer = {key: value for key, value in property_.items() if key in {"description", "default"}}
    inner = {key: value for key, value in property_.items() if key not in outer}
    return {**outer, "anyOf": [{"type": "string", "enum": list(names)}, inner]}
