"""What only a CUDA device can show: graphs, pinned reading, kernels, the LM's draws.

On a machine with one: `pytest -m gpu tests/models/ace_step/test_gpu.py tests/models/ace_step/lm/test_engine.py`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from renderer.artifacts import Cot
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.dit import denoise
from renderer.models.ace_step.dit import fused as fused_dit
from renderer.models.ace_step.dit.attention import BlockAttention, VarlenAttention
from renderer.models.ace_step.dit.dcw import Dcw, apply_dcw
from renderer.models.ace_step.dit.denoise import Sampling
from renderer.models.ace_step.dit.fused import FusedDit
from renderer.models.ace_step.dit.plain import PlainDit
from renderer.models.ace_step.lm import sampling
from renderer.models.ace_step.lm.decoder import Pass
from renderer.models.ace_step.lm.part import LmPart
from renderer.models.ace_step.lm.phases import CotPhase
from renderer.models.ace_step.lm.prefill import EagerPrompts, Prefill
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.ace_step.protocol.metas import parse_cot
from renderer.models.ace_step.protocol.requests import TimestampsRequest
from renderer.models.ace_step.vae.sound import checked_peak, scale_to_peak
from renderer.models.catalog.zoo import resolve
from renderer.models.device import LM_PROMPT_BUCKET, missing_for_triton, to_host
from renderer.models.kernels.attention import AdditiveMask, VarlenMeta, grouped_attention
from renderer.models.kernels.cuda_graph import eager, record
from renderer.models.kernels.elementwise import elementwise
from renderer.models.stage_job import Done, StageJob
from tests.models.ace_step.asks import OPEN, SAMPLING, cot_request, job, latents_request, load, results
from tests.models.ace_step.dit.test_fused import conditions, transformer
from tests.models.ace_step.layouts import write_bundle
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.lm.test_engine import codes_of, songs
from tests.models.ace_step.operations import one_matrix_a_take
from tests.models.ace_step.test_parts import CODES, REQUEST, SETTINGS, latents_job
from tests.pipeline.test_timestamps import hearing_set

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.kernels.attention import RowMask

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
CUDA = replace(SETTINGS, device="cuda:0", vae_tile=1_024, vae_overlap=16)
DCW = Dcw(mode="double", scaler=0.05, high_scaler=0.02)
BLOCKWISE, FLASH = (partial(FusedDit, attention=way.of) for way in (BlockAttention, VarlenAttention))
TRITON = partial(FLASH, elementwise=elementwise(by_triton=True)) if not missing_for_triton() else FLASH
TEXT_COLUMNS = 151_669  # of the published LMs


def one_by_one(lm: LmPart) -> LmPart:
    """The same weights, every operation launched by itself."""
    assert lm._lm is not None
    prefill = Prefill(EagerPrompts(lm._lm.model.model), prompt_bucket=LM_PROMPT_BUCKET)
    return LmPart(replace(lm._lm, launch=eager, steps_ahead=1, prefill=prefill), lm._tokens, lm._lm_slots)


def thoughts(count: int) -> list[StageJob]:
    """Chains of thought that differ in what is given, in length and in how they are drawn."""
    return [
        job(
            f"song {number}",
            cot_request(
                number,
                caption=f"{'slow ' * (number % 7)}piano",
                metas=replace(OPEN, bpm=90 if number % 3 else None, duration=30 if number % 2 else None),
                use_cot_caption=number % 4 == 0,
                sampling=replace(
                    SAMPLING,
                    lm_temperature=0.5 + number % 3 / 2,
                    lm_top_p=(0.9, 0.5, 1.0)[number % 3],
                    lm_top_k=number % 2 * 40,
                    lm_repetition_penalty=1.0 + number % 4 / 10,
                    lm_cfg_scale=1.0 + number % 2,
                ),
            ),
        )
        for number in range(count)
    ]


def texts(lm: LmPart, jobs: list[StageJob]) -> dict[str, str]:
    found: dict[str, Any] = results(lm, "cot", jobs)
    assert all(isinstance(result, Cot) for result in found.values()), found
    return {name: result.text for name, result in found.items()}


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_chain_of_thought_is_the_same_alone_in_a_batch_and_without_graphs(tiny_set: Path, dtype: str) -> None:
    lm, jobs = load(tiny_set, slots=4, dtype=dtype, device="cuda:0"), thoughts(12)

    together = texts(lm, jobs)

    assert texts(lm, jobs[::-1]) == together
    assert texts(one_by_one(lm), jobs) == together
    for one in jobs[::5]:
        assert texts(lm, [one]) == {one.id: together[one.id]}
    for one in jobs:
        assert together[one.id].startswith("<think>\nbpm: ")
        metas = parse_cot(together[one.id])
        assert None not in {metas.bpm, metas.duration, metas.keyscale, metas.timesignature, metas.language}
    assert {parse_cot(together[one.id]).bpm for one in jobs if int(one.id[5:]) % 3} == {90}


def test_a_recording_that_holds_nothing_is_an_error() -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    with pytest.raises(UserWarning, match="empty"):
        record(lambda: None, device)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one CUDA device")
@pytest.mark.parametrize("stage", ["cot", "codes"])
def test_a_second_gpu_draws_what_the_first_does(tiny_set: Path, stage: str) -> None:
    jobs = thoughts(6) if stage == "cot" else songs(6)
    first, second = (
        results(load(tiny_set, slots=4, dtype="bfloat16", device=device), stage, jobs)
        for device in ("cuda:0", "cuda:1")
    )

    assert {name: told(result) for name, result in first.items()} == {
        name: told(result) for name, result in second.items()
    }


def told(result: Any) -> object:
    return result.text if isinstance(result, Cot) else result.codes.tolist()


def test_codes_are_the_same_with_and_without_graphs(tiny_set: Path) -> None:
    lm, jobs = load(tiny_set, slots=4, dtype="bfloat16", device="cuda:0"), songs(12)

    together = codes_of(lm, jobs)

    assert len(together) == 12
    assert codes_of(one_by_one(lm), jobs) == together


def test_recorded_prompts_outlive_the_graphs_that_come_and_go(tiny_set: Path) -> None:
    """Graphs of one stream would share cuBLAS's working memory, which goes with the first of them."""
    lm, jobs = load(tiny_set, slots=4, dtype="bfloat16", device="cuda:0"), songs(12)
    first = codes_of(lm, jobs)

    for _ in range(3):
        texts(lm, thoughts(4))
        torch.cuda.empty_cache()
        assert codes_of(lm, jobs[::-1]) == first


@torch.inference_mode()
def test_rows_attend_by_varlen_to_what_they_attend_to_under_a_mask() -> None:
    """Each row at its own place, others' garbage beyond it; rows apart don't change one bit."""
    groups, length = 2, 384
    positions = torch.tensor([0, 5, 127, 128, 200, 383], device="cuda")
    generator = torch.Generator("cuda").manual_seed(1)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device="cuda", dtype=torch.bfloat16)

    query, keys, values = (drawn(6, 16, 1, 128), *(drawn(6, length, 8, 128).transpose(1, 2) for _ in range(2)))
    beyond = torch.arange(length, device="cuda") > positions.unsqueeze(-1)
    mask = torch.zeros(6, length, device="cuda").masked_fill(beyond, -torch.inf)[:, None, None]

    def heard(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, how: RowMask) -> torch.Tensor:
        return grouped_attention(torch.nn.Identity(), query, keys, values, how, 128**-0.5)[0]

    truth = heard(query.float(), keys.float(), values.float(), AdditiveMask(values=mask))
    masked = heard(query, keys, values, AdditiveMask(values=mask.bfloat16()))
    ragged = heard(query, keys, values, VarlenMeta.of(positions, length, groups))

    assert (ragged - truth).abs().max() < 2 * (masked - truth).abs().max()
    for row in range(6):
        one = slice(row, row + 1)
        alone = heard(query[one], keys[one], values[one], VarlenMeta.of(positions[one], length, groups))
        assert torch.equal(alone, ragged[one])


def test_the_masks_on_the_device_are_the_last_ones_sent(tiny_set: Path) -> None:
    """Sent faster than the device takes them: what a copy was overtaken by comes after it."""
    lm = load(tiny_set, slots=4, dtype="bfloat16", device="cuda:0")
    spec = lm._phase(CotPhase).prepare(thoughts(1)[0]).request.pass_spec
    with torch.inference_mode():
        running = Pass(lm._lm, spec, 4)  # type: ignore[arg-type]
        drawn = np.random.default_rng(1)
        busy = torch.randn((4_096, 4_096), device="cuda")
        for _ in range(20):
            packed = drawn.integers(-(2**31), 2**31, (4, spec.logit_slice.num_words), dtype=np.int64).astype(np.int32)
            temperatures = drawn.uniform(0, 2, 4).astype(np.float32)
            busy = busy @ busy
            running.set_mask(packed)
            running.set_temperatures(temperatures.tolist())

        bits = np.unpackbits(packed.view(np.uint8), bitorder="little").reshape(4, -1)[:, : spec.logit_slice.columns]
        assert np.array_equal(running._banned.cpu().numpy(), bits == 0)
        assert running._temperature.squeeze(1).tolist() == temperatures.tolist()


def test_top_p_keeps_what_it_keeps_on_a_cpu_and_repeats_bit_for_bit() -> None:
    logits = torch.randn((8, TEXT_COLUMNS), generator=torch.Generator().manual_seed(1)) * 3
    top_p = torch.tensor([0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.0, 1.0]).unsqueeze(-1)

    kept = sampling.keep_nucleus(logits, top_p)
    found, again = (sampling.keep_nucleus(logits.cuda(), top_p.cuda()).cpu() for _ in range(2))

    assert torch.equal(found, again)
    # Sums in another order may move the crossing by a few columns that hardly weigh anything.
    moved = kept.isfinite() != found.isfinite()
    assert (logits.softmax(-1) * moved).sum(-1).max() < 1e-3
    assert torch.equal(found[6:], logits[6:])


def test_draws_point_at_the_columns_they_point_at_on_a_cpu() -> None:
    logits = torch.randn((1, TEXT_COLUMNS), generator=torch.Generator().manual_seed(2)) * 4
    logits = sampling.keep_nucleus(logits, torch.tensor([[0.9]]))
    uniform = torch.from_numpy(sampling.uniforms(3, 1, 2_000)).unsqueeze(-1)
    told = torch.full_like(uniform, 0.85)

    on_cpu = sampling.draw(logits.expand(2_000, -1)[:500], told[:500], uniform[:500])
    one_by_one = torch.cat(
        [sampling.draw(logits.cuda(), told[:1].cuda(), part.cuda().view(1, 1)).cpu() for part in uniform[:500]]
    )
    together = sampling.draw(logits.cuda().expand(500, -1), told[:500].cuda(), uniform[:500].cuda()).cpu()

    assert (on_cpu == together).float().mean() > 0.99
    assert (one_by_one == together).float().mean() > 0.99
    assert logits[0, together.squeeze(1)].isfinite().all()
    greedy = sampling.draw(logits.cuda(), torch.zeros((1, 1), device="cuda"), uniform[:1].cuda())
    assert greedy.item() == logits.argmax()


def on_gpu(value: Any) -> Any:
    return replace(value, **{name: getattr(value, name).cuda().bfloat16() for name in ("encoded", "null", "context")})


@pytest.mark.parametrize("rows", [1, 2])
@torch.no_grad()
def test_a_graph_computes_what_its_operations_compute_one_by_one(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dit = TRITON(transformer(0).cuda().bfloat16())
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


SAMPLINGS = {
    "dcw": Sampling(
        timesteps=denoise.turbo_timesteps(8, 3.0), guidance_scale=1.0, interval=(0.0, 1.0), stochastic=False, dcw=DCW
    ),
    "dcw sde": Sampling(
        timesteps=denoise.turbo_timesteps(5, 2.5), guidance_scale=1.0, interval=(0.0, 1.0), stochastic=True, dcw=DCW
    ),
    "heun dcw": Sampling(
        timesteps=denoise.turbo_timesteps(4, 1.0),
        guidance_scale=1.0,
        interval=(0.0, 1.0),
        stochastic=False,
        averaged_steps=3,
        dcw=DCW,
    ),
    "guided heun dcw": Sampling(
        timesteps=denoise.shifted_timesteps(5, 1.0),
        guidance_scale=5.0,
        interval=(0.3, 1.0),
        stochastic=False,
        averaged_steps=5,
        dcw=replace(DCW, mode="high", high_scaler=0.0),
    ),
}


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS.keys())
@pytest.mark.parametrize("num_frames", [332, 333])
@torch.no_grad()
def test_corrected_steps_are_the_same_bits_as_graphs_and_as_operations(
    sampling: Sampling, num_frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dit = TRITON(transformer(0).cuda().bfloat16())
    heard = on_gpu(conditions(num_frames))
    noise = denoise.initial_noise(num_frames, 8, torch.Generator().manual_seed(1)).cuda().bfloat16()

    def steps(sampling: Sampling) -> list[torch.Tensor]:
        # One length after another: each has its recording made anew.
        dit._length = None
        return list(denoise.denoise(dit.velocity(heard), noise, sampling, torch.Generator().manual_seed(2)))

    with monkeypatch.context() as patched:
        patched.setattr(fused_dit, "GRAPH_PATCHES", 0)
        one_by_one = steps(sampling)
    graphed = steps(sampling)

    assert len(graphed) == len(sampling.timesteps)
    assert all(torch.equal(*pair) for pair in zip(one_by_one, graphed, strict=True))
    assert all(step.isfinite().all() for step in graphed)
    assert not torch.equal(graphed[0], steps(replace(sampling, dcw=None, averaged_steps=0))[0])


@pytest.mark.parametrize("mode", ["low", "high", "double", "pix"])
@pytest.mark.parametrize("num_frames", [1, 250, 4_501])
def test_dcw_is_on_a_gpu_what_it_is_on_a_cpu(mode: str, num_frames: int) -> None:
    generator = torch.Generator().manual_seed(num_frames)
    stepped, guess = (torch.randn((2, num_frames, 64), generator=generator) for _ in range(2))
    dcw = replace(DCW, mode=mode, scaler=0.3)

    on_cpu = apply_dcw(stepped, guess, 0.7, dcw)
    found = apply_dcw(stepped.cuda(), guess.cuda(), 0.7, dcw)

    assert (found.cpu() - on_cpu).abs().max() < 5e-6
    alone = apply_dcw(stepped[1:].cuda(), guess[1:].cuda(), 0.7, dcw)
    assert torch.equal(alone[0], found[1])


@pytest.mark.parametrize("rows", [1, 2])
@torch.no_grad()
def test_takes_of_one_length_share_a_recording_and_hear_their_own_conditions(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dit = TRITON(transformer(0).cuda().bfloat16())
    first = on_gpu(conditions(333))
    second = replace(on_gpu(conditions(333, num_tokens=90)), null=-first.null, context=first.context * 2)
    latents = torch.randn((rows, 333, 8), device="cuda", dtype=torch.bfloat16)
    times = (1.0, 0.7, 0.4, 0.1)

    with monkeypatch.context() as patched:
        patched.setattr(fused_dit, "GRAPH_PATCHES", 0)
        expected = [[dit.velocity(heard)(latents * time, time) for time in times] for heard in (first, second)]
    takes = [dit.velocity(heard) for heard in (first, second)]
    found = [[take(latents * time, time) for take in takes] for time in times]

    assert dit._length is not None
    assert list(dit._length.recordings) == [rows]
    for number in range(2):
        for step, by_take in enumerate(found):
            assert torch.equal(by_take[number], expected[number][step])


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
        for make in (PlainDit, BLOCKWISE, FLASH, TRITON)
    }

    assert errors[BLOCKWISE] < 2 * errors[PlainDit]
    assert errors[FLASH] < 2 * errors[PlainDit]
    assert errors[TRITON] < 2 * errors[PlainDit]


def test_attention_within_the_window_makes_no_matrix_of_a_whole_take() -> None:
    latents = torch.zeros((1, 2_400, 8), device="cuda", dtype=torch.bfloat16)

    one_matrix_a_take(TRITON(transformer(0).cuda().bfloat16()), on_gpu(conditions(2_400)), latents)


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
    part = AceStepLoader().load("dit", files, CUDA, Heard())
    # Longer and shorter ones in turns, so that one take's graph follows another's.
    jobs = [
        replace(latents_job(replace(REQUEST, seed=seed, caption="a " * seed), codes), id=str(seed))
        for seed, codes in enumerate((CODES, replace(CODES, codes=CODES.codes[:-2]), CODES, CODES), start=1)
    ]
    corrected_too = {"dcw_enabled": True, "dcw_mode": "double", "dcw_scaler": 0.05, "dcw_high_scaler": 0.02}
    jobs += [
        replace(latents_job(replace(REQUEST, **changes), CODES), id=name)
        for name, changes in (
            ("dcw", corrected_too),
            ("heun", {**corrected_too, "sampler_mode": "heun", "inference_steps": 5, "shift": 2.5}),
            ("retake", {**corrected_too, "retake_seed": 9, "retake_variance": 0.4}),
        )
    ]

    together = {result.id: result for result in part.latents(jobs, Heard())}
    for one in jobs:
        (alone,) = part.latents([one], Heard())
        assert isinstance(alone, Done)
        assert np.array_equal(alone.artifact.frames, together[one.id].artifact.frames)
    part.close()


def test_an_abandoned_take_stops_between_steps_and_leaves_the_next_one_as_it_is(tiny_set: Path) -> None:
    files = resolve(str(tiny_set)).files
    assert files is not None
    part = AceStepLoader().load("dit", files, CUDA, Heard())
    given_up, kept = (
        replace(latents_job(replace(REQUEST, seed=seed, caption=name), CODES), id=name)
        for seed, name in enumerate(("given up", "kept"), start=1)
    )

    class HeardOfOne(Heard):
        def cancelled(self, job_id: str) -> bool:
            return job_id == "given up" and super().cancelled(job_id)

    heard = HeardOfOne(cancel_after=2)
    (beside,) = part.latents([given_up, kept], heard)
    (alone,) = part.latents([kept], Heard())

    assert [step[1] for step in heard.steps if step[0] == "given up"] == [1, 2]
    assert isinstance(beside, Done)
    assert isinstance(alone, Done)
    assert np.array_equal(beside.artifact.frames, alone.artifact.frames)
    part.close()


@pytest.mark.parametrize("level", [3.7, 0.11, 1e-5])
def test_sound_is_scaled_on_the_device_to_the_bits_that_a_cpu_gives(level: float) -> None:
    from tests.models.ace_step.vae.test_part import noise, upstreams_scaling

    sound = noise(level).cuda()

    found = to_host(scale_to_peak(sound, checked_peak(sound, None)))

    assert found.is_pinned()
    assert torch.equal(found, upstreams_scaling(noise(level)))


def test_a_waveform_repeats_bit_for_bit(tiny_set: Path) -> None:
    from renderer.models.ace_step.protocol.requests import WaveformRequest
    from tests.models.ace_step.vae.test_part import latents

    files = resolve(str(tiny_set)).files
    assert files is not None
    part = AceStepLoader().load("vae", files, CUDA, Heard())
    job = StageJob(id="take", request=WaveformRequest(duration=None), upstream={"latents": latents(3_000)})

    first, second = (next(part.waveform([job], Heard())) for _ in range(2))

    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert np.array_equal(first.artifact.samples, second.artifact.samples)
    part.close()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@torch.inference_mode()
def test_the_fused_decoder_stands_as_close_to_the_truth_as_diffusers_own(dtype: torch.dtype) -> None:
    from renderer.models.ace_step.vae.fused import fuse
    from tests.models.ace_step.vae.test_part import decoder

    frames = torch.randn((1, 64, 300), generator=torch.Generator().manual_seed(1))
    truth = decoder(dtype=torch.float64)(frames.double())
    plain, fused = (decoder("cuda", dtype) for _ in range(2))
    fuse(fused)

    ours, theirs = (made(frames.to("cuda", dtype)).double().cpu() for made in (fused, plain))

    assert (ours - truth).square().mean() < 1.1 * (theirs - truth).square().mean()
    assert torch.equal(fused(frames.to("cuda", dtype)).double().cpu(), ours)


@torch.inference_mode()
def test_the_decoder_channels_last_stands_as_close_to_the_truth_as_diffusers_own() -> None:
    """A frame's sound is the same whatever is decoded behind it."""
    from renderer.models.ace_step.vae.channels_last import ChannelsLast, choice_of
    from tests.models.ace_step.vae.test_part import decoder

    frames = torch.randn((1, 64, 300), generator=torch.Generator().manual_seed(1))
    truth = decoder(dtype=torch.float64)(frames.double())
    ours = ChannelsLast(decoder("cuda", torch.bfloat16), choice_of(torch.device("cuda:0")))
    given = frames.to("cuda", torch.bfloat16)

    found, theirs = (made(given).double().cpu() for made in (ours, decoder("cuda", torch.bfloat16)))

    assert (found - truth).square().mean() < (theirs - truth).square().mean()
    assert torch.equal(ours(given).double().cpu(), found)
    hop = found.shape[-1] // 300
    assert torch.equal(ours(given[:, :, :200])[..., : 150 * hop].double().cpu(), found[..., : 150 * hop])


def test_rows_read_in_pieces_stand_as_close_to_the_truth_as_whole_ones(tiny_set: Path) -> None:
    from renderer.models.ace_step.lm.decoder import TorchRows
    from renderer.models.ace_step.lm.split_rows import SplitRows
    from renderer.models.kernels.decode_attention import PaddedDecode, VarlenDecode
    from tests.models.ace_step.lm.test_engine import decodes_of, logits_of

    def by(dtype: str, make_rows: Any) -> torch.Tensor:
        lm = load(tiny_set, dtype=dtype, device="cuda:0")
        lm._lm = replace(lm._lm, make_rows=make_rows)  # type: ignore[type-var]
        ours, *others = decodes_of(lm, songs(4))
        return logits_of(lm, ours, others, 1)[0]

    truth = by("float32", partial(TorchRows.of, PaddedDecode.of))
    whole, pieces = by("bfloat16", partial(TorchRows.of, VarlenDecode.of)), by("bfloat16", SplitRows.of)

    assert (pieces - truth).square().mean() < 1.5 * (whole - truth).square().mean()


def test_timestamps_are_the_same_alone_and_behind_others(tiny_set: Path, tmp_path: Path) -> None:
    """Each is aligned in another stream while the DiT is at the next ones."""
    files = resolve(str(hearing_set(tiny_set, tmp_path / "set", sharp=3000.0))).files
    assert files is not None
    dit: Any = AceStepLoader().load("dit", files, CUDA, Heard())
    requests = [replace(latents_request(seed, caption=f"calm piano {seed}"), seed=seed) for seed in range(8)]
    upstream = {"codes": CODES}
    made = list(dit.latents([StageJob(id=str(one.seed), request=one, upstream=upstream) for one in requests], Heard()))
    jobs = [
        StageJob(
            id=str(one.seed),
            request=TimestampsRequest(latents=one, heads=((0, (0, 1)), (1, (0,)))),
            upstream={**upstream, "latents": done.artifact},
        )
        for one, done in zip(requests, made, strict=True)
    ]

    def told(jobs: list[StageJob]) -> dict[str, Any]:
        return {
            one.id: (one.artifact.lines, one.artifact.dit_score) if isinstance(one, Done) else one.message
            for one in dit.timestamps(jobs, Heard())
        }

    together = told(jobs)

    assert len(together) == 8
    assert sum(isinstance(one, tuple) for one in together.values()) > 3  # of some, attention is the same everywhere
    assert told(jobs[::-1]) == together
    for one in jobs[::3]:
        assert told([one]) == {one.id: together[one.id]}


def test_a_dit_that_is_prefetched_beside_the_lm_disturbs_neither(tiny_set: Path) -> None:
    """The LM records graphs for new prompts meanwhile."""
    files = resolve(str(tiny_set)).files
    assert files is not None
    loader, jobs = AceStepLoader(), songs(12)
    alone = codes_of(load(tiny_set, slots=2, dtype="bfloat16", device="cuda:0"), jobs)
    (expected,) = loader.load("dit", files, CUDA, Heard()).latents([latents_job(REQUEST, CODES)], Heard())
    lm = load(tiny_set, slots=2, dtype="bfloat16", device="cuda:0")

    class Beginning(Heard):
        """Begins at the first tokens, again and again."""

        def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
            super().progress(job_id, done, total, unit)
            if len(begun) < 8:
                begun.append(loader.prefetch("dit", files, CUDA))

    begun: list[Any] = []
    beside = {done.id: done.artifact.codes.tolist() for done in lm.codes(jobs, Beginning()) if isinstance(done, Done)}
    (found,) = loader.load("dit", files, CUDA, Heard(), begun[3]).latents([latents_job(REQUEST, CODES)], Heard())

    assert begun[3] is not None
    assert beside == {name: list(codes) for name, codes in alone.items()}
    assert np.array_equal(found.artifact.frames, expected.artifact.frames)


@torch.no_grad()
def test_attention_is_the_same_recorded_and_of_each_takes_own_conditions() -> None:
    heads = ((0, (1,)), (2, (0, 3)))
    takes = [
        (on_gpu(conditions(333, tokens)), torch.randn((1, 333, 8), device="cuda").bfloat16()) for tokens in (37, 80)
    ]

    def attended(dit: FusedDit, take: int, time: float) -> torch.Tensor:
        heard, latents = takes[take]
        return dit.attention(heard, latents, time, heads, slice(3, 20))

    asked = [(0, 1.0), (0, 0.125), (1, 1.0), (1, 0.125), (0, 1.0)]
    expected = [attended(TRITON(transformer(0).cuda().bfloat16()), *one) for one in asked]  # each the first of its DiT
    dit = TRITON(transformer(0).cuda().bfloat16())
    found = [attended(dit, *one) for one in asked]

    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    assert not torch.equal(found[0], found[2])
