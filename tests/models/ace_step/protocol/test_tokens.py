"""Which tokenizers are a 5 Hz LM's, and which texts they are never shown."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Codes
from renderer.errors import ModelError, StageError
from renderer.models.ace_step.protocol.tokens import REAL_WIDTH, load_tokens
from tests.models.ace_step.asks import codes_request, job, load, results

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tiny_set: Path, tmp_path: Path) -> Path:
    """An LM's tokenizer that a test may damage."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (tiny_set / "lm" / name).exists():
            shutil.copy(tiny_set / "lm" / name, tmp_path / name)
    return tmp_path


def test_the_codes_are_found_by_their_spelling(tiny_set: Path) -> None:
    tokens = load_tokens(tiny_set / "lm", 1_472)

    assert tokens.num_codes == 1_000
    assert tokens.encode("<|audio_code_0|><|audio_code_999|>") == (tokens.first_code, tokens.first_code + 999)
    assert tokens.decode((tokens.first_code + 7, tokens.end)) == "<|audio_code_7|><|im_end|>"


def test_an_lm_loaded_again_takes_its_tokens_as_they_are_until_a_file_of_theirs_changes(folder: Path) -> None:
    first = load_tokens(folder, 1_472)
    assert load_tokens(folder, 1_472) is first
    assert load_tokens(folder, 1_473).width == 1_473

    move_codes(folder / "tokenizer.json", 500)
    assert load_tokens(folder, 1_472) is not first

    for name in ("chat_template.jinja", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"tokenizer_config\.json"):
        load_tokens(folder, 1_472)


def test_texts_are_encoded_with_nothing_added(tiny_set: Path) -> None:
    tokens = load_tokens(tiny_set / "lm", 1_472)

    assert tokens.decode(tokens.encode("[verse]\nla, día 🎹")) == "[verse]\nla, día 🎹"


def test_a_published_lm_has_the_published_ids(folder: Path) -> None:
    with pytest.raises(ModelError) as refused:
        load_tokens(folder, REAL_WIDTH)

    assert "is not the one of the published LMs" in refused.value.message
    assert "151643 is expected" in refused.value.why


def test_other_ids_are_noticed_however_wide_the_logits_are(folder: Path) -> None:
    """64,000 codes are those of a published LM; only padding makes its weights wider."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    first = next(t["id"] for t in tokenizer["added_tokens"] if t["content"] == "<|audio_code_0|>")
    vocabulary = {f"<|audio_code_{code}|>": first + code for code in range(64_000)}
    tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if "audio_code" not in t["content"]]
    tokenizer["model"]["vocab"] |= vocabulary
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")

    with pytest.raises(ModelError) as refused:
        load_tokens(folder, first + 64_000)

    assert "is not the one of the published LMs" in refused.value.message


def test_codes_count_wherever_the_file_keeps_them(tiny_set: Path, tmp_path: Path) -> None:
    """As added tokens, in the vocabulary itself, or some of them here and some there: the same LM, the same codes."""
    expected, job_ = load_tokens(tiny_set / "lm", 1_472), job("take", codes_request(preview=1.0))
    drawn = results(load(tiny_set), "codes", [job_])["take"]
    for kept in (0, 500):
        folder = tmp_path / str(kept)
        shutil.copytree(tiny_set, folder)
        move_codes(folder / "lm" / "tokenizer.json", kept)

        found = load_tokens(folder / "lm", 1_472)

        assert (found.first_code, found.num_codes, found.num_spelled) == (expected.first_code, 1_000, 1_000)
        assert found.decode((found.first_code + 7, found.first_code + 999)) == "<|audio_code_7|><|audio_code_999|>"
        again = results(load(folder), "codes", [job_])["take"]
        assert isinstance(drawn, Codes)
        assert isinstance(again, Codes)
        assert np.array_equal(again.codes, drawn.codes)


def move_codes(path: Path, kept: int) -> None:
    """All codes but the first `kept` go from the added tokens to the vocabulary, which then lists every token."""
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    added = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    moved = [name for name in added if "audio_code" in name][kept:]
    tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["content"] not in set(moved)]
    tokenizer["model"]["vocab"] |= added
    path.write_text(json.dumps(tokenizer), encoding="utf-8")


def test_weights_narrower_than_the_tokenizer_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="don't belong together"):
        load_tokens(folder, 900)


def test_a_tokenizer_without_codes_is_no_lm(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if "audio_code" not in token["content"]]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")

    with pytest.raises(ModelError) as refused:
        load_tokens(folder, 1_472)

    assert refused.value.message.endswith("is no 5 Hz LM")
    assert refused.value.why == "its vocabulary lacks `<|audio_code_0|>`"


def test_another_chat_template_is_refused(folder: Path) -> None:
    """Codes decoded after an unexpected prompt are noise, and nothing would say why."""
    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template.replace("</think>\\n\\n", "</think>\\n"), encoding="utf-8")

    with pytest.raises(ModelError) as refused:
        load_tokens(folder, 1_472)

    assert "chat template" in refused.value.message


@pytest.mark.parametrize("token", ["<|im_end|>", "<|audio_code_5|>", "</think>", "<|endoftext|>"])
def test_control_tokens_in_a_users_text_are_refused(tiny_set: Path, token: str) -> None:
    tokens = load_tokens(tiny_set / "lm", 1_472)

    with pytest.raises(StageError) as refused:
        tokens.refuse_control_tokens(caption="fine", lyrics=f"la {token} la")

    assert refused.value.message == f"`{token}` stands in the lyrics"


def test_what_only_looks_like_a_control_token_is_text(tiny_set: Path) -> None:
    load_tokens(tiny_set / "lm", 1_472).refuse_control_tokens(caption="<b>loud</b> <|hm|> <3", lyrics="[x] <i>")
