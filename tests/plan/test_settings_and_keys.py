"""Which keys a setting moves: those of the stages it changes when it is off its neutral value, and none at it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import MISSING, fields, replace
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import pytest

from renderer.models.ace_step.stages import FAMILY
from renderer.models.catalog import zoo
from renderer.plan.keys import canonical
from renderer.settings import SETTINGS, TABLES, Inference, Metas, neutral_values, rows
from renderer.spec.load import load_songs
from renderer.spec.schema import InferenceTable, MetasTable
from tests.models.ace_step.requests_of import Requests, requests_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from renderer.models.catalog.zoo import ModelFacts

REQUESTS: Mapping[str, type] = {name: spec.request for name, spec in FAMILY.stages.items()}
LM, DIT = {"cot", "codes"}, {"latents"}
NOTHING_SAID = ("turbo", "sft", "base", "mini")
UNDISTILLED = zoo.model_facts("sft")
"""A checkpoint on which every setting does something."""
WRITTEN = {"keyscale": '"A minor"', "timesignature": '"3"', "vocal_language": '"en"', "timesteps": "[0.9, 0.3]"}
"""Settings that are written in other ways than their types and ranges tell."""
BESIDE: Mapping[str, Mapping[str, str]] = {
    "retake_seed": {"inference__retake_variance": "0.2", "inference__retake_seed": "5"},
    "retake_variance": {"inference__retake_seed": "5"},
}
"""What has to stand beside a setting, other than what its row says that switches it on."""


def spec(**values: str) -> str:
    """A song whose settings, as `metas__bpm`, have these values in TOML."""
    tables: dict[str, list[str]] = {"": [], "metas": [], "inference": []}
    for name, value in values.items():
        table, _, key = name.rpartition("__")
        tables[table].append(f"{key} = {value}\n")
    head = 'caption = "slow blues"\nlyrics = "[verse]\\nthe rain"\nseeds = [7]\n'
    return "".join((head, *tables[""], "[metas]\n", *tables["metas"], "[inference]\n", *tables["inference"]))


def asked(folder: Path, model: str | ModelFacts, **values: str) -> Requests:
    path = folder / "song.toml"
    path.write_text(spec(**values), "utf-8")
    (song,) = load_songs([path]).require()
    (take,) = song.takes()
    return requests_of(take, zoo.model_facts(model) if isinstance(model, str) else model, None)


def moved(one: Requests, other: Requests) -> set[str]:
    """The stages whose own part of the key differs; what builds on them moves with them."""
    pairs = ((stage, getattr(one, stage), getattr(other, stage)) for stage in FAMILY.stages)
    return {stage for stage, a, b in pairs if (a and repr(canonical(a))) != (b and repr(canonical(b)))}


def full_name(name: str) -> str:
    """`inference__shift`, as `spec` takes it."""
    return next(f"{table}__{name}" for table, group in TABLES.items() if name in rows(group))


def holds(name: str, facts: ModelFacts) -> Any:
    """A setting's value when nothing is said."""
    row = SETTINGS[name]
    return getattr(facts, row.fact) if row.fact else getattr(NOTHING, name)


class _Nothing(Inference, Metas):
    """All settings, none said."""


NOTHING = _Nothing()


def literal(value: Any) -> str:
    """A value in TOML."""
    return json.dumps(value)


def another(name: str, facts: ModelFacts = UNDISTILLED) -> str:
    """A value of a setting that doesn't hold by itself, in TOML: of a number, one near by."""
    if name in WRITTEN:
        return WRITTEN[name]
    row, held = SETTINGS[name], holds(name, facts)
    hint = get_type_hints(_Nothing)[name]
    kind = next((one for one in get_args(hint) if one is not NoneType), hint) if NoneType in get_args(hint) else hint
    if get_origin(kind) is Literal:
        return literal(next(one for one in reversed(get_args(kind)) if one != held))
    if kind is bool:
        return literal(not held)
    if kind is str:
        return literal("hum")
    assert row.low is not None
    assert row.high is not None
    step, start = (3, held or int(row.low)) if kind is int else (0.4, held or float(row.low))
    return literal(round(start + step if start + step <= row.high else start - step, 6))


def beside(name: str, facts: ModelFacts = UNDISTILLED) -> Mapping[str, str]:
    """What has to be on beside a setting for it to do anything."""
    off = [
        one
        for one, is_off in SETTINGS[name].switches.items()
        if one != name and one in SETTINGS and is_off and is_off(holds(one, facts))
    ]
    return {full_name(one): another(one) for one in off} | BESIDE.get(name, {})


def test_every_key_of_the_two_tables_is_a_setting() -> None:
    assert set(rows(Inference)) == set(InferenceTable.model_fields) - {"dcw_wavelet"}
    assert set(rows(Metas)) == set(MetasTable.model_fields)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_moves_the_keys_of_its_stages_and_of_no_other(tmp_path: Path, name: str) -> None:
    before, after = beside(name), {**beside(name), full_name(name): another(name)}

    assert moved(asked(tmp_path, "sft", **before), asked(tmp_path, "sft", **after)) == set(SETTINGS[name].stages)


@pytest.mark.parametrize(
    ("name", "value", "stages"),
    [
        ("max_duration", "50", LM | DIT),
        ("title", '"Rain"', set()),
        ("allow", '["language-open"]', set()),
        ("inference__dcw_wavelet", '"haar"', set()),
    ],
)
def test_another_key_moves_the_keys_of_the_stages_it_is_asked_of(
    tmp_path: Path, name: str, value: str, stages: set[str]
) -> None:
    assert moved(asked(tmp_path, "sft"), asked(tmp_path, "sft", **{name: value})) == stages


@pytest.mark.parametrize("model", NOTHING_SAID)
def test_a_default_written_out_moves_no_key(tmp_path: Path, model: str) -> None:
    plain, facts = asked(tmp_path, model), zoo.model_facts(model)
    found = {full_name(name): literal(held) for name in SETTINGS if (held := holds(name, facts)) is not None}
    found["max_duration"] = str(facts.max_duration)

    assert {name for name, value in found.items() if moved(plain, asked(tmp_path, model, **{name: value}))} == set()
    assert moved(plain, asked(tmp_path, model, **found)) == set()
    assert {full_name(name) for name in rows(Inference)} - set(found) == {
        "inference__timesteps",
        "inference__retake_seed",
    }


@pytest.mark.parametrize("model", NOTHING_SAID)
def test_what_stands_at_its_neutral_value_is_in_no_canonical_request(tmp_path: Path, model: str) -> None:
    settings = {name: row.neutral for name, row in rows(Inference).items() if row.neutral not in (None, MISSING)}
    said = {full_name(name): literal(neutral) for name, neutral in settings.items()}
    off = asked(tmp_path, model, metas__duration="30", **said)
    requests = [request for request in (off.cot, off.codes, off.latents, off.waveform) if request is not None]

    assert [sorted(_names(canonical(request))) for request in requests] == [
        ["caption", "lm_temperature", "lyrics", "metas", "metas.duration"],
        ["caption", "lm_temperature", "lyrics", "metas", "metas.duration", "seed"],
        ["caption", "inference_steps", "lyrics", "metas", "metas.duration", "seed"],
        ["duration"],
    ]


def _names(table: Mapping[str, Any], head: str = "") -> Iterator[str]:
    for name, value in table.items():
        yield head + name
        if isinstance(value, dict):
            yield from _names(value, f"{head}{name}.")


def test_only_what_has_no_neutral_value_is_in_every_key() -> None:
    """A field that comes later can't be among these: it would move the key of every take there is."""
    asked_of = {**REQUESTS, "metas": Metas}
    first_day = {"caption", "lyrics", "metas"}

    known: Mapping[str, set[str]] = {
        "cot": first_day | {"lm_temperature"},
        "codes": first_day | {"lm_temperature"},
        "latents": first_day | {"inference_steps", "seed"},
        "waveform": set(),
        "metas": set(),
    }

    assert {
        stage: {field.name for field in fields(asked_of[stage])} - set(neutral_values(asked_of[stage]))
        for stage in known
    } == known


@pytest.mark.parametrize("stage", REQUESTS)
def test_a_setting_that_a_stage_holds_for_another_has_a_neutral_value(stage: str) -> None:
    settings = rows(REQUESTS[stage])

    assert [name for name, row in settings.items() if stage not in row.stages and row.neutral is MISSING] == []


@pytest.mark.parametrize("name", [name for name, row in SETTINGS.items() if row.fact])
def test_another_default_of_a_checkpoint_moves_the_keys_of_songs_that_left_it_out(tmp_path: Path, name: str) -> None:
    row, later = SETTINGS[name], tomllib.loads(f"value = {another(name)}")["value"]
    other = replace(UNDISTILLED, **{row.fact: later})
    said = {full_name(name): literal(holds(name, UNDISTILLED))}

    assert moved(asked(tmp_path, UNDISTILLED), asked(tmp_path, other)) == set(row.stages)
    assert moved(asked(tmp_path, UNDISTILLED, **said), asked(tmp_path, other, **said)) == set()


def test_another_longest_duration_of_a_checkpoint_moves_the_keys_of_songs_that_left_it_out(tmp_path: Path) -> None:
    other, said = replace(UNDISTILLED, max_duration=300), {"max_duration": str(UNDISTILLED.max_duration)}

    assert moved(asked(tmp_path, UNDISTILLED), asked(tmp_path, other)) == LM | DIT
    assert moved(asked(tmp_path, UNDISTILLED, **said), asked(tmp_path, other, **said)) == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [("lm_temperature", "0.0"), ("dcw_scaler", "0.0"), ("cfg_interval_start", "0.0"), ("retake_variance", "0.0")],
)
def test_a_nought_with_a_sign_is_a_nought(tmp_path: Path, name: str, value: str) -> None:
    here, there = (
        asked(tmp_path, "sft", inference__dcw_enabled="true", **{f"inference__{name}": one})
        for one in (value, f"-{value}")
    )

    assert moved(here, there) == set()


def test_a_preview_has_one_key_however_its_seconds_are_written(tmp_path: Path) -> None:
    (tmp_path / "song.toml").write_text(spec(), "utf-8")
    (song,) = load_songs([tmp_path / "song.toml"]).require()
    (take,) = song.takes()

    assert moved(*(requests_of(take, zoo.model_facts("turbo"), seconds) for seconds in (20, 20.0))) == set()
