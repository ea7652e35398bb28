"""The embedded sets load with the ordinary code and keep the protocol's promises."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

from renderer.models.catalog.layouts import read_lm, read_model
from renderer.models.catalog.zoo import MINI_FOLDER as WEIGHTS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SYSTEM = "# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n"
USER = "# Caption\nsynthwave, female vocal\n\n# Lyric\n[Verse]\nHello\n"
OPENING = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{USER}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def lm_tokens(tiny_set: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_set / "lm", local_files_only=True)


@pytest.fixture(scope="module")
def text_tokens(tiny_set: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_set / "tokenizer", local_files_only=True)


@pytest.fixture(scope="module")
def pipeline(tiny_set: Path) -> Any:
    from diffusers import AceStepPipeline

    pipe = AceStepPipeline.from_pretrained(tiny_set, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def chat(tokens: Any, assistant: str | None) -> str:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
    if assistant is not None:
        messages.append({"role": "assistant", "content": assistant})
    text: str = tokens.apply_chat_template(messages, tokenize=False, add_generation_prompt=assistant is None)
    return text


def latents(pipe: Any, codes: range, seed: int = 0) -> torch.Tensor:
    noise = torch.randn(1, 5 * len(codes), 8, generator=torch.Generator().manual_seed(seed))
    result: torch.Tensor = pipe(
        prompt="house",
        lyrics="[Instrumental]",
        audio_codes="".join(f"<|audio_code_{code}|>" for code in codes),
        audio_duration=3.0,
        latents=noise,
        guidance_scale=1.0,
        output_type="latent",
    ).audios
    return result


def test_the_chat_template_gives_the_prompt_of_the_chain_of_thought(lm_tokens: Any) -> None:
    assert chat(lm_tokens, None) == OPENING


def test_the_chat_template_closes_the_think_block_and_the_turn_before_the_codes(lm_tokens: Any) -> None:
    assert chat(lm_tokens, "<think>\nbpm: 120\n</think>") == f"{OPENING}<think>\nbpm: 120\n</think>\n\n<|im_end|>\n"
    assert chat(lm_tokens, "<think>\n</think>") == f"{OPENING}<think>\n\n</think>\n\n<|im_end|>\n"


def test_codes_are_single_contiguous_tokens_at_the_end_of_the_vocabulary(lm_tokens: Any) -> None:
    first = lm_tokens.convert_tokens_to_ids("<|audio_code_0|>")
    ids = lm_tokens("".join(f"<|audio_code_{code}|>" for code in range(1_000))).input_ids
    assert ids == list(range(first, first + 1_000))
    assert len(lm_tokens) == first + 1_000


def test_digits_are_tokens_of_their_own_and_a_space_belongs_to_the_word_behind_it(lm_tokens: Any) -> None:
    tokens = lm_tokens.convert_ids_to_tokens(lm_tokens("bpm: 120\nkeyscale: A minor\n").input_ids)
    assert tokens[-10:-5] == ["Ġ", "1", "2", "0", "Ċ"]
    assert tokens[-3:] == ["ĠA", "Ġminor", "Ċ"]


@pytest.mark.parametrize("text", ["[verse] – ¿qué tal?", "日本語 한국어 русский", "🎸\u200d🔥 \x7f"])
def test_any_text_survives_both_tokenizers(lm_tokens: Any, text_tokens: Any, text: str) -> None:
    assert lm_tokens.decode(lm_tokens(text).input_ids) == text
    assert text_tokens.decode(text_tokens(text).input_ids, skip_special_tokens=True) == text


def test_the_text_tokenizer_ends_every_text_and_pads_right(text_tokens: Any) -> None:
    end = text_tokens.convert_tokens_to_ids("<|endoftext|>")
    rows = text_tokens(["# Lyric\nla<|endoftext|>", "# Metas\n<|endoftext|>\n"], padding="longest")
    assert rows.input_ids[0][-2:] == [end, end]
    assert text_tokens("# Metas\n<|endoftext|>\n").input_ids[-3::2] == [end, end]
    assert [row[0] for row in rows.attention_mask] == [1, 1]
    assert sorted(row[-1] for row in rows.attention_mask) == [0, 1]


def test_the_lm_prefers_some_tokens_and_listens_to_its_prompt(tiny_set: Path, lm_tokens: Any) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_set / "lm", local_files_only=True, dtype=torch.float32)
    with torch.inference_mode():
        one, other = (model(torch.tensor([lm_tokens(text).input_ids])).logits[0, -1] for text in ("house!", "jazz!"))
    assert 0.5 < one.std() < 10
    assert (one - other).abs().max() > 0.5


def test_silence_is_noise_so_that_a_test_can_see_it(pipeline: Any) -> None:
    assert pipeline.condition_encoder.silence_latent.std() > 0.5


def test_a_random_set_renders_sound_that_depends_on_codes_and_seed(pipeline: Any) -> None:
    one = latents(pipeline, range(15))
    assert torch.equal(one, latents(pipeline, range(15)))
    assert not torch.allclose(one, latents(pipeline, range(15, 30)), atol=1e-2)
    assert not torch.allclose(one, latents(pipeline, range(15), seed=1), atol=1e-2)
    with torch.inference_mode():
        sound = pipeline.vae.decode(one.transpose(1, 2)).sample
    assert sound.shape == (1, 2, 144_000)
    assert sound.pow(2).mean().sqrt() > 1e-3


@pytest.mark.slow
def test_two_processes_build_the_same_bytes(tiny_set: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.mini_factory.build", str(tmp_path / "again"), "tiny"]
    subprocess.run(command, check=True, capture_output=True)
    assert digests(tmp_path / "again") == digests(tiny_set)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_embedded_model_is_whole_and_small_enough_to_ship() -> None:
    files = [path for path in WEIGHTS.rglob("*") if path.is_file()]

    assert read_model(WEIGHTS).kind == "turbo"
    assert read_lm(WEIGHTS / "lm") == WEIGHTS / "lm"
    assert max(path.stat().st_size for path in files) <= 16_000_000
    assert sum(path.stat().st_size for path in files) <= 37_000_000
