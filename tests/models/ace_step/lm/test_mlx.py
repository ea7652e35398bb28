"""The LM on MLX writes what torch's writes; the engine's own suite runs on both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import torch

from renderer.artifacts import Codes, Cot
from renderer.errors import ModelError, ResourceError
from renderer.models.ace_step.lm.decoder import Pass
from renderer.models.ace_step.lm.part import _by_mlx, _by_torch
from renderer.models.ace_step.lm.pass_spec import LogitSlice, PassSpec, SamplingFeatures
from renderer.models.ace_step.lm.phases import CodesPhase
from renderer.models.ace_step.planned import numerics
from renderer.models.ace_step.protocol.tokens import REAL_IDS, REAL_WIDTH
from renderer.models.catalog import zoo
from renderer.models.model_files import Settings
from renderer.pipeline.environment import environment
from renderer.pipeline.models import pick_settings, pick_workers
from renderer.pipeline.options import Options
from tests.models.ace_step.asks import SAMPLING, codes_request, cot_request, job, load, results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from renderer.models.ace_step.lm.part import LmPart
    from renderer.settings import LmSampling

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


@pytest.fixture(scope="module")
def published_width(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four layers of Qwen3 over the published vocabulary, freshly drawn."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("models") / "published-width"
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, "head_dim": 64}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = {"initializer_range": 2.0 / 128**0.5, "tie_word_embeddings": True}
        Qwen3ForCausalLM(Qwen3Config(**sizes, **heads, **drawn, vocab_size=REAL_WIDTH)).save_pretrained(folder)
    return folder


def decoded(loaded: Any, spec: PassSpec, prompts: Sequence[tuple[int, ...]], settings: LmSampling) -> Decoded:
    """One request in the second of three slots, for 40 steps."""
    running = Pass(loaded, spec, 3)
    randoms = np.random.default_rng(5).random(40, dtype=np.float32)
    running.fill(1, loaded.prefill(prompts), settings, randoms)
    logits, tokens = [], []
    for _ in range(40):
        running.forward()
        logits.append(running._logits.numpy()[1::3].copy())
        running.draw()
        tokens.append(running.fetch_tokens()()[0][1])
    return Decoded(np.stack(logits), tokens)


class Decoded(NamedTuple):
    logits: np.ndarray
    tokens: list[int]


def test_minis_logits_and_tokens_are_torchs() -> None:
    pytest.importorskip("mlx.core")
    found = []
    for device in ("cpu", "mlx"):
        lm: Any = load(zoo.MINI_FOLDER, device=device)
        request = lm._phase(CodesPhase).prepare(job("a", codes_request())).request
        found.append(decoded(lm._lm, request.pass_spec, request.prompts, request.settings))

    by_torch, by_mlx = found
    assert np.abs(by_torch.logits - by_mlx.logits).max() < 1e-4 * np.abs(by_torch.logits).max()
    assert by_torch.tokens == by_mlx.tokens
    assert len(set(by_torch.tokens)) > 10


@pytest.mark.slow
@pytest.mark.parametrize("greedy", [True, False])
def test_logits_and_tokens_over_the_published_vocabulary_are_torchs(published_width: Path, greedy: bool) -> None:
    pytest.importorskip("mlx.core")
    end, first = REAL_IDS["<|im_end|>"], REAL_IDS["<|audio_code_0|>"]
    codes = LogitSlice(first=first, stop=REAL_IDS["<|audio_code_63999|>"] + 1, end=end)
    # Of 64,000 columns none but the likeliest are drawn from: between the others rounding decides.
    settings = replace(SAMPLING, lm_temperature=0.0 if greedy else 0.85, lm_top_k=40)
    spec = PassSpec(length=1024, logit_slice=codes, features=SamplingFeatures.of(settings, guided=True))
    prompts = [tuple(range(1000, 1100)), tuple(range(2000, 2013))]
    how = Settings(device="cpu", dtype="float32", threads=1, lm_slots=3, vae_tile=512, vae_overlap=64)

    by_torch = decoded(_by_torch(published_width, how)[0], spec, prompts, settings)
    by_mlx = decoded(_by_mlx(published_width, replace(how, device="mlx"), None)[0], spec, prompts, settings)

    assert by_torch.logits.shape == (40, 2, 64_001)
    assert np.abs(by_torch.logits - by_mlx.logits).max() < 1e-4 * np.abs(by_torch.logits).max()
    assert by_torch.tokens == by_mlx.tokens
    assert len(set(by_torch.tokens)) > 10


def test_in_8_bits_it_takes_less_memory_and_says_nearly_the_same(published_width: Path) -> None:
    mx = pytest.importorskip("mlx.core")
    from renderer.models.ace_step.lm.mlx.load import load as load_mlx

    ids, logits, sizes = [[5, 700, 151_700, 9]], [], []
    for quantisation in (None, "8bit"):
        mx.reset_peak_memory()
        before = mx.get_active_memory()
        lm = load_mlx(published_width, dtype="bfloat16", quantisation=quantisation)
        sizes.append(lm.model.num_bytes)
        # Quantised while it is read: beside what stays, one matrix as it was and as it is computed with.
        largest = 4 * REAL_WIDTH * 128
        assert mx.get_peak_memory() - before < sizes[-1] + 1.6 * largest
        assert mx.get_active_memory() - before < 1.01 * sizes[-1]
        (_, values) = lm.model.prefill(mx.array(ids))[-1]
        logits.append(np.array(values.astype(mx.float32)))
        del lm, values

    full, rounded = logits
    assert sizes[1] == pytest.approx(sizes[0] * 8.5 / 16, rel=0.01)
    assert 0 < np.abs(full - rounded).max() < 0.06 * np.abs(full).max()


def test_an_lm_that_groups_do_not_fill_is_refused(tiny_set: Path) -> None:
    pytest.importorskip("mlx.core")

    with pytest.raises(ModelError, match="can't be held in 8 bits in groups of 64") as refused:
        load(tiny_set, device="mlx", quantisation="8bit")

    assert refused.value.why == "its hidden_size is 32, no multiple of 64"


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

    workers = pick_workers(Options(device="mlx", dtype="float32", threads=1))
    settings = workers.settings[0]

    assert settings.of("lm").device == "mlx"
    assert settings.of("dit").device == settings.of("vae").device == settings.device != "mlx"
    assert {part: one.device for part, one in numerics(settings).items()} == {
        **dict.fromkeys(("encoder", "dit", "vae")),
        "lm": "mlx",
    }
    assert "mlx" in environment(workers).versions


def test_without_mlx_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(ResourceError, match="MLX isn't installed") as refused:
        pick_settings(Options(device="mlx"))

    assert "pip install" in refused.value.help
