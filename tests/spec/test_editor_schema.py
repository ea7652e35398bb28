"""The schemas that editors use: current, and of one mind with the loader."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from importlib.metadata import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w

from renderer.spec.editor_schema import album_schema, schemas, song_schema
from renderer.spec.load import load_songs
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
# What only the loader can know: rules between keys, files, order, and which texts a model can't take.
BEYOND_SCHEMA = {
    "timesteps-order",
    "timesteps-count",
    "lyrics-missing",
    "lyrics-twice",
    "lyrics-file-missing",
    "codes-missing",
    "lora-missing",
}
BEYOND_SCHEMA |= {
    "vae-unknown",
    "vae-unfit",
    "based-on-unused",
    "based-on-unknown",
    "model-unknown",
    "lm-unknown",
    "duration-limit",
    "cfg-interval-order",
    "path-outside",
    "retake-seed-missing",
    "audio-missing",
    "edit-source",
    "edit-source-missing",
    "edit-incomplete",
    "pick-finish",
    "pick-without-plans",
    "edit-window-twice",
    "edit-section",
    "edit-model",
}


def taplo() -> Path:
    """The real linter, wherever its package put it."""
    return next(Path(str(file.locate())).resolve() for file in files("taplo") or () if file.name.startswith("taplo"))


def rejected(folder: Path, *arguments: str) -> set[str]:
    """The names of the files below `folder` that taplo finds at fault."""
    with tempfile.TemporaryDirectory() as elsewhere:
        # taplo now and then ends before its last words are written: those are the decoys'.
        decoys = [Path(elsewhere) / f"decoy-{number}.toml" for number in range(3)]
        for decoy in decoys:
            decoy.write_text("x = ", encoding="utf-8")
        result = subprocess.run(
            [taplo(), "lint", *arguments, *map(str, [*sorted(folder.rglob("*.toml")), *decoys])],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
            env={"RUST_LOG": "error", "NO_COLOR": "1"},
        )
        assert f'path="{decoys[0]}"' in result.stderr, result.stderr
    return {path.name for path in folder.rglob("*.toml") if f'path="{path}"' in result.stderr}


def test_the_committed_schemas_are_current() -> None:
    for name, text in schemas().items():
        written = (PROJECT / "schemas" / name).read_text(encoding="utf-8")
        assert written == text, "write it anew with `renderer schema`"


def test_schemas_stay_within_draft_4() -> None:
    for text in schemas().values():
        schema = json.loads(text)
        assert schema["$schema"] == "http://json-schema.org/draft-04/schema#"
        later = {
            '"$ref"',
            '"const"',
            '"$defs"',
            '"propertyNames"',
            '"exclusiveMinimum"',
            '"null"',
            '"if"',
            '"contains"',
        }
        assert not [word for word in later if word in text]


def test_every_key_is_described() -> None:
    def bare(schema: dict[str, Any], path: str) -> Iterator[str]:
        for name, property_ in schema.get("properties", {}).items():
            if not property_.get("description"):
                yield f"{path}.{name}"
            yield from bare(property_, f"{path}.{name}")

    assert list(bare(song_schema(), "")) == []
    assert list(bare(album_schema(), "")) == []


@pytest.mark.slow
def test_taplo_accepts_the_examples_through_the_line_at_their_head() -> None:
    assert rejected(PROJECT / "specs") == set()


@pytest.mark.slow
def test_taplo_rejects_a_fault_through_the_line_at_the_specs_head(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    shutil.copytree(PROJECT / "specs", tmp_path / "specs")
    spec = tmp_path / "specs" / "night-bus.toml"
    spec.write_text(spec.read_text().replace("bpm = 104", "bpm = 1040"))
    defaults = tmp_path / "specs" / "renderer.toml"
    defaults.write_text(defaults.read_text().replace('infer_method = "ode"', 'infer_method = "odd"'))

    assert rejected(tmp_path / "specs") == {"night-bus.toml", "renderer.toml"}


def values(schema: dict[str, Any]) -> Iterator[Any]:
    """Values at and past the edges of what a key takes, and of every other type."""
    for choice in schema.get("anyOf", schema.get("oneOf", [])):
        yield from values(choice)
    for name, past in (("minimum", -1), ("maximum", 1)):
        if name in schema:
            edge = schema[name] if schema.get("type") == "number" else int(schema[name])
            yield from (edge, edge + past)
    yield from schema.get("enum", [])[:20]
    if "minItems" in schema:
        yield []
    items = [one for one in values(schema["items"]) if not isinstance(one, list | dict)] if "items" in schema else []
    yield from ([one] for one in items[:8])
    if schema.get("uniqueItems"):
        yield [1, 1]
    yield from (True, 3, 3.5, 4.0, "text", "", " ", [], ["a", "b"], {}, {"x": 1}, float("nan"), float("inf"), 2**62)


def specs() -> Iterator[dict[str, Any]]:
    """A sound spec with one key after another set to each of its values."""
    schema = song_schema()
    sound = {"caption": "slow blues", "instrumental": True}
    yield sound
    for name, property_ in schema["properties"].items():
        rest = {"caption": "slow blues"} if name == "lyrics" else sound
        yield from ({**rest, name: value} for value in values(property_))
        for inner, table in property_.get("properties", {}).items():
            yield from ({**sound, name: {inner: value}} for value in values(table))
    (variant,) = schema["properties"]["variants"]["patternProperties"].values()
    for inner, table in variant["properties"].items():
        yield from ({**sound, "variants": {"wide": {inner: value}}} for value in values(table))
    (edit,) = schema["properties"]["edits"]["patternProperties"].values()
    for inner, table in edit["properties"].items():
        own = {"task": "cover", "src_audio": "s0"}
        yield from ({**sound, "edits": {"new": {**own, inner: value}}} for value in values(table))
    sections = {"section": "verse", "annotation": "soft", "text": "one"}
    for inner in sections:
        yield from (
            {"caption": "x", "lyrics": [{**sections, inner: value}]} for value in ("", " ", "a", 3, [], {}, True)
        )
    yield from ({**sound, "variants": {name: {}}} for name in ("a-b_1", "a b", "ä", "a.b"))
    yield from ({**sound, name: 1} for name in ("bpn", "Caption", "bpm", "key"))


@pytest.mark.slow
def test_taplo_and_the_loader_agree_on_every_key(tmp_path: Path) -> None:
    for number, spec in enumerate(specs()):
        (tmp_path / f"{number}.toml").write_text(tomli_w.dumps(spec), encoding="utf-8")
    schema = tmp_path / "song.schema.json"
    schema.write_text(schemas()["song.schema.json"], encoding="utf-8")
    ours = {
        one.file.name: one.code for one in load_songs([tmp_path]).errors if one.file and one.code not in BEYOND_SCHEMA
    }
    theirs = rejected(tmp_path, "--schema", schema.as_uri())
    differing = {name: (ours.get(name), (tmp_path / name).read_text()) for name in sorted(set(ours) ^ theirs)}

    assert len(ours) > 300
    assert differing == {}


@pytest.mark.parametrize("key", ["vocal_language", "keyscale", "bpm"])
def test_what_editors_complete_is_in_the_schema(key: str) -> None:
    metas = song_schema()["properties"]["metas"]["properties"]

    assert {"enum", "pattern", "minimum"} & set(metas[key])
