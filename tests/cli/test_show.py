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


EDITS = """
[variants.open]
duration = 33
[edits.fix]
task = "repaint"
src_audio = "s2"
at = ["verse", [-2.0, 4.0]]
seeds = [11]
chunk_mask_mode = "explicit"
[edits.as-waltz]
task = "cover"
src_audio = "fix.s11"
seeds = [12]
caption = "waltz"
audio_cover_strength = 0.8
cover_noise_strength = 0.25
[edits.other]
task = "morph"
src_audio = "open.s1"
flow_edit_source_caption = "house"
seeds = [13]
"""


def test_an_edit_tells_its_window_its_masks_its_instruction_and_the_texts_as_sent(show) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - see above
    found = {one["takes"][0]: one["sent"] for one in json.loads(show(ALL_METAS + EDITS, "--json"))}
    texts = {take: {one["name"]: one["text"] for one in sent} for take, sent in found.items()}

    fix = texts["song.fix.s11"]
    assert [*fix] == ["text prompt", "lyric prompt", "edit"]
    assert fix["edit"].splitlines() == [
        "made from: song.s2",
        "task: repaint",
        "window: Verse, where the timestamps of its source will tell",
        "window: -2 to 4 s (frames -50 to 100)",
        "source followed: as it is, with silence in the window",
        "mask: 1 in the window, 0 around it",
        "around the window: put back in 4 of 8 steps, blended over 12 frames, its samples kept and faded over 0.025 s",
        "instruction: Repaint the mask area based on the given conditions:",
    ]
    assert fix["text prompt"].startswith("# Instruction\nRepaint the mask area based on the given conditions:\n\n")
    assert "- duration: 60 seconds" in fix["text prompt"]
    waltz = texts["song.as-waltz.s12"]
    assert waltz["text prompt"].startswith("# Instruction\nGenerate audio semantic tokens")
    assert waltz["later text prompt"].startswith("# Instruction\nFill the audio semantic mask")
    assert "strength: followed in the first 80% of the steps, then not" in waltz["edit"]
    assert "# Caption\nwaltz" in waltz["later text prompt"]
    assert "# Caption\nhouse" in texts["song.other.s13"]["source text prompt"]
    assert "- duration: 33 seconds" in texts["song.other.s13"]["text prompt"]


def test_a_length_that_the_lm_decides_is_marked_in_an_edit_of_it(show) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - see above
    edit = '[edits.c]\ntask = "cover"\nsrc_audio = "s2"\nseeds = [11]\n'
    (found,) = [one for one in json.loads(show(edit, "--json")) if one["takes"] == ["song.c.s11"]]

    assert "- duration: ‹the LM decides›" in next(one["text"] for one in found["sent"] if one["name"] == "text prompt")
