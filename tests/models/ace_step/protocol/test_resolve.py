"""A setting has no effect on a take exactly where `check` says so: both ways, over settings, songs and checkpoints."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from renderer.models.catalog import zoo
from renderer.song import Pinned, PinnedCot
from renderer.spec.load import load_songs
from renderer.spec.pins import pinned_text
from tests.models.ace_step.requests_of import Requests, requests_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


METAS = {"bpm": "90", "keyscale": '"A minor"', "timesignature": '"3"', "duration": "40"}
# Each with values that differ in what they mean; a test's song writes one and is compared with the other.
VALUES: Mapping[str, tuple[str, ...]] = {
    "thinking": ("true", "false"),
    "use_cot_metas": ("true", "false"),
    "use_cot_caption": ("true", "false"),
    "use_cot_language": ("true", "false"),
    "lm_seed": ("0", "5"),
    "lm_temperature": ("0.0", "0.7"),
    "lm_top_k": ("0", "40"),
    "lm_top_p": ("0.9", "0.5"),
    "lm_cfg_scale": ("1.0", "2.0"),
    "lm_negative_prompt": ('"hiss"', '"hum"'),
    "lm_repetition_penalty": ("1.0", "1.1"),
    "use_constrained_decoding": ("true", "false"),
    "guidance_scale": ("1.0", "7.0"),
    "cfg_interval_start": ("0.0", "0.2"),
    "cfg_interval_end": ("1.0", "0.8"),
    "inference_steps": ("4", "6"),
    "shift": ("1.0", "3.0"),
    "infer_method": ('"ode"', '"sde"'),
    "sampler_mode": ('"euler"', '"heun"'),
}
QUIET = {("sampler_mode", '"euler"'), *((f"use_cot_{name}", "false") for name in ("metas", "caption", "language"))}
NONE_SAID = "has no effect"


def spec(model: str, metas: Mapping[str, str], settings: Mapping[str, str]) -> str:
    tables = (
        f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in rows.items())
        for name, rows in (("metas", metas), ("inference", settings))
    )
    return f'model = "{model}"\ncaption = "slow blues"\nlyrics = "[verse]\\nthe rain"\nseeds = [7]\n' + "".join(tables)


def asked_and_told(folder: Path, text: str) -> tuple[Requests, set[str]]:
    path = folder / "song.toml"
    path.write_text(text, "utf-8")
    loaded = load_songs([path])
    (song,) = loaded.songs
    (take,) = song.takes()
    told = {one.message.split("`")[1] for one in loaded.diagnostics if one.message.endswith(NONE_SAID)}
    return requests_of(take, zoo.model_facts(take.variant.model), None), told


def drawn(count: int) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    chance = random.Random(20)
    for _ in range(count):
        metas = dict(METAS) if chance.random() < 0.5 else {k: v for k, v in METAS.items() if chance.random() < 0.5}
        settings = {name: chance.choice(values) for name, values in VALUES.items() if chance.random() < 0.5}
        yield chance.choice(("turbo", "sft")), metas, settings


@pytest.mark.slow
def test_what_check_calls_without_effect_is_what_no_request_tells(tmp_path: Path) -> None:
    found = dict.fromkeys(VALUES, 0)
    for model, metas, settings in drawn(150):
        here, told = asked_and_told(tmp_path, spec(model, metas, settings))
        for name, value in settings.items():
            (other,) = (one for one in VALUES[name] if one != value)
            there, _ = asked_and_told(tmp_path, spec(model, metas, {**settings, name: other}))
            # What stands at the value that does nothing is no news.
            if (name, value) not in QUIET:
                assert (here == there) is (name in told), (model, metas, settings, name)
            found[name] += name in told

    quiet = {"thinking", "lm_temperature", "infer_method", "inference_steps", "shift"}
    assert {name for name, times in found.items() if times} >= set(VALUES) - quiet - {"lm_repetition_penalty"}


@pytest.mark.slow
@pytest.mark.parametrize("chain", [None, PinnedCot(text="caption: slow\nlanguage: en", caption="slow", language="en")])
def test_what_check_calls_without_effect_beside_pinned_codes_is_what_no_request_tells(
    tmp_path: Path, chain: PinnedCot | None
) -> None:
    pinned = Pinned(
        codes=(1, 2, 3) * 50, cot=chain, take="song.s7", caption="slow blues", codes_key="a", cot_key="b", digest="c"
    )
    (tmp_path / "song.codes").write_text(pinned_text(pinned), "utf-8")
    head = 'codes = "song.codes"\n'
    for _, some, others in drawn(60):
        metas = {name: value for name, value in some.items() if name != "duration"}
        settings = {**others, "thinking": "true"}
        here, told = asked_and_told(tmp_path, head + spec("sft", metas, settings))
        for name, value in settings.items():
            (other,) = (one for one in VALUES[name] if one != value)
            if name != "thinking" and (name, value) not in QUIET:
                there, _ = asked_and_told(tmp_path, head + spec("sft", metas, {**settings, name: other}))
                assert (here == there) is (name in told), (metas, settings, name)


@pytest.mark.parametrize(("duration", "limit"), [*itertools.product(("20", "200"), ("210", "240", "600"))])
def test_a_longest_duration_beside_a_duration_is_in_no_request(tmp_path: Path, duration: str, limit: str) -> None:
    texts = (f"max_duration = {limit}\n", "")
    metas = {"duration": duration}
    (with_limit, told), (without, _) = (asked_and_told(tmp_path, more + spec("turbo", metas, {})) for more in texts)

    assert with_limit == without
    assert told == {"max_duration"}


def test_a_language_nobody_knows_is_the_one_nobody_names(tmp_path: Path) -> None:
    given, left_out = (
        asked_and_told(tmp_path, spec("turbo", {**METAS, **metas}, {}))[0]
        for metas in ({"vocal_language": '"unknown"'}, {})
    )
    assert given == left_out


def test_seeds_share_the_codes_of_a_greedy_lm(tmp_path: Path) -> None:
    path = tmp_path / "song.toml"
    path.write_text(spec("turbo", {}, {"lm_temperature": "0.0"}).replace("[7]", "[7, 8]"), "utf-8")
    (song,) = load_songs([path]).require()
    one, two = (requests_of(take, zoo.model_facts("turbo"), None) for take in song.takes())

    assert one.codes == two.codes
    assert one.latents != two.latents
