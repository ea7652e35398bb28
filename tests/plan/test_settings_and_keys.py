"""Which keys a setting moves: those of the stages it changes when it is off its neutral value, and none at it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from renderer.models.ace_step.protocol.requests import (
    CodesRequest,
    CotRequest,
    GivenMetas,
    LatentsRequest,
    LmSampling,
    WaveformRequest,
)
from renderer.models.ace_step.protocol.stage_requests import stage_requests
from renderer.models.catalog import zoo
from renderer.plan.keys import canonical, neutral
from renderer.settings import Inference
from renderer.spec.load import load_songs
from renderer.spec.schema import InferenceTable, MetasTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from renderer.models.ace_step.protocol.stage_requests import StageRequests
    from renderer.models.catalog.zoo import ModelFacts

REQUESTS = (CotRequest, CodesRequest, LatentsRequest, WaveformRequest, GivenMetas, LmSampling)
LM, DIT, VAE = {"cot", "codes"}, {"latents"}, {"waveform"}
NOTHING_SAID = ("turbo", "sft", "base", "mini")


def spec(**values: str) -> str:
    """A song whose settings, as `metas__bpm`, have these values in TOML."""
    tables: dict[str, list[str]] = {"": [], "metas": [], "inference": []}
    for name, value in values.items():
        table, _, key = name.rpartition("__")
        tables[table].append(f"{key} = {value}\n")
    head = 'caption = "slow blues"\nlyrics = "[verse]\\nthe rain"\nseeds = [7]\n'
    return "".join((head, *tables[""], "[metas]\n", *tables["metas"], "[inference]\n", *tables["inference"]))


def asked(folder: Path, model: str | ModelFacts, **values: str) -> StageRequests:
    path = folder / "song.toml"
    path.write_text(spec(**values), "utf-8")
    (song,) = load_songs([path]).require()
    (take,) = song.takes()
    return stage_requests(take, zoo.model_facts(model) if isinstance(model, str) else model, None)


def moved(one: StageRequests, other: StageRequests) -> set[str]:
    """The stages whose own part of the key differs; what builds on them moves with them."""
    pairs = ((stage, getattr(one, stage), getattr(other, stage)) for stage in ("cot", "codes", "latents", "waveform"))
    return {stage for stage, a, b in pairs if (a and repr(canonical(a))) != (b and repr(canonical(b)))}


METAS: Mapping[str, tuple[str, set[str]]] = {
    "bpm": ("90", LM | DIT),
    "keyscale": ('"A minor"', LM | DIT),
    "timesignature": ('"3"', LM | DIT),
    "duration": ("40", LM | DIT | VAE),
    "vocal_language": ('"en"', DIT),
}
"""Each of [metas]: a value, and the stages that it is asked of."""
INFERENCE: Mapping[str, tuple[str, set[str]]] = {
    "inference_steps": ("33", DIT),
    "guidance_scale": ("4.5", DIT),
    "infer_method": ('"sde"', DIT),
    "shift": ("2.0", DIT),
    "timesteps": ("[0.9, 0.3]", DIT),
    "sampler_mode": ('"heun"', DIT),
    "dcw_enabled": ("true", DIT),
    "dcw_mode": ('"pix"', DIT),
    "dcw_scaler": ("0.3", DIT),
    "dcw_high_scaler": ("0.3", DIT),
    "dcw_wavelet": ('"haar"', set()),
    "retake_seed": ("6", DIT),
    "retake_variance": ("0.6", DIT),
    "thinking": ("false", {"codes"}),
    "lm_temperature": ("0.5", LM),
    "lm_cfg_scale": ("3.5", {"codes"}),
    "lm_top_k": ("30", LM),
    "lm_top_p": ("0.4", LM),
    "lm_repetition_penalty": ("1.3", LM),
    "lm_negative_prompt": ('"hum"', {"codes"}),
    "lm_seed": ("8", {"cot"}),
    "use_cot_metas": ("false", {"cot", "latents"}),
    "use_cot_caption": ("false", {"cot", "latents"}),
    "use_cot_language": ("false", {"cot", "latents"}),
    "use_constrained_decoding": ("false", LM),
    "cfg_interval_start": ("0.3", DIT),
    "cfg_interval_end": ("0.7", DIT),
}
"""Each of [inference]: a value off its neutral one and its default, and the stages that it is asked of."""
BESIDE: Mapping[str, Mapping[str, str]] = {
    **{key: {"inference__dcw_enabled": "true"} for key in ("dcw_mode", "dcw_scaler", "dcw_high_scaler")},
    "retake_seed": {"inference__retake_variance": "0.2", "inference__retake_seed": "5"},
    "retake_variance": {"inference__retake_seed": "5"},
}
"""What has to be on beside a setting for it to do anything."""


def test_every_setting_is_walked() -> None:
    assert set(INFERENCE) == set(InferenceTable.model_fields)
    assert set(METAS) == set(MetasTable.model_fields)


@pytest.mark.parametrize(
    ("name", "value", "stages"),
    [
        *((f"metas__{name}", *row) for name, row in METAS.items()),
        *((f"inference__{name}", *row) for name, row in INFERENCE.items()),
        ("max_duration", "50", LM | DIT),
        ("title", '"Rain"', set()),
        ("allow", '["language-open"]', set()),
    ],
)
def test_a_setting_moves_the_keys_of_its_stages_and_of_no_other(
    tmp_path: Path, name: str, value: str, stages: set[str]
) -> None:
    beside = BESIDE.get(name.removeprefix("inference__"), {})

    # An undistilled checkpoint, where everything does something.
    assert moved(asked(tmp_path, "sft", **beside), asked(tmp_path, "sft", **{**beside, name: value})) == stages


def defaults(model: str) -> Iterator[tuple[str, str]]:
    """Each setting as the checkpoint has it when nothing is said, in TOML."""
    facts = zoo.model_facts(model)
    yield "inference__inference_steps", str(facts.steps)
    yield "inference__shift", f"{facts.shift:g}"
    yield "inference__guidance_scale", f"{facts.guidance_scale:g}"
    yield "inference__dcw_enabled", str(facts.dcw).lower()
    yield "max_duration", str(facts.max_duration)
    for name in ("infer_method", "sampler_mode", "dcw_mode", "lm_negative_prompt"):
        yield f"inference__{name}", f'"{DEFAULTS[name]}"'
    for name in (*SWITCHES, *NUMBERS):
        yield f"inference__{name}", str(DEFAULTS[name]).lower()


DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(Inference)}
SWITCHES = ("thinking", "use_cot_metas", "use_cot_caption", "use_cot_language", "use_constrained_decoding")
NUMBERS = (
    *("dcw_scaler", "dcw_high_scaler", "retake_variance", "lm_temperature", "lm_cfg_scale", "lm_top_k", "lm_top_p"),
    *("lm_repetition_penalty", "lm_seed", "cfg_interval_start", "cfg_interval_end"),
)


@pytest.mark.parametrize("model", NOTHING_SAID)
def test_a_default_written_out_moves_no_key(tmp_path: Path, model: str) -> None:
    plain = asked(tmp_path, model)
    found = dict(defaults(model))

    assert {name for name, value in found.items() if moved(plain, asked(tmp_path, model, **{name: value}))} == set()
    assert moved(plain, asked(tmp_path, model, **found)) == set()
    left = {name.removeprefix("inference__") for name in found}
    assert set(InferenceTable.model_fields) - left == {"timesteps", "retake_seed", "dcw_wavelet"}


NEUTRAL = {
    "guidance_scale": "1.0",
    "shift": "1.0",
    "infer_method": '"ode"',
    "sampler_mode": '"euler"',
    "dcw_enabled": "false",
    "retake_variance": "0.0",
    "lm_cfg_scale": "1.0",
    "lm_top_k": "0",
    "lm_top_p": "1.0",
    "lm_repetition_penalty": "1.0",
    "use_cot_caption": "false",
    "use_cot_language": "false",
    "use_constrained_decoding": "false",
    "cfg_interval_start": "0.0",
    "cfg_interval_end": "1.0",
}
"""Settings, as specs have them, at which a stage computes as if they weren't there."""


@pytest.mark.parametrize("model", NOTHING_SAID)
def test_what_stands_at_its_neutral_value_is_in_no_canonical_request(tmp_path: Path, model: str) -> None:
    off = asked(tmp_path, model, metas__duration="30", **{f"inference__{name}": v for name, v in NEUTRAL.items()})
    requests = [request for request in (off.cot, off.codes, off.latents, off.waveform) if request is not None]

    assert [sorted(_names(canonical(request))) for request in requests] == [
        ["caption", "lyrics", "metas", "metas.duration", "sampling", "sampling.temperature", "seed"],
        ["caption", "lyrics", "metas", "metas.duration", "sampling", "sampling.temperature", "seed"],
        ["caption", "lyrics", "metas", "metas.duration", "seed", "steps"],
        ["duration"],
    ]


def _names(table: Mapping[str, Any], head: str = "") -> Iterator[str]:
    for name, value in table.items():
        yield head + name
        if isinstance(value, dict):
            yield from _names(value, f"{head}{name}.")


def test_only_what_has_no_neutral_value_has_no_default() -> None:
    """A field that comes later can't be among these: it would move the key of every take there is."""
    assert {f"{one.__name__}.{field.name}" for one in REQUESTS for field in fields(one)} - {
        f"{one.__name__}.{name}" for one in REQUESTS for name in neutral(one)
    } == {
        *(f"{one}.{name}" for one in ("CotRequest", "CodesRequest") for name in FIRST_DAY),
        *(f"LatentsRequest.{name}" for name in ("caption", "lyrics", "metas", "steps", "seed")),
        "LmSampling.temperature",
    }


FIRST_DAY = ("caption", "lyrics", "metas", "sampling", "seed")


@pytest.mark.parametrize(
    ("name", "later", "setting", "stages"),
    [
        ("steps", 30, "inference__inference_steps", DIT),
        ("shift", 3.0, "inference__shift", DIT),
        ("guidance_scale", 3.0, "inference__guidance_scale", DIT),
        ("dcw", True, "inference__dcw_enabled", DIT),
        ("max_duration", 300, "max_duration", LM | DIT),
    ],
)
def test_another_default_of_a_checkpoint_moves_the_keys_of_songs_that_left_it_out(
    tmp_path: Path, name: str, later: Any, setting: str, stages: set[str]
) -> None:
    facts = zoo.model_facts("sft")
    other = replace(facts, **{name: later})
    said = {setting: dict(defaults("sft"))[setting]}

    assert moved(asked(tmp_path, facts), asked(tmp_path, other)) == stages
    assert moved(asked(tmp_path, facts, **said), asked(tmp_path, other, **said)) == set()


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

    assert moved(*(stage_requests(take, zoo.model_facts("turbo"), seconds) for seconds in (20, 20.0))) == set()
