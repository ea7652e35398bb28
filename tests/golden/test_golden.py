"""What twenty-one specs are planned, asked, sent, told and tagged as is what it was: `python -m tests.golden.renew`."""

from __future__ import annotations

import copy
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from renderer.spec.schema import SongFile
from tests.golden import golden
from tests.golden.collect import PROJECT, collect
from tests.stages import from_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

RENEW = "python -m tests.golden.renew, and look at what it shows"
NAMED = ("variants.", "edits.")
"""The tables whose keys are the user's own."""


@pytest.fixture(scope="session")
def before() -> dict[str, Any]:
    return golden.read()


@pytest.fixture(scope="session")
def now(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return collect(tmp_path_factory.mktemp("golden"))


def allowed(schema: dict[str, Any], definitions: dict[str, Any], head: str = "") -> Iterator[str]:
    """`metas.bpm`, `lora[].path`, `variants.*.shift`: every key that the schema knows."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for name, below in schema.get("properties", {}).items():
        yield head + name
        yield from allowed(below, definitions, f"{head}{name}.")
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from allowed(choice, definitions, head)
    if "items" in schema:
        yield from allowed(schema["items"], definitions, f"{head[:-1]}[].")
    for named in schema.get("patternProperties", {}).values():
        yield f"{head}*"
        yield from allowed(named, definitions, f"{head}*.")


def written(value: Any, head: str = "") -> Iterator[str]:
    """The keys of a spec, in the same form."""
    if isinstance(value, list):
        for below in value:
            yield from written(below, f"{head[:-1]}[].")
    if isinstance(value, dict):
        for name, below in value.items():
            named = f"{head}{'*' if head in NAMED else name}"
            yield named
            yield from written(below, f"{named}.")


def test_every_key_of_the_schema_stands_in_a_golden_spec() -> None:
    schema = SongFile.model_json_schema()
    specs = sorted((PROJECT / "specs").glob("*.toml"))
    found = {key for spec in specs for key in written(tomllib.loads(spec.read_text("utf-8")))}

    assert len(specs) == 21
    assert set(allowed(schema, schema["$defs"])) - found == set(), "write these into a spec of tests/golden/project"


def test_no_key_moves_while_its_stage_s_version_stays(before: dict[str, Any], now: dict[str, Any]) -> None:
    moved = golden.moved_keys(before, now)

    assert not moved, "\n".join([*moved, "everyone's takes would be made again without being told why"])


@pytest.mark.parametrize("kind", golden.KINDS)
def test_nothing_else_than_before_comes_of_the_golden_specs(
    kind: str, before: dict[str, Any], now: dict[str, Any]
) -> None:
    found = golden.differences(kind, before[kind], now[kind])

    assert not found, "\n".join([*found, f"if that is meant: {RENEW}"])


JOB = "plain.s1 latents"


@pytest.fixture
def after(before: dict[str, Any]) -> dict[str, Any]:
    """What a checkout gives in which the golden take's latents have another key."""
    now = copy.deepcopy({kind: before[kind] for kind in ("keys", "jobs")})
    now["keys"]["takes"]["plain.s1"] |= {name: f"{n:064x}" for n, name in enumerate((*from_stage("latents"), "take"))}
    return now


def test_a_key_that_moved_is_told_with_what_moved_it(before: dict[str, Any], after: dict[str, Any]) -> None:
    after["jobs"][JOB]["request"]["vibrato"] = 0.0
    del after["jobs"][JOB]["request"]["shift"]

    (told,) = golden.moved_keys(before, after)

    assert told == (
        f"`{JOB}`: its key moved (shift 3.0 → 'left out'; vibrato 'left out' → 0.0), "
        f'and the version of "latents" is {before["keys"]["versions"]["latents"]} as before'
    )


def test_a_key_whose_stage_is_of_another_version_may_move(before: dict[str, Any], after: dict[str, Any]) -> None:
    after["jobs"][JOB]["request"]["vibrato"] = 0.0
    after["keys"]["versions"]["latents"] += 1

    assert golden.moved_keys(before, after) == []


def test_a_key_of_other_weights_may_move(before: dict[str, Any], after: dict[str, Any]) -> None:
    after["jobs"][JOB]["settings"]["weights"] = "0" * 16

    assert golden.moved_keys(before, after) == []


def test_a_key_that_moved_for_nothing_that_can_be_seen_is_told(before: dict[str, Any], after: dict[str, Any]) -> None:
    (told,) = golden.moved_keys(before, after)

    assert "nothing that enters it did" in told


def test_a_file_s_key_that_moved_alone_is_told(before: dict[str, Any]) -> None:
    now = copy.deepcopy({kind: before[kind] for kind in ("keys", "jobs")})
    now["keys"]["takes"]["metas.s4294967295"]["take"] = "d" * 64

    (told,) = golden.moved_keys(before, now)

    assert "`metas.s4294967295`: the key of its file moved" in told
