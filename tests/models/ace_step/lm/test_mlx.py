"""The LM on MLX writes what torch's writes; the engine's own suite runs on both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from renderer.artifacts import Codes, Cot
from renderer.errors import ResourceError
from renderer.models.ace_step.lm.decoder import Pass
from renderer.models.ace_step.lm.phases import CodesPhase
from renderer.models.ace_step.planned import numerics
from renderer.pipeline.environment import environment
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from tests.models.ace_step.asks import SAMPLING, codes_request, cot_request, job, load, results

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.ace_step.lm.part import LmPart

SETTINGS = (
    SAMPLING,
    replace(SAMPLING, lm_temperature=0.0),
    replace(SAMPLING, lm_top_k=40, lm_top_p=0.95, lm_cfg_scale=3.0, lm_repetition_penalty=1.1),
    replace(SAMPLING, lm_cfg_scale=1.0),
)


@pytest.fixture(scope="module")
def both(tiny_set: Path) -> tuple[LmPart, LmPart]:
    pytest.importorskip("mlx.core")
    return load(tiny_set, slots=3), load(tiny_set, slots=3, device="mlx")


def logits_of(lm: LmPart) -> np.ndarray:
    """[steps, rows, columns] of one song, led by the tokens that torch draws."""
    loaded: Any = lm._lm
    request = lm._phase(CodesPhase).prepare(job("a", codes_request())).request
    running = Pass(loaded, request.pass_spec, 2)
    running.fill(0, loaded.prefill(request.prompts), request.settings, np.full(request.max_tokens, 0.3, np.float32))
    seen = []
    for _ in range(40):
        running.forward()
        seen.append(running._logits.numpy().copy()[[0, 2]])
        running.draw()
    return np.stack(seen)


def test_logits_are_torchs(both: tuple[LmPart, LmPart]) -> None:
    by_torch, by_mlx = map(logits_of, both)

    assert np.abs(by_torch - by_mlx).max() < 1e-4 * np.abs(by_torch).max()


def test_codes_are_torchs(both: tuple[LmPart, LmPart]) -> None:
    jobs = [
        job(f"{number}.{seed}", codes_request(seed, caption=f"song {number}", sampling=sampling, preview=6.0))
        for number, sampling in enumerate(SETTINGS)
        for seed in (1, 2)
    ]

    by_torch, by_mlx = (results(lm, "codes", jobs) for lm in both)

    assert len(by_torch) == len(jobs)
    for name, found in by_torch.items():
        other = by_mlx[name]
        assert isinstance(found, Codes)
        assert isinstance(other, Codes)
        assert found.codes.tolist() == other.codes.tolist()


@pytest.mark.slow
def test_chains_of_thought_are_torchs(both: tuple[LmPart, LmPart]) -> None:
    jobs = [job(str(seed), cot_request(seed, caption=f"song {seed}", use_cot_caption=False)) for seed in range(4)]

    by_torch, by_mlx = (results(lm, "cot", jobs) for lm in both)

    texts = [[one.text for one in found.values() if isinstance(one, Cot)] for found in (by_torch, by_mlx)]
    assert len(texts[0]) == 4
    assert texts[0] == texts[1]


def test_the_lm_alone_is_on_mlx_and_its_key_tells() -> None:
    pytest.importorskip("mlx.core")

    settings = pick_settings(Options(device="mlx", dtype="float32", threads=1))

    assert settings.of("lm").device == "mlx"
    assert settings.of("dit").device == settings.of("vae").device == settings.device != "mlx"
    assert {part: one.device for part, one in numerics(settings).items()} == {
        **dict.fromkeys(("encoder", "dit", "vae")),
        "lm": "mlx",
    }
    assert "mlx" in environment(settings).versions


def test_without_mlx_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(ResourceError, match="MLX isn't installed") as refused:
        pick_settings(Options(device="mlx"))

    assert "pip install" in refused.value.help
