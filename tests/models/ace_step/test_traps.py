"""The traps of ACE-Step's protocol and of diffusers' pipeline, one row each: can't happen here, or is caught.

Facts are the ten that decide whether a song sounds right; traps are where diffusers' pipeline and upstream part.
"""

from __future__ import annotations

import copy
import gc
import math
import re
import shutil
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoTokenizer

import renderer
from renderer.artifacts import Codes, Cot, CotMetas, Latents
from renderer.errors import ModelError, StageError
from renderer.facts import MAX_LYRIC_TOKENS, MAX_TEXT_TOKENS
from renderer.models import device
from renderer.models.ace_step.dit.conditions import ConditionCache, lost_parts, silence
from renderer.models.ace_step.dit.dcw import Dcw
from renderer.models.ace_step.dit.denoise import (
    Sampling,
    custom_timesteps,
    denoise,
    initial_noise,
    shifted_timesteps,
    snap_to_turbo,
    turbo_timesteps,
)
from renderer.models.ace_step.dit.loader import DITS
from renderer.models.ace_step.dit.part import load_dit
from renderer.models.ace_step.lm.grammar import CotGrammar
from renderer.models.ace_step.lm.phases import CodesPhase, CotPhase, _num_codes
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.ace_step.protocol import prompt
from renderer.models.ace_step.protocol.dit_prompt import DitPrompt, make_dit_prompt, num_frames
from renderer.models.ace_step.protocol.requests import WaveformRequest
from renderer.models.ace_step.protocol.tokens import load_tokens
from renderer.models.ace_step.vae.sound import checked_latents, checked_peak
from renderer.models.ace_step.vae.tiles import Tiles
from renderer.models.catalog import zoo
from renderer.models.catalog.doctor import examine
from renderer.models.stage_job import Done, Failed, StageJob
from renderer.run.events import ComponentLoaded, PartStarted
from renderer.settings import Metas
from renderer.spec.load import load_songs
from tests.models.ace_step import straight_line
from tests.models.ace_step.asks import OPEN, codes_request, cot_request
from tests.models.ace_step.layouts import change_timbre_token, write_wide
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.operations import Large, one_matrix_a_take
from tests.models.ace_step.requests_of import requests_of
from tests.models.ace_step.test_parts import REQUEST, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.models.ace_step.dit.velocity import Conditions
    from renderer.models.ace_step.protocol.requests import LatentsRequest
    from renderer.models.model_files import ModelFiles

END = "<|endoftext|>"


class Bench:
    """What the rows work with: the tiny set, its DiT resident, a folder to write to."""

    def __init__(self, tiny: Path, folder: Path, files: ModelFiles, part: Any) -> None:
        self.tiny, self.folder, self.files, self.part = tiny, folder, files, part

    def latents(self, *jobs: StageJob) -> dict[str, Latents]:
        results = list(self.part.latents(list(jobs), Heard()))
        assert all(isinstance(result, Done) for result in results), results
        return {result.id: result.artifact for result in results}

    def conditions(self, num_frames: int) -> Conditions:
        encoders = self.part.encoders(Heard())
        return ConditionCache(encoders).conditions("a", "b", silence(encoders, num_frames))

    def copy(self) -> ModelFiles:
        """The set in a folder that may be broken."""
        shutil.copytree(self.tiny, self.folder / "copy")
        files = zoo.resolve(str(self.folder / "copy")).files
        assert files is not None
        return files

    def spec(self, text: str, model: Path | None = None) -> Any:
        path = self.folder / "a.toml"
        path.write_text(
            f'title = "A"\nmodel = "{model or self.tiny}"\ncaption = "x"\nlyrics = "[verse]\\nla"\nseeds = [1]\n{text}'
        )
        return load_songs([path])

    def asked(self, text: str) -> LatentsRequest:
        """What the DiT is asked for a spec."""
        (song,) = self.spec(text).songs
        (take,) = song.takes()
        return requests_of(take, zoo.model_facts(str(self.tiny)), None).latents


@pytest.fixture(scope="module")
def resident(tiny_set: Path) -> Any:
    files = zoo.resolve(str(tiny_set)).files
    assert files is not None
    return files, AceStepLoader().load("dit", files, SETTINGS, Heard())


@pytest.fixture
def bench(tiny_set: Path, tmp_path: Path, resident: Any) -> Bench:
    return Bench(tiny_set, tmp_path, *resident)


def job(name: str, codes: int | None = None, **changes: Any) -> StageJob:
    upstream = {"codes": codes_of(codes)} if codes else {}
    return StageJob(id=name, request=replace(REQUEST, **changes), upstream=upstream)


def codes_of(count: int) -> Codes:
    return Codes(codes=np.arange(count, dtype=np.int32) % 1_000)


def told(request: LatentsRequest = REQUEST, codes: Codes | None = None, cot: CotMetas | None = None) -> DitPrompt:
    return make_dit_prompt(request, Cot(text="", metas=cot) if cot else None, codes)


def open_turn(_: Bench) -> None:
    asked = prompt.codes_prompt("C", "L", "bpm: 90")
    assert asked.endswith("L\n<|im_end|>\n<|im_start|>assistant\n<think>\nbpm: 90\n</think>\n\n")
    assert prompt.codes_prompt("C", "L", "").endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def dropped_condition(_: Bench) -> None:
    head = "given conditions:\n\n<|im_end|>\n<|im_start|>user\n"
    tail = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    for nothing in ("", " \n", "NO USER INPUT", " NO USER INPUT "):
        assert prompt.codes_negative_prompt(nothing).endswith(f"{head}NO USER INPUT{tail}")
    assert prompt.codes_negative_prompt("muddy mix").endswith(f"{head}muddy mix{tail}")


def unguided_thoughts(bench: Bench) -> None:
    (song,) = bench.spec('[inference]\nlm_cfg_scale = 3.0\nlm_negative_prompt = "noise"\n').songs
    (take,) = song.takes()
    asked = requests_of(take, zoo.model_facts(str(bench.tiny)), None)
    assert asked.cot is not None
    assert asked.codes is not None
    assert (asked.cot.lm_cfg_scale, asked.codes.lm_cfg_scale) == (1.0, 3.0)
    tokens = load_tokens(bench.tiny / "lm", AutoConfig.from_pretrained(bench.tiny / "lm").vocab_size)
    cot, codes = (
        phase(tokens).prepare(StageJob(id="a", request=request, upstream={})).request
        for phase, request in ((CotPhase, asked.cot), (CodesPhase, asked.codes))
    )
    assert (len(cot.prompts), len(codes.prompts)) == (1, 2)
    # The same rows hold twice the songs.
    assert (cot.pass_spec.num_slots(4), codes.pass_spec.num_slots(4)) == (8, 4)


def cover_instruction(_: Bench) -> None:
    assert told(codes=codes_of(50)).text.startswith("# Instruction\nGenerate audio semantic tokens")
    assert told().text.startswith("# Instruction\nFill the audio semantic mask")


def length_from_codes(_: Bench) -> None:
    prompt = told(codes=codes_of(37))
    assert prompt.num_frames == 185
    assert "- duration: 10 seconds\n" in prompt.text


def silence_is_not_zero(bench: Bench) -> None:
    conditions = bench.conditions(20_000)
    silence = bench.part.encoders(Heard()).condition_encoder.silence_latent
    assert torch.equal(conditions.context[:, :15_000, :8], silence)
    # Beyond its end it begins again.
    assert torch.equal(conditions.context[:, 15_000:, :8], silence[:, :5_000])
    assert silence.abs().min() > 0


def turbo_is_guarded(bench: Bench) -> None:
    wild = bench.asked("[inference]\ninference_steps = 20\nshift = 2.4\nguidance_scale = 7.0\n")
    assert (wild.inference_steps, wild.shift, wild.guidance_scale) == (8, 2.4, 1.0)
    assert [bench.asked(f"[inference]\ninference_steps = {steps}\n").inference_steps for steps in range(1, 9)] == [
        *range(1, 9)
    ]
    # What it was distilled for, where the bare library would take a shift of 1.
    plain = bench.asked("")
    assert (plain.inference_steps, plain.shift) == (8, 3.0)


def no_padding(bench: Bench) -> None:
    short, long = job("short", 20), job("long", 40, caption="a caption " * 9, lyrics="[verse]\n" + "la " * 200)
    together = bench.latents(short, long)
    for alone in (short, long):
        assert np.array_equal(bench.latents(alone)[alone.id].frames, together[alone.id].frames)


def missing_pair(bench: Bench) -> None:
    files = bench.copy()
    for component in ("audio_tokenizer", "audio_token_detokenizer"):
        shutil.rmtree(bench.folder / "copy" / component)
    songs = bench.spec("[metas]\nduration = 10\n", model=bench.folder / "copy").songs
    told: list[object] = []
    with pytest.raises(ModelError, match="can't read the LM's codes"):
        renderer.render(songs, device="cpu", outputs=bench.folder / "outputs", listen=told.append)
    assert not [event for event in told if isinstance(event, PartStarted | ComponentLoaded)]
    # Codes that were there before, as pinned ones, find the same wall.
    part = AceStepLoader().load("dit", files, SETTINGS, Heard())
    (failed,) = part.latents([job("take", 20)], Heard())
    assert isinstance(failed, Failed)
    assert failed.message == "this model set can't read audio codes"
    assert "thinking = false" in failed.help


def half_precision(_: Bench) -> None:
    for name in ("mps", "cuda:0", "cpu"):
        for dtype in device.DTYPES:
            assert "float16" not in (
                device.dtypes(name, dtype).condition_encoder,
                device.dtypes(name, dtype).text_encoder,
            )
    assert device.dtype_warning("cuda:0", "float16")
    with pytest.raises(StageError, match="hold NaN or infinity"):
        checked_latents(Latents(frames=np.full((50, 8), np.nan, np.float32)))


def lengths_that_crash(bench: Bench) -> None:
    overshooting = [count for count in range(1, 3_001) if math.ceil(5 * count / 25.0 * 25.0) != 5 * count]
    assert len(overshooting) == 231
    for count in overshooting[:3]:
        assert bench.latents(job("take", count))["take"].frames.shape == (5 * count, 8)
        plain = job("take", metas=replace(REQUEST.metas, duration=count / 5))
        assert bench.latents(plain)["take"].frames.shape == (5 * count, 8)


def duration_in_the_prompt(_: Bench) -> None:
    asked = replace(REQUEST, metas=Metas(vocal_language="en"))
    decided = told(asked, codes_of(50), CotMetas(duration=42))
    assert "- duration: 42 seconds\n" in decided.text
    assert decided.departures == ()
    assert "- duration: 30 seconds\n" in told(asked, codes_of(50)).text
    # Where neither the user nor the LM says one, two minutes are made; the text still says thirty seconds.
    nobody = told(replace(asked, max_duration=240))
    assert "- duration: 30 seconds\n" in nobody.text
    assert nobody.num_frames == 120 * 25
    assert told(asked).num_frames == REQUEST.max_duration * 25
    # The codes' target is the user's duration, else the chain of thought's.
    wanted = codes_request(metas=OPEN)
    assert [_num_codes(wanted, CotMetas(duration=seconds))[0] for seconds in (42, None)] == [210, None]
    assert _num_codes(codes_request(), CotMetas(duration=42))[0] == 50


def unequal_codes(bench: Bench) -> None:
    together = bench.latents(job("a", 20), job("b", 33))
    assert [len(found.frames) for found in together.values()] == [100, 165]


def metas_of_each(bench: Bench) -> None:
    metas = Metas(bpm=77, keyscale="C major", timesignature="3", duration=12.0, vocal_language="es")
    other = job("b", 20, metas=metas, lyrics="[verse]\nother", inference_steps=4, shift=1.0)
    found = bench.latents(job("a", 20), other)
    assert "- bpm: 120\n- timesignature: 4\n- keyscale: A minor\n- duration: 10" in found["a"].notes.text_prompt
    assert "- bpm: 77\n- timesignature: 3\n- keyscale: C major\n- duration: 12" in found["b"].notes.text_prompt
    assert found["b"].notes.lyric_prompt == f"# Languages\nes\n\n# Lyric\n[verse]\nother{END}"
    assert [len(found[name].notes.timesteps) for name in ("a", "b")] == [8, 4]
    assert found["b"].notes.timesteps == (1.0, 0.75, 0.5, 0.25)
    alone = bench.latents(other)["b"].frames
    assert np.array_equal(alone, found["b"].frames)


def truncation(bench: Bench) -> None:
    tokens = bench.part.encoders(Heard()).tokens
    text, lyrics = "many words " * 300, "la la la " * 900
    theirs = AutoTokenizer.from_pretrained(Path(bench.files.text_encoder) / "tokenizer")
    for written, limit in ((text, MAX_TEXT_TOKENS), (lyrics, MAX_LYRIC_TOKENS)):
        ids = tokens.ids(written, limit)
        assert ids == theirs(written, truncation=True, max_length=limit).input_ids
        assert len(ids) == limit
    assert len(lost_parts(tokens, text, lyrics)) == 2
    assert lost_parts(tokens, "short", "short") == ()
    found = bench.latents(job("a", 20, caption=text))["a"].notes
    num_tokens = len(tokens.ids(found.text_prompt))
    assert found.cut == (f"the text prompt has {num_tokens} tokens, the DiT hears 256: the metas at its end are lost",)


def padding_side(bench: Bench) -> None:
    files = bench.copy()
    path = Path(files.text_encoder) / "tokenizer" / "tokenizer.json"
    pads = Tokenizer.from_file(str(path))
    pads.enable_padding(direction="left", length=400)
    pads.enable_truncation(8, direction="left")
    pads.save(str(path))
    padded: Any = AceStepLoader().load("dit", files, SETTINGS, Heard())
    (found,) = padded.latents([job("a", 20)], Heard())
    assert np.array_equal(found.artifact.frames, bench.latents(job("a", 20))["a"].frames)


def weights_go_when_dropped(bench: Bench) -> None:
    part: Any = AceStepLoader().load("dit", bench.files, SETTINGS, Heard())
    list(part.latents([job("a", 20)], Heard()))
    dit, encoders = part.dit(Heard()), part.encoders(Heard())
    modules = (dit.transformer, encoders.condition_encoder, encoders.text_encoder)
    # Nothing moves weights behind our backs: hooks that would put them on another device than their inputs.
    assert not [inner for module in modules for inner in module.modules() if hasattr(inner, "_hf_hook")]
    gone = [weakref.ref(module) for module in modules]
    del dit, encoders, modules
    part.close()
    gc.collect()
    assert [reference() for reference in gone] == [None, None, None]


def tiles(bench: Bench) -> None:
    vae: Any = AceStepLoader().load("vae", bench.files, SETTINGS, Heard())
    spans: list[int] = []
    vae.vae.decoder.register_forward_pre_hook(lambda _, arguments: spans.append(arguments[0].shape[-1]))
    long = Latents(frames=np.random.default_rng(0).standard_normal((700, 8)).astype(np.float32))
    request = WaveformRequest(duration=None)
    (done,) = vae.waveform([StageJob(id="a", request=request, upstream={"latents": long})], Heard())
    assert done.artifact.samples.shape == (2, 700 * 1_920)
    assert max(spans) == SETTINGS.vae_tile
    numbers = [len(Tiles(length=512, overlap=64).windows(25 * seconds)) for seconds in (10, 30, 60, 120, 240, 600)]
    assert numbers == [1, 2, 4, 8, 16, 40]
    assert device.vae_tiles("mps") == (32, 8)
    assert device.vae_tiles("cpu") == (512, 64)
    # Nowhere less than the decoder's reach on each side, nowhere more than a convolution on MPS can give.
    assert all(overlap >= 8 for _, overlap in device.VAE_TILES.values())
    assert device.vae_tiles("mps")[0] * 1_920 < 65_536


def double_shift(bench: Bench) -> None:
    files = bench.copy()
    path = bench.folder / "copy" / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text().replace('"shift": 1.0', '"shift": 3.0'))
    with pytest.raises(ModelError, match=r"says shift = 3\.0, expected is 1\.0"):
        AceStepLoader().load("dit", files, SETTINGS, Heard())


def trailing_zeros(_: Bench) -> None:
    assert custom_timesteps((1.0, 0.5, 0.0, 0.0)) == (1.0, 0.5)
    with pytest.raises(StageError):
        custom_timesteps((0.0,))


def steps_by_kind(_: Bench) -> None:
    names = ("turbo", "sft", "base", "xl-sft")
    facts = [zoo.model_facts(name) for name in names]
    assert [(one.steps, one.shift) for one in facts] == [(8, 3.0), (50, 1.0), (50, 1.0), (50, 1.0)]
    assert [one.guidance_scale for one in facts] == [1.0, 7.0, 7.0, 7.0]


def dcw_by_kind(bench: Bench) -> None:
    assert [zoo.model_facts(name).dcw for name in ("turbo", "xl-turbo", "sft", "base", "xl-base")] == [
        *(True, True),
        *(False, False, False),
    ]
    asked = bench.asked("")
    assert (asked.dcw_enabled, asked.dcw_mode, asked.dcw_scaler, asked.dcw_high_scaler) == (True, "double", 0.05, 0.02)
    assert not bench.asked("[inference]\ndcw_enabled = false\n").dcw_enabled


def dcw_after_each_step(_: Bench) -> None:
    """From the latents and the velocity a step begins with, at its own time; after the last step, too."""
    times = (1.0, 0.6, 0.3)
    noise = initial_noise(11, 4, torch.Generator().manual_seed(0))

    def velocity(latents: torch.Tensor, timestep: float) -> torch.Tensor:
        return latents * timestep + 1.0

    for mode in ("double", "pix"):
        sampling = Sampling(
            timesteps=times,
            guidance_scale=1.0,
            interval=(0.0, 1.0),
            stochastic=False,
            averaged_steps=3,
            dcw=Dcw(mode=mode, scaler=0.5, high_scaler=0.4),
        )
        x = noise[0].double().numpy()
        found = denoise(velocity, noise, sampling, torch.Generator())
        for time, after, latents in zip(times, (0.6, 0.3, 0.0), found, strict=True):
            first = x * time + 1.0
            way = (first + ((x - first * (time - after)) * after + 1.0)) / 2
            x = straight_line.corrected(x - way * (time - after), x - first * time, time, mode, 0.5, 0.4)
            assert np.abs(latents[0].numpy() - x).max() < 1e-5


def timbre_token(bench: Bench) -> None:
    heard = {}
    for name, write in (("2B", shutil.copytree), ("XL", write_wide)):
        timbres = []
        for change in (lambda _folder: None, change_timbre_token):
            folder = bench.folder / f"{name}-{len(timbres)}"
            write(bench.tiny, folder)
            change(folder)
            files = zoo.resolve(str(folder)).files
            assert files is not None
            timbres.append(load_dit(files, SETTINGS, Heard()).encoders(Heard()).timbre)
        heard[name] = not torch.equal(*timbres)
    assert heard == {"2B": False, "XL": True}


def exact_schedule(_: Bench) -> None:
    assert turbo_timesteps(8, 3.0)[1:4] == tuple(np.float32([21 / 22, 0.9, 5 / 6]).tolist())
    assert turbo_timesteps(3, 2.5) == tuple(np.float32([1.0, 2.5 * 2 / 3 / 2, 2.5 / 3 / 1.5]).tolist())
    assert snap_to_turbo((0.95, 0.8)) == tuple(np.float32([21 / 22, 10 / 13]).tolist())


def extras_are_off(bench: Bench) -> None:
    asked = bench.asked("")
    assert (asked.sampler_mode, asked.retake_seed, asked.retake_variance) == ("euler", None, 0.0)
    codes, other = codes_of(20), {"retake_seed": 9, "retake_variance": 1.0}
    all_retaken = bench.latents(replace(job("a", 20), request=replace(REQUEST, seed=3, **other)))["a"]
    own = bench.latents(StageJob(id="a", request=replace(REQUEST, seed=9), upstream={"codes": codes}))["a"]
    # Nothing is left of the take's own noise, up to a cosine that isn't quite zero.
    assert np.allclose(all_retaken.frames, own.frames, atol=1e-4)


def language(_: Bench) -> None:
    asked = replace(REQUEST, metas=replace(REQUEST.metas, vocal_language=None))
    assert told(asked).lyrics.startswith("# Languages\nunknown\n")
    assert told(asked, cot=CotMetas(language="es")).lyrics.startswith("# Languages\nes\n")
    assert told(cot=CotMetas(language="es")).lyrics.startswith("# Languages\nen\n")
    assert [one.split(":")[0] for one in told(asked, cot=CotMetas(language="es")).departures] == ["language"]
    assert told(cot=CotMetas(language="es")).departures == ()
    silent = replace(asked, use_cot_language=False)
    assert told(silent, cot=CotMetas(language="es")).lyrics.startswith("# Languages\nunknown\n")


def meta_types(bench: Bench) -> None:
    (song,) = bench.spec('[metas]\nbpm = 72\ntimesignature = "4/4"\n').songs
    assert (song.metas.bpm, song.metas.timesignature) == (72, "4")
    assert bench.spec('[metas]\nbpm = "fast"\n').diagnostics
    (song,) = bench.spec("[metas]\ntimesignature = 3\n").songs
    assert song.metas.timesignature == "3"


def frames(bench: Bench) -> None:
    # Upstream fills up to 128 frames, which a preview would then hear; here the length is the one that was asked.
    assert bench.latents(job("a", 20))["a"].frames.shape == (100, 8)
    assert [num_frames(seconds) for seconds in (10, 60, 10.03, 10.04, 0.28)] == [250, 1_500, 251, 251, 7]


def interval_direction(bench: Bench) -> None:
    calls: list[tuple[float, int]] = []

    asked = bench.part.dit(Heard()).velocity(bench.conditions(50))

    def velocity(latents: torch.Tensor, timestep: float) -> torch.Tensor:
        calls.append((timestep, len(latents)))
        with torch.no_grad():
            return asked(latents, timestep)

    sampling = Sampling(timesteps=(1.0, 0.75, 0.5, 0.25), guidance_scale=3.0, interval=(0.5, 1.0), stochastic=False)
    noise = initial_noise(50, 8, torch.Generator().manual_seed(0))
    list(denoise(velocity, noise, sampling, torch.Generator()))
    assert calls == [(1.0, 2), (0.75, 2), (0.5, 2), (0.25, 1)]


def cover_strength(bench: Bench) -> None:
    found = bench.spec("[inference]\naudio_cover_strength = 0.5\n").diagnostics
    assert [one for one in found if one.level == "error" and "audio_cover_strength" in one.message]


def schedule_in_float32(_: Bench) -> None:
    def velocity(latents: torch.Tensor, timestep: float) -> torch.Tensor:
        return latents * timestep

    sampling = Sampling(timesteps=(1.0, 21 / 22, 0.9), guidance_scale=1.0, interval=(0.0, 1.0), stochastic=False)
    noise = initial_noise(50, 8, torch.Generator().manual_seed(0)).bfloat16()
    expected = noise
    for time, after, found in zip(
        (1.0, 21 / 22, 0.9), (21 / 22, 0.9, 0.0), denoise(velocity, noise, sampling, torch.Generator()), strict=True
    ):
        step = torch.tensor(after, dtype=torch.float32) - torch.tensor(time, dtype=torch.float32)
        expected = (expected.float() + step * velocity(expected, time)).bfloat16()
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, expected)
    # bfloat16 would give 0.953125, 0.8984375, 0.83203125.
    assert shifted_timesteps(8, 3.0)[1:4] == pytest.approx((21 / 22, 0.9, 5 / 6), abs=1e-7)


def silence_is_not_amplified(_: Bench) -> None:
    with pytest.raises(StageError, match="the take is silent"):
        checked_peak(torch.full((2, 48_000), 9e-6), None)
    assert checked_peak(torch.tensor([[0.0, 2e-5], [0.0, 0.0]]), None) == pytest.approx(2e-5)


def old_torch(bench: Bench) -> None:
    installed = bench.folder / "torch-2.4.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.4.1\n")
    sys.path.insert(0, str(bench.folder))
    try:
        found = next(finding for finding in examine("cpu", "auto") if finding.what == "torch")
    finally:
        sys.path.remove(str(bench.folder))
    assert (found.state, found.detail) == ("broken", "2.4.1")
    assert next(finding for finding in examine("cpu", "auto") if finding.what == "torch").state == "fine"


def one_mask_a_take(bench: Bench) -> None:
    num_patches, latents = 1_200, torch.zeros((1, 2_400, 8))
    matrix, conditions = num_patches**2, bench.conditions(2_400)
    # diffusers' own forward makes them anew, by way of matrices of int64.
    with torch.no_grad(), Large(matrix) as theirs:
        bench.part.dit(Heard()).transformer(
            hidden_states=latents,
            timestep=torch.ones(1),
            timestep_r=torch.ones(1),
            encoder_hidden_states=conditions.encoded,
            context_latents=conditions.context,
        )
    assert torch.int64 in theirs.made

    for name, make in DITS.items():
        if name not in {"flash", "triton"}:  # which need CUDA: test_gpu.py
            # Its weights go to the fused one.
            one_matrix_a_take(make(copy.deepcopy(bench.part.dit(Heard()).transformer)), conditions, latents)


def interleaved_takes(bench: Bench) -> None:
    velocity = bench.part.dit(Heard()).velocity(bench.conditions(50))
    sampling = Sampling(timesteps=(1.0, 0.6, 0.3), guidance_scale=1.0, interval=(0.0, 1.0), stochastic=True)

    def take(seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        return denoise(velocity, initial_noise(50, 8, generator), sampling, generator)

    alone = [list(take(seed))[-1] for seed in (1, 2)]
    woven = list(zip(take(1), take(2), strict=True))[-1]
    assert torch.equal(alone[0], woven[0])
    assert torch.equal(alone[1], woven[1])


def own_spelling(bench: Bench) -> None:
    tokens = load_tokens(bench.tiny / "lm", AutoConfig.from_pretrained(bench.tiny / "lm").vocab_size)
    grammar, rng = CotGrammar(tokens), np.random.default_rng(0)
    writing, written, ended = grammar.start(cot_request(use_cot_caption=False)), list[int](), False
    while not ended:
        mask = np.zeros((1, -(-grammar.num_text // 32)), dtype=np.int32)
        grammar.fill([(0, writing)], mask)
        written.append(int(rng.choice(np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little")))))
        ended = writing.accept(written[-1])
    assert tokens.encode(tokens.decode(tuple(written))) == tuple(written)


ROWS: dict[str, Callable[[Bench], None]] = {
    "fact 1: the codes follow in the assistant's open turn, behind the think block": open_turn,
    "fact 2: guidance's other row drops the whole condition, or says the bare negative prompt": dropped_condition,
    "fact 3: with codes the DiT gets the cover instruction": cover_instruction,
    "fact 4: five frames a code, the duration is only told": length_from_codes,
    "fact 5: silence is encoded silence": silence_is_not_zero,
    "fact 6: turbo runs one to eight steps at any shift, unguided": turbo_is_guarded,
    "fact 7 and trap 7: no take hears another's padding": no_padding,
    "fact 8 and trap 2: a pipeline without its audio tokenizer pair": missing_pair,
    "fact 9: float16 never reaches the encoders": half_precision,
    "fact 10 and trap 1: lengths that crash diffusers' own call": lengths_that_crash,
    "trap 3: the prompt's duration is the take's": duration_in_the_prompt,
    "trap 4: code lists of unequal length": unequal_codes,
    "traps 5 and 6: metas and lyrics are each take's own": metas_of_each,
    "trap 8: what the tokenizer would pad and cut, and on which side, doesn't matter": padding_side,
    "trap 9: what lies beyond the token limits is said": truncation,
    "traps 10 to 12: what is dropped is gone": weights_go_when_dropped,
    "trap 13: decoding is tiled": tiles,
    "trap 14: a scheduler that would shift twice": double_shift,
    "trap 15: zeros at the end of custom timesteps": trailing_zeros,
    "traps 16 and 17: steps and guidance by kind": steps_by_kind,
    "trap 18: the language nobody named": language,
    "trap 19: types of the metas": meta_types,
    "trap 20: frames of a duration": frames,
    "trap 21: the guidance interval's direction": interval_direction,
    "trap 22: cover strength isn't offered": cover_strength,
    "trap 23: the schedule is kept in float32": schedule_in_float32,
    "trap 24: silence isn't made loud": silence_is_not_amplified,
    "trap 25: a torch without grouped attention": old_torch,
    "trap 26: the sliding window's mask is made once a take": one_mask_a_take,
    "trap 27: two takes at once have a scheduler each": interleaved_takes,
    "trap 28: a chain of thought is written without guidance": unguided_thoughts,
    "trap 29: names and values in the tokenizer's own spelling": own_spelling,
    "trap 30: DCW runs by itself on turbo only": dcw_by_kind,
    "trap 31: DCW corrects after every step, from where it began": dcw_after_each_step,
    "trap 32: turbo's schedule is exact": exact_schedule,
    "trap 33: heun and retakes are off": extras_are_off,
    "trap 34: XL's timbre is read at its own token": timbre_token,
}


def numbers(kind: str) -> list[int]:
    """Those that the rows' names speak of: `trap 3`, `traps 5 and 6`, `traps 10 to 12`."""
    found = [match.groups("") for row in ROWS for match in re.finditer(rf"{kind}s? (\d+)(?: (and|to) (\d+))?", row)]
    spans = [(int(first), int(last or first)) for first, _, last in found]
    return sorted(number for first, last in spans for number in range(first, last + 1))


def test_every_fact_and_trap_has_one_row() -> None:
    assert numbers("fact") == list(range(1, 11))
    assert numbers("trap") == list(range(1, 35))


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_it_can_not_happen_or_is_caught(bench: Bench, row: str) -> None:
    ROWS[row](bench)
