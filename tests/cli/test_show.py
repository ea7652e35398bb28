"""`renderer show`: the texts the models get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """
caption = "synthwave, female vocal"
lyrics = "[Verse]\\nHello"
seeds = [1, 2]
{rest}
"""
ALL_METAS = """
[metas]
bpm = 120
duration = 60
keyscale = "A minor"
timesignature = "4"
vocal_language = "en"
"""


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def] # noqa: ANN201 - a function
    """Write a spec with this rest, and give what `show` prints of it."""
    monkeypatch.chdir(tmp_path)

    def call(rest: str, *options: str) -> str:
        (tmp_path / "song.toml").write_text(SPEC.format(rest=rest))
        assert run(["show", "song.toml", *options]) == 0
        return capsys.readouterr().out

    return call


def test_empty_lyrics_are_sent_as_an_empty_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.toml").write_text('caption = "folk"\nlyrics = ""\n[metas]\nvocal_language = "bn"\n')

    assert run(["show", "song.toml", "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    texts = {(one["stage"], one["name"]): one["text"] for one in document["sent"]}
    assert texts["cot", "prompt"] == (
        "<|im_start|>system\n# Instruction\n"
        "Generate audio semantic tokens based on the given conditions:\n\n<|im_end|>\n"
        "<|im_start|>user\n# Caption\nfolk\n\n# Lyric\n\n<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "<|im_start|>user\n# Caption\nfolk\n\n# Lyric\n\n<|im_end|>\n" in texts["codes", "prompt"]
    assert texts["latents", "lyric prompt"] == "# Languages\nbn\n\n# Lyric\n<|endoftext|>"


def test_given_metas_are_sent_exactly_as_in_training(show) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - see above
    (document,) = json.loads(show(ALL_METAS, "--json"))
    texts = {(one["stage"], one["name"]): one["text"] for one in document["sent"]}

    assert document["takes"] == ["song.s1", "song.s2"]
    assert texts["codes", "prompt"] == (
        "<|im_start|>system\n# Instruction\n"
        "Generate audio semantic tokens based on the given conditions:\n\n<|im_end|>\n"
        "<|im_start|>user\n# Caption\nsynthwave, female vocal\n\n# Lyric\n[Verse]\nHello\n<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n"
        "bpm: 120\nduration: 60\nkeyscale: A minor\ntimesignature: 4\n</think>\n\n"
    )
    assert texts["latents", "text prompt"] == (
        "# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n"
        "# Caption\nsynthwave, female vocal\n\n"
        "# Metas\n- bpm: 120\n- timesignature: 4\n- keyscale: A minor\n- duration: 60 seconds\n<|endoftext|>\n"
    )
    assert texts["latents", "lyric prompt"] == "# Languages\nen\n\n# Lyric\n[Verse]\nHello<|endoftext|>"
    assert ("cot", "prompt") not in texts


def test_what_the_lm_has_yet_to_decide_is_marked(show) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - see above
    shown = show("[metas]\nbpm = 120\n")

    assert "bpm: 120\ncaption: ‹the LM decides›\nduration: ‹the LM decides›\n" in shown
    assert "# Metas\n- bpm: 120\n- timesignature: ‹the LM decides›\n- keyscale: ‹the LM decides›\n" in shown
    assert "# Languages\n‹the LM decides›\n" in shown


def test_tokens_are_counted_with_the_models_own_tokenizer(show) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - see above
    (document,) = json.loads(show(ALL_METAS, "--json", "--model", "mini"))

    assert all(one["tokens"] > 10 for one in document["sent"])


def test_control_characters_and_markup_in_texts_are_shown_not_obeyed(show) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - see above
    shown = show('title = "a"\n[inference]\nlm_negative_prompt = "[/red] \\u202e noise"\n')

    assert "[/red] \\u202e noise" in shown


def test_an_audio_file_gives_back_the_recipe_in_its_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil
    import tomllib

    import numpy as np

    from renderer.artifacts import Waveform
    from renderer.formats.table import FORMATS
    from renderer.json_values import to_json
    from renderer.spec.load import load_songs
    from renderer.takes.audio import write_audio
    from renderer.takes.recipe import make_recipe, recipe_tags

    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.toml").write_text(SPEC.format(rest=ALL_METAS))
    take = next(load_songs(["song.toml"]).require()[0].takes())
    recipe = make_recipe(take, keys={"waveform": "ab"}, decided=None, weights={}, settings={}, versions={})
    silence = Waveform(samples=np.zeros((2, 4_800), dtype=np.float32))
    write_audio(silence, tmp_path / "take.flac", "flac", recipe_tags(recipe, "full", "Generated by AI"))

    assert run(["show", "take.flac"]) == 0
    assert tomllib.loads(capsys.readouterr().out) == to_json(recipe)
    assert run(["show", "missing.flac"]) == 2
    capsys.readouterr()

    for ending in (ending.upper() for row in FORMATS.values() for ending in row.endings):
        renamed = shutil.copy("take.flac", f"take{ending}")
        assert run(["show", renamed]) == 0
        assert tomllib.loads(capsys.readouterr().out) == to_json(recipe)
        assert run(["import", renamed, "--to", f"specs-of-{ending[1:]}"]) == 0
        assert f"{renamed} → " in capsys.readouterr().out


def test_a_plan_tells_which_prompt_is_too_long_by_the_models_own_tokenizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    long_caption = "warm and slow and soft " * 60
    (tmp_path / "song.toml").write_text(SPEC.format(rest=ALL_METAS).replace("synthwave", long_caption))

    assert run(["plan", "song.toml", "--model", "mini", "--first-seed"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "tokens" in line]
    assert len(told) == 1
    assert told[0].startswith("song.s1: the text prompt has ")
    assert told[0].endswith(" tokens, the model reads 256: shorten it")
