"""The texts the models read, byte for byte."""

from __future__ import annotations

from renderer.models.ace_step import prompt
from renderer.models.ace_step.metas import DecidedMetas

HEAD = (
    "<|im_start|>system\n# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n<|im_end|>\n"
    "<|im_start|>user\n"
)
CAPTION, LYRICS = "synthwave, female vocal", "[Verse]\nHello"
USER = "# Caption\nsynthwave, female vocal\n\n# Lyric\n[Verse]\nHello\n<|im_end|>\n<|im_start|>assistant\n"
YAML = "bpm: 120\nduration: 60\nkeyscale: A minor\ntimesignature: 4"


def decided(**changes: object) -> DecidedMetas:
    fields = {
        "caption": CAPTION,
        "language": "en",
        "bpm": 120,
        "keyscale": "A minor",
        "timesignature": "4",
        "duration": 60,
    }
    return DecidedMetas(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_chain_of_thought_starts_at_an_open_assistant_turn() -> None:
    assert prompt.cot_prompt(CAPTION, LYRICS) == HEAD + USER


def test_without_a_negative_prompt_the_caption_block_disappears() -> None:
    bare = f"{HEAD}# Lyric\n[Verse]\nHello\n<|im_end|>\n<|im_start|>assistant\n"

    assert prompt.cot_negative_prompt(LYRICS, "NO USER INPUT") == bare
    assert prompt.cot_negative_prompt(LYRICS, " \n") == bare
    assert prompt.cot_negative_prompt(LYRICS, "noise") == HEAD + USER.replace(CAPTION, "noise")


def test_codes_follow_a_closed_turn_with_a_full_think_block() -> None:
    expected = f"{HEAD}{USER}<think>\n{YAML}\n</think>\n\n<|im_end|>\n"

    assert prompt.codes_prompt(CAPTION, LYRICS, YAML) == expected


def test_the_unconditional_codes_have_an_empty_think_block() -> None:
    tail = "<think>\n\n</think>\n\n<|im_end|>\n"

    assert prompt.codes_negative_prompt(CAPTION, LYRICS, "NO USER INPUT") == HEAD + USER + tail
    assert prompt.codes_negative_prompt(CAPTION, LYRICS, "noise") == HEAD + USER.replace(CAPTION, "noise") + tail


def test_the_dit_reads_caption_and_metas() -> None:
    assert prompt.dit_text_prompt(decided(), instruction=prompt.CODES_INSTRUCTION) == (
        "# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n# Caption\n"
        "synthwave, female vocal\n\n# Metas\n- bpm: 120\n- timesignature: 4\n- keyscale: A minor\n"
        "- duration: 60 seconds\n<|endoftext|>\n"
    )


def test_metas_nobody_said_are_marked() -> None:
    metas = decided(bpm=None, keyscale=None, timesignature=None, duration=None)

    text = prompt.dit_text_prompt(metas, instruction=prompt.TEXT2MUSIC_INSTRUCTION)

    assert text.startswith("# Instruction\nFill the audio semantic mask based on the given conditions:\n\n")
    assert text.endswith("- bpm: N/A\n- timesignature: N/A\n- keyscale: N/A\n- duration: 30 seconds\n<|endoftext|>\n")


def test_the_dit_reads_whole_seconds() -> None:
    assert "- duration: 10 seconds\n" in prompt.dit_text_prompt(decided(duration=10.9), instruction="x:")


def test_the_dit_reads_language_and_lyrics() -> None:
    assert prompt.dit_lyric_prompt(LYRICS, "en") == "# Languages\nen\n\n# Lyric\n[Verse]\nHello<|endoftext|>"
