"""The DiT's loop against a straight-line reading of the protocol, and against diffusers' own call where both agree."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from renderer.artifacts import Codes
from renderer.errors import StageError
from renderer.models.ace_step.dit import denoise
from renderer.models.ace_step.dit.conditions import ConditionCache, hints
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.ace_step.protocol.dit_prompt import make_dit_prompt
from renderer.models.catalog.zoo import resolve
from renderer.models.stage_job import Done
from tests.models.ace_step import straight_line
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import REQUEST, SETTINGS, asked_of_pipeline, latents_job, load_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.ace_step.protocol.requests import LatentsRequest

BUGGY_COUNTS = (11, 83, 161, 225)
"""Among them those whose latent length diffusers' own pipeline miscounts."""
COUNTS = (*BUGGY_COUNTS, *range(20, 164, 4))
MODES: dict[str, tuple[str, dict[str, Any]]] = {
    "turbo ode": ("turbo", {}),
    "turbo sde": ("turbo", {"infer_method": "sde"}),
    "turbo shift 1": ("turbo", {"shift": 1.0}),
    "base": ("base", {"inference_steps": 5}),
    "base sde": ("base", {"inference_steps": 5, "infer_method": "sde", "shift": 1.0}),
    "base guided": ("base", {"inference_steps": 5, "guidance_scale": 7.0}),
    "base guided sde": ("base", {"inference_steps": 5, "guidance_scale": 7.0, "infer_method": "sde", "shift": 2.0}),
}

DCW: dict[str, Any] = {"dcw_enabled": True, "dcw_mode": "double", "dcw_scaler": 0.05, "dcw_high_scaler": 0.02}
EXTRAS: dict[str, tuple[str, dict[str, Any]]] = {
    "turbo one step": ("turbo", {"inference_steps": 1}),
    "turbo five steps": ("turbo", {"inference_steps": 5, "shift": 2.5}),
    "turbo wide shift": ("turbo", {"inference_steps": 7, "shift": 9.5}),
    "turbo narrow shift": ("turbo", {"shift": 0.4}),
    "turbo dcw": ("turbo", DCW),
    "turbo dcw sde": ("turbo", {**DCW, "infer_method": "sde"}),
    "turbo dcw low": ("turbo", {**DCW, "dcw_mode": "low", "dcw_scaler": 0.3, "dcw_high_scaler": None}),
    "turbo dcw high": ("turbo", {**DCW, "dcw_mode": "high", "dcw_scaler": 0.3, "dcw_high_scaler": None}),
    "turbo dcw pix": ("turbo", {**DCW, "dcw_mode": "pix", "dcw_scaler": -0.1, "dcw_high_scaler": None}),
    "turbo heun": ("turbo", {"sampler_mode": "heun"}),
    "turbo heun one step": ("turbo", {"sampler_mode": "heun", "inference_steps": 1}),
    "turbo heun dcw": ("turbo", {**DCW, "sampler_mode": "heun", "inference_steps": 4}),
    "turbo retake": ("turbo", {"retake_seed": 77, "retake_variance": 0.3}),
    "turbo all retake": ("turbo", {"retake_seed": 77, "retake_variance": 1.0}),
    "turbo retake sde": ("turbo", {"retake_seed": 77, "retake_variance": 0.3, "infer_method": "sde"}),
    "base guided dcw": ("base", {**DCW, "inference_steps": 5, "guidance_scale": 7.0}),
    "base heun": ("base", {"inference_steps": 4, "sampler_mode": "heun"}),
    "base guided heun": ("base", {"inference_steps": 4, "guidance_scale": 5.0, "sampler_mode": "heun", "shift": 1.0}),
    "base guided heun interval": (
        "base",
        {
            "inference_steps": 5,
            "guidance_scale": 5.0,
            "sampler_mode": "heun",
            "cfg_interval_start": 0.4,
            "cfg_interval_end": 0.8,
        },
    ),
}
"""What upstream does and diffusers doesn't."""
SAME_AS_PLAIN = {name for name in EXTRAS if name.endswith(("step", "steps", "shift"))}
"""Steps and shift alone change nothing more; a single step of turbo's has no second look."""


@pytest.fixture(scope="module")
def base_set(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny set as a base checkpoint: the same weights, not distilled."""
    folder = tmp_path_factory.mktemp("models") / "base"
    shutil.copytree(tiny_set, folder)
    path = folder / "transformer" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "is_turbo": False, "model_version": "base"}))
    return folder


@pytest.fixture(scope="module")
def loaded(tiny_set: Path, base_set: Path) -> dict[str, Any]:
    parts = {}
    for kind, folder in (("turbo", tiny_set), ("base", base_set)):
        files = resolve(str(folder)).files
        assert files is not None
        assert files.kind == kind
        parts[kind] = AceStepLoader().load("dit", files, SETTINGS, Heard())
    return parts


@pytest.fixture(scope="module")
def pipelines(tiny_set: Path, base_set: Path) -> dict[str, Any]:
    return {"turbo": load_pipeline(tiny_set), "base": load_pipeline(base_set)}


def some_codes(count: int) -> Codes:
    return Codes(codes=np.random.default_rng(count).integers(0, 1000, count).astype(np.int32))


def ours(part: Any, request: LatentsRequest, codes: Codes | None) -> np.ndarray:
    (result,) = part.latents([latents_job(request, codes)], Heard())
    assert isinstance(result, Done), result
    return result.artifact.frames


def read_straight(
    part: Any, request: LatentsRequest, codes: Codes, times: list[float], *, turbo: bool = False
) -> np.ndarray:
    dit_prompt = make_dit_prompt(request, None, codes)
    cache = ConditionCache(part.encoders(Heard()))
    conditions = cache.conditions(dit_prompt.text, dit_prompt.lyrics, hints(cache.encoders, codes.codes))
    transformer = part.dit(Heard()).transformer
    generator = torch.Generator("cpu").manual_seed(request.seed)
    shape = (1, 5 * len(codes.codes), 8)
    noise, *fresh = (torch.randn(shape, generator=generator)[0].double().numpy() for _ in range(len(times)))
    if request.retake_seed is not None:
        other = (
            torch.randn(shape, generator=torch.Generator("cpu").manual_seed(request.retake_seed))[0].double().numpy()
        )
        noise = straight_line.retaken(noise, other, request.retake_variance)

    @torch.no_grad()
    def velocity(x: np.ndarray, t: float, conditioned: bool) -> np.ndarray:
        time = torch.tensor([t])
        heard = conditions.encoded if conditioned else conditions.null.expand_as(conditions.encoded)
        return (
            transformer(
                hidden_states=torch.from_numpy(x)[None].float(),
                timestep=time,
                timestep_r=time,
                encoder_hidden_states=heard,
                context_latents=conditions.context,
            )
            .sample[0]
            .double()
            .numpy()
        )

    return straight_line.sample(
        velocity,
        noise,
        times,
        scale=request.guidance_scale,
        interval=(request.cfg_interval_start, request.cfg_interval_end),
        fresh_noise=fresh if request.infer_method == "sde" else None,
        # Turbo goes to the end without a second look.
        heun_steps=0 if request.sampler_mode == "euler" else len(times) - (2 if turbo else 1),
        dcw=(request.dcw_mode, request.dcw_scaler or 0.0, request.dcw_high_scaler or 0.0) if request.dcw_mode else None,
    )


def of_pipeline(
    pipeline: Any, request: LatentsRequest, codes: Codes | None, num_frames: int, **changes: Any
) -> np.ndarray:
    from diffusers import FlowMatchEulerDiscreteScheduler

    stochastic = request.infer_method == "sde"
    pipeline.scheduler = FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1, shift=1.0, stochastic_sampling=stochastic
    )
    asked = {**asked_of_pipeline(request, codes, num_frames), **changes}
    # Its stochastic sampling draws from the global generator: leave that where ours is after the first noise.
    torch.manual_seed(request.seed)
    torch.randn(asked["latents"].shape)
    return pipeline(**asked, output_type="latent").audios[0].numpy()


def counts_of(mode: str) -> tuple[int, ...]:
    """Those that diffusers miscounts, and a mode's share of the others."""
    return (*BUGGY_COUNTS, *COUNTS[len(BUGGY_COUNTS) + list(MODES).index(mode) :: len(MODES)])


def test_forty_counts_are_looked_at() -> None:
    assert len({count for mode in MODES for count in counts_of(mode)}) == 40


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_the_loop_is_what_the_protocol_says(loaded: dict[str, Any], mode: str) -> None:
    kind, changes = MODES[mode]
    request = replace(REQUEST, **changes)
    for count in counts_of(mode):
        codes = some_codes(count)
        expected = read_straight(
            loaded[kind], request, codes, straight_line.schedule(request.inference_steps, request.shift)
        )
        found = ours(loaded[kind], request, codes)
        assert found.shape == (5 * count, 8)
        assert np.abs(found - expected).max() < 1e-5 * max(1.0, np.abs(expected).max()), count


@pytest.mark.slow
@pytest.mark.parametrize("mode", EXTRAS)
@pytest.mark.parametrize("count", [24, 25])
def test_what_diffusers_lacks_is_what_the_protocol_says(loaded: dict[str, Any], mode: str, count: int) -> None:
    kind, changes = EXTRAS[mode]
    request, codes = replace(REQUEST, **changes), some_codes(count)
    times = straight_line.schedule(request.inference_steps, request.shift)

    expected = read_straight(loaded[kind], request, codes, times, turbo=kind == "turbo")
    found = ours(loaded[kind], request, codes)

    assert np.abs(found - expected).max() < 1e-5 * max(1.0, np.abs(expected).max())
    plain = replace(
        REQUEST, inference_steps=request.inference_steps, shift=request.shift, guidance_scale=request.guidance_scale
    )
    assert np.array_equal(found, ours(loaded[kind], plain, codes)) is (mode in SAME_AS_PLAIN)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_the_loop_equals_diffusers_own_call_bit_for_bit(
    loaded: dict[str, Any], pipelines: dict[str, Any], mode: str
) -> None:
    kind, changes = MODES[mode]
    request = replace(REQUEST, **changes)
    for count in counts_of(mode):
        codes = some_codes(count)
        expected = of_pipeline(pipelines[kind], request, codes, 5 * count)
        assert np.array_equal(ours(loaded[kind], request, codes), expected), count


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.6), (0.5, 1.0), (0.4, 0.8)])
def test_the_guidance_interval_counts_in_upstreams_direction(
    loaded: dict[str, Any], pipelines: dict[str, Any], start: float, end: float
) -> None:
    request = replace(
        REQUEST, inference_steps=6, guidance_scale=5.0, cfg_interval_start=start, cfg_interval_end=end, shift=1.0
    )
    codes = some_codes(20)

    found = ours(loaded["base"], request, codes)

    straight = read_straight(loaded["base"], request, codes, straight_line.schedule(6, 1.0))
    assert np.abs(found - straight).max() < 1e-4
    # diffusers counts from the other end.
    turned = {"cfg_interval_start": 1 - end, "cfg_interval_end": 1 - start}
    assert np.array_equal(found, of_pipeline(pipelines["base"], request, codes, 100, **turned))
    everywhere = replace(request, cfg_interval_start=0.0, cfg_interval_end=1.0)
    assert not np.array_equal(found, ours(loaded["base"], everywhere, codes))


def test_guidance_does_nothing_on_turbo(loaded: dict[str, Any]) -> None:
    codes = some_codes(20)

    guided = ours(loaded["turbo"], replace(REQUEST, guidance_scale=7.0), codes)

    assert np.array_equal(guided, ours(loaded["turbo"], REQUEST, codes))


def test_custom_timesteps_are_followed_as_written_on_base(loaded: dict[str, Any], pipelines: dict[str, Any]) -> None:
    request = replace(REQUEST, timesteps=(1.0, 0.7, 0.3, 0.0, 0.0))
    codes = some_codes(20)

    found = ours(loaded["base"], request, codes)

    # diffusers would run the zeros, too: twice nothing.
    expected = of_pipeline(pipelines["base"], replace(request, timesteps=(1.0, 0.7, 0.3)), codes, 100)
    assert np.array_equal(found, expected)
    straight = read_straight(loaded["base"], request, codes, [1.0, 0.7, 0.3, 0.0])
    assert np.abs(found - straight).max() < 1e-5 * np.abs(straight).max()


def test_custom_timesteps_on_turbo_move_to_those_it_was_distilled_on() -> None:
    asked = (0.99, 0.93, 0.72, 0.61, 0.26, 0.0)

    assert denoise.snap_to_turbo(denoise.custom_timesteps(asked)) == pytest.approx(
        (1.0, 14 / 15, 0.75, 0.625, 0.25), abs=1e-7
    )
    assert denoise.snap_to_turbo((0.3, 0.3)) == pytest.approx((0.3, 0.3), abs=1e-7)


@pytest.mark.parametrize("asked", [(), (0.0, 0.0), (1.2, 0.5), (0.5, -0.1), tuple([0.5] * 21)])
def test_timesteps_that_can_not_be_run_are_refused(asked: tuple[float, ...]) -> None:
    with pytest.raises(StageError, match="these timesteps can't be run"):
        denoise.custom_timesteps(asked)


def test_a_doubled_first_timestep_runs_twice(loaded: dict[str, Any]) -> None:
    request = replace(REQUEST, timesteps=(0.9, 0.9, 0.5))
    codes = some_codes(20)

    straight = read_straight(loaded["base"], request, codes, [0.9, 0.9, 0.5, 0.0])

    assert np.abs(ours(loaded["base"], request, codes) - straight).max() < 1e-5 * np.abs(straight).max()


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (1.0, [1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        (2.0, [1.0, 0.933333, 0.857143, 0.769231, 0.666667, 0.545455, 0.4, 0.222222]),
        (3.0, [1.0, 0.954545, 0.9, 0.833333, 0.75, 0.642857, 0.5, 0.3]),
    ],
)
def test_turbos_steps_are_the_table_it_was_distilled_on(shift: float, expected: list[float]) -> None:
    assert denoise.turbo_timesteps(8, shift) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("schedule", [denoise.turbo_timesteps, denoise.shifted_timesteps])
@pytest.mark.parametrize("shift", [0.05, 0.4, 1.0, 2.5, 3.0, 7.3, 10.0])
@pytest.mark.parametrize("num_steps", [1, 2, 3, 5, 7, 8, 50])
def test_every_shift_bends_every_number_of_steps(schedule: Any, shift: float, num_steps: int) -> None:
    expected = straight_line.schedule(num_steps, shift)[:-1]

    assert schedule(num_steps, shift) == pytest.approx(expected, abs=1e-6)
    # Not beside it, as float32 would have it at 0.4: guidance ends at 1.
    assert schedule(num_steps, shift)[0] == 1.0
    if schedule is denoise.turbo_timesteps:
        assert schedule(num_steps, shift) == tuple(np.float32(expected).tolist())


@pytest.mark.parametrize("schedule", [denoise.turbo_timesteps, denoise.shifted_timesteps])
def test_the_smallest_shift_there_is_begins_with_noise_and_is_a_number(schedule: Any) -> None:
    times = schedule(8, 1e-300)

    assert times[0] == 1.0
    assert all(0.0 <= time <= 1.0 for time in times)
