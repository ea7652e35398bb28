"""What only a CUDA device can show: graphs, pinned reading, kernels. `pytest -m gpu` on a machine with one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from renderer.models.ace_step import fused_dit
from renderer.models.ace_step.checkpoint import find_component
from renderer.models.ace_step.fused_dit import FusedDit
from renderer.models.ace_step.parts import AceStep
from renderer.models.ace_step.plain_dit import PlainDit
from renderer.models.family import Done, Part, Stage, StageJob
from renderer.models.zoo import resolve
from tests.models.ace_step.layouts import write_bundle
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_fused_dit import conditions, transformer
from tests.models.ace_step.test_parts import CODES, REQUEST, SETTINGS, latents_job

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gpu
CUDA = replace(SETTINGS, device="cuda:0", vae_tile=1_024, vae_overlap=16)


def on_gpu(value: Any) -> Any:
    return replace(value, **{name: getattr(value, name).cuda().bfloat16() for name in ("encoded", "null", "context")})


@pytest.mark.parametrize("rows", [1, 2])
@torch.no_grad()
def test_a_graph_computes_what_its_operations_compute_one_by_one(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dit = FusedDit(transformer(0).cuda().bfloat16())
    heard = on_gpu(conditions(333))
    latents = torch.randn((rows, 333, 8), device="cuda", dtype=torch.bfloat16)
    times = (1.0, 0.7, 0.4, 0.1)

    with monkeypatch.context() as patched:
        patched.setattr(fused_dit, "GRAPH_PATCHES", 0)
        one_by_one = dit.velocity(heard)
        expected = [one_by_one(latents * time, time) for time in times]
    graphed = dit.velocity(heard)
    found = [graphed(latents * time, time) for time in times]

    assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True))


@torch.no_grad()
def test_fused_is_as_close_to_float32_as_plain_is() -> None:
    exact = PlainDit(transformer(0).cuda()).velocity(replace_float(conditions(333)))
    latents = torch.randn((1, 333, 8), device="cuda")
    truth = exact(latents, 0.7)
    errors = {
        make: (
            make(transformer(0).cuda().bfloat16()).velocity(on_gpu(conditions(333)))(latents.bfloat16(), 0.7) - truth
        )
        .abs()
        .max()
        for make in (PlainDit, FusedDit)
    }

    assert errors[FusedDit] < 2 * errors[PlainDit]


def replace_float(value: Any) -> Any:
    return replace(value, **{name: getattr(value, name).cuda() for name in ("encoded", "null", "context")})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_pinned_reading_brings_the_bytes_of_the_file(tiny_set: Path, tmp_path: Path, dtype: str) -> None:
    files = resolve(str(write_bundle(tiny_set, tmp_path / "bundle", num_shards=3))).files
    assert files is not None
    for name in ("dit", "condition_encoder", "audio_tokenizer", "text_encoder", "vae"):
        staged, mapped = (
            find_component(files, name).load(dtype=dtype, device=torch.device(device), listener=Heard()).state_dict()
            for device in ("cuda:0", "cpu")
        )
        assert staged.keys() == mapped.keys()
        assert all(torch.equal(staged[key].cpu(), mapped[key]) for key in mapped)


def test_a_take_alone_and_in_a_batch_are_the_same_bits(tiny_set: Path) -> None:
    files = resolve(str(tiny_set)).files
    assert files is not None
    part = AceStep().load(Part.DIT, files, CUDA, Heard())
    jobs = [
        replace(latents_job(replace(REQUEST, seed=seed, caption="a " * seed), CODES), id=str(seed))
        for seed in (1, 2, 3)
    ]

    together = {result.id: result for result in part.run(Stage.LATENTS, jobs, Heard())}
    for job in jobs:
        (alone,) = part.run(Stage.LATENTS, [job], Heard())
        assert isinstance(alone, Done)
        assert np.array_equal(alone.artifact.frames, together[job.id].artifact.frames)
    part.close()


def test_a_waveform_repeats_bit_for_bit(tiny_set: Path) -> None:
    from renderer.requests import WaveformRequest
    from tests.models.ace_step.test_vae import latents

    files = resolve(str(tiny_set)).files
    assert files is not None
    part = AceStep().load(Part.VAE, files, CUDA, Heard())
    job = StageJob(id="take", request=WaveformRequest(duration=None), upstream={Stage.LATENTS: latents(3_000)})

    first, second = (next(part.run(Stage.WAVEFORM, [job], Heard())) for _ in range(2))

    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert np.array_equal(first.artifact.samples, second.artifact.samples)
    part.close()
