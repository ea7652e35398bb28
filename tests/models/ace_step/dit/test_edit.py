"""Edits through the denoising loop are what the protocol says, by a reading of it that shares nothing with ours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from renderer.models.ace_step.dit.denoise import Sampling
from renderer.models.ace_step.dit.edit import edit_steps, num_edit_steps
from renderer.models.ace_step.dit.prepare_edit import PreparedEdit
from renderer.models.ace_step.dit.velocity import Conditions
from renderer.models.ace_step.protocol.requests import EditRequest
from tests.models.ace_step import edits_by_hand

if TYPE_CHECKING:
    import numpy.typing as npt

FRAMES, CHANNELS = 140, 6
TIMES = (1.0, 0.9, 0.75, 0.5, 0.3)
TEXTS = {"task": 0.0, "text2music": 0.3, "source": -0.4}
RANDOM = np.random.default_rng(5)
SOURCE, SILENCE, NOISE = (RANDOM.standard_normal((FRAMES, CHANNELS)) for _ in range(3))
MIXED = RANDOM.standard_normal((2 * CHANNELS, CHANNELS)) / 4


def velocity(x: Any, time: float, context: Any, text: str) -> Any:
    """Of latents, context, time and text, so that none can be left out; the same in numpy and torch."""
    return 0.7 * x + 0.2 * time + context @ _like(context, MIXED) + TEXTS[text]


def _like(context: Any, values: npt.NDArray[np.float64]) -> Any:
    return torch.from_numpy(values).to(context) if isinstance(context, torch.Tensor) else values


@dataclass(frozen=True)
class SmallDit:
    """A DiT of one formula."""

    def velocity(self, conditions: Conditions) -> Any:
        text = next(name for name, value in TEXTS.items() if abs(value - float(conditions.encoded.flatten()[0])) < 1e-6)
        return lambda latents, time: velocity(latents, time, conditions.context, text)


def _tensor(values: npt.NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values).float()[None]


def _conditions(text: str, followed: npt.NDArray[np.float64]) -> Conditions:
    source = _tensor(followed)
    encoded = torch.full((1, 1, 1), TEXTS[text])
    return Conditions(encoded=encoded, null=encoded, context=torch.cat([source, torch.ones_like(source)], dim=-1))


def _edited(
    request: EditRequest, windows: tuple[tuple[int, int], ...], *, seed: int = 3, turbo: bool = True
) -> npt.NDArray[np.float64]:
    other = {"morph": "source"}.get(request.task, "text2music")
    needs_other = request.task == "morph" or request.audio_cover_strength < 1
    edit = PreparedEdit(
        request=request,
        source=_tensor(SOURCE),
        silence=_tensor(SILENCE),
        windows=windows,
        other=_conditions(other, SILENCE) if needs_other else None,
    )
    sampling = Sampling(
        timesteps=TIMES, guidance_scale=1.0, interval=(0.0, 1.0), stochastic=False, last_is_held=not turbo
    )
    generator = torch.Generator().manual_seed(seed)
    conditions = _conditions("task", SILENCE if request.task == "morph" else SOURCE)
    steps = list(edit_steps(SmallDit(), conditions, edit, _tensor(NOISE), sampling, generator))
    assert len(steps) == num_edit_steps(edit, sampling)
    found: npt.NDArray[np.float64] = steps[-1][0].double().numpy()
    return found


MODES = [("aggressive", 0.5), ("conservative", 0.5), *(("balanced", one) for one in (0.0, 0.3, 0.5, 1.0))]
WINDOWS = [(40, 60), (0, 30), (100, FRAMES), (10, 120), (0, FRAMES)]


@pytest.mark.parametrize("turbo", [True, False])
@pytest.mark.parametrize(("task", "mode", "mask"), list(product(("repaint", "lego"), MODES, ("auto", "explicit"))))
def test_a_window_is_made_anew_as_the_protocol_says(
    task: str, mode: tuple[str, float], mask: Any, *, turbo: bool
) -> None:
    request: Any = EditRequest(task=task, repaint_mode=mode[0], repaint_strength=mode[1], chunk_mask_mode=mask)
    for window in WINDOWS:
        asked = edits_by_hand.one_pass(
            velocity, NOISE, SOURCE, SILENCE, [*TIMES, 0.0],
            task=task, window=window, mode=mode[0], strength=mode[1], mask_mode=mask, turbo=turbo,
        )  # fmt: skip
        assert np.abs(_edited(request, (window,), turbo=turbo) - asked).max() < 1e-5


@pytest.mark.parametrize("task", ["cover-nofsq", "extract", "complete", "lego"])
@pytest.mark.parametrize(("strength", "noise"), list(product((1.0, 0.6, 0.0), (0.0, 0.3, 0.8))))
def test_a_whole_source_is_followed_as_the_protocol_says(task: str, strength: float, noise: float) -> None:
    request = EditRequest(task=task, audio_cover_strength=strength, cover_noise_strength=noise)
    asked = edits_by_hand.one_pass(
        velocity, NOISE, SOURCE, SILENCE, [*TIMES, 0.0], task=task, cover_strength=strength, cover_noise=noise
    )
    assert np.abs(_edited(request, ()) - asked).max() < 1e-5


@pytest.mark.parametrize(("n_min", "n_max", "n_avg"), [(0.0, 1.0, 1), (0.2, 0.6, 3), (0.6, 1.0, 2), (0.0, 0.0, 1)])
def test_a_morph_goes_the_way_of_the_protocol(n_min: float, n_max: float, n_avg: int) -> None:
    request = EditRequest(task="morph", flow_edit_n_min=n_min, flow_edit_n_max=n_max, flow_edit_n_avg=n_avg)
    generator = torch.Generator().manual_seed(3)
    draws = (torch.randn((1, FRAMES, CHANNELS), generator=generator)[0].double().numpy() for _ in range(99))
    asked = edits_by_hand.morphed(
        velocity, draws, SOURCE, SILENCE, [*TIMES, 0.0], n_min=n_min, n_max=n_max, n_avg=n_avg
    )
    assert np.abs(_edited(request, ()) - asked).max() < 1e-5


def test_a_second_window_starts_from_what_the_first_one_made() -> None:
    request = EditRequest(task="repaint", repaint_mode="conservative")
    first, both = _edited(request, ((20, 40),)), _edited(request, ((20, 40), (90, 110)))
    assert np.abs(both - first)[: 90 - 25].max() == 0.0
    assert np.abs(both - first)[90:110].min() > 0.0


def test_what_lies_outside_of_a_window_and_its_ramp_is_the_sources() -> None:
    made = _edited(EditRequest(task="repaint", repaint_strength=0.5), ((60, 80),))
    kept = np.r_[: 60 - 12, 80 + 12 : FRAMES]
    assert np.array_equal(made[kept], SOURCE[kept].astype(np.float32).astype(float))
