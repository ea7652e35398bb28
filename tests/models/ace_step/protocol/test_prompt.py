"""The texts the models read, byte for byte, written down from the protocol and not from our code."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from renderer.artifacts import CotMetas
from renderer.facts import CODES_INSTRUCTION, TEXT2MUSIC_INSTRUCTION
from renderer.models.ace_step.protocol import prompt
from renderer.models.ace_step.protocol.metas import DecidedMetas, think_yaml, user_metas_as_cot
from renderer.settings import Metas

SYSTEM = (
    "<|im_start|>system\n# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n<|im_end|>\n"
)
CAPTION, LYRICS = "synthwave, female vocal", "[Verse]\nHello"
FOLDED = (
    "A slow, warm piano ballad that begins with a single voice over felt hammers and a distant string pad, then opens"
)
"""Longer than PyYAML's line of 80 columns."""


@dataclass(frozen=True)
class Asked:
    """A song as the LM is asked for its codes, and the two texts it must read."""

    caption: str
    lyrics: str
    metas: CotMetas
    think: str
    """What stands between `<think>\\n` and `\\n</think>`."""
    negative: str = "NO USER INPUT"
    unconditional: str = "NO USER INPUT"
    """The user's text in the unconditional row."""


ALL = CotMetas(bpm=120, duration=60, keyscale="A minor", timesignature="4")
NONE = CotMetas()
SONGS = {
    "all metas": Asked(CAPTION, LYRICS, ALL, "bpm: 120\nduration: 60\nkeyscale: A minor\ntimesignature: 4"),
    "no metas": Asked(CAPTION, LYRICS, NONE, ""),
    "a tempo alone": Asked("techno", "[Instrumental]", CotMetas(bpm=140), "bpm: 140"),
    "a key alone": Asked("waltz", "[Verse]\nla", CotMetas(keyscale="C# minor"), "keyscale: C# minor"),
    "a sharp sign": Asked("waltz", "[Verse]\nla", CotMetas(keyscale="F♯ major"), "keyscale: F♯ major"),
    "a metre as a fraction": Asked("waltz", "[Verse]\nla", CotMetas(timesignature="3/4"), "timesignature: 3"),
    "a duration alone": Asked("drone", "[Instrumental]", CotMetas(duration=240), "duration: 240"),
    "Chinese": Asked(
        "中国风，古筝", "[Verse]\n明月几时有", ALL, "bpm: 120\nduration: 60\nkeyscale: A minor\ntimesignature: 4"
    ),
    "Chinese, decided": Asked(
        "民谣", "[主歌]\n雨", CotMetas(bpm=72, caption="一首温柔的民谣", language="zh"),
        "bpm: 72\ncaption: 一首温柔的民谣\nlanguage: zh",
    ),
    "emoji": Asked("🎹 house 🕺", "[Verse]\n❤️ la", CotMetas(bpm=124), "bpm: 124"),
    # Characters beyond the basic plane are printable for PyYAML, so that they stay as they are.
    "emoji, decided": Asked(
        "house", "[Verse]\nla", CotMetas(bpm=124, caption="🎹 house"), "bpm: 124\ncaption: 🎹 house"
    ),
    "quotes": Asked('a "live" choir, \'latin\'', '[Verse]\n"Kyrie"', CotMetas(bpm=60), "bpm: 60"),
    "quotes, decided": Asked(
        "choir", "[Verse]\nKyrie", CotMetas(bpm=60, caption='"live" choir'), "bpm: 60\ncaption: '\"live\" choir'"
    ),
    "a colon, decided": Asked(
        "choir", "[Verse]\nla", CotMetas(caption="choir: latin", language="la"), "caption: 'choir: latin'\nlanguage: la"
    ),
    "a folded caption": Asked(
        "ballad", "[Verse]\nla", CotMetas(bpm=66, caption=FOLDED, language="en"),
        "bpm: 66\ncaption: A slow, warm piano ballad that begins with a single voice over felt hammers\n"
        "  and a distant string pad, then opens\nlanguage: en",
    ),
    # YAML takes `no` for false, so that Norwegian stands in quotes.
    "Norwegian": Asked("vise", "[Vers]\nnatt", CotMetas(bpm=90, language="no"), "bpm: 90\nlanguage: 'no'"),
    "no lyrics": Asked("ambient", "", ALL, "bpm: 120\nduration: 60\nkeyscale: A minor\ntimesignature: 4"),
    "a negative prompt": Asked(CAPTION, LYRICS, NONE, "", "muddy mix", "muddy mix"),
    "a negative prompt of two lines": Asked(CAPTION, LYRICS, NONE, "", "muddy\nmix ", "muddy\nmix "),
    "a blank negative prompt": Asked(CAPTION, LYRICS, NONE, "", " \n"),
    "line ends and spaces stay": Asked(" a ", "[Verse] \n\n la\n", CotMetas(bpm=30), "bpm: 30"),
}  # fmt: skip


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


@pytest.mark.parametrize("song", SONGS.values(), ids=SONGS.keys())
def test_codes_are_asked_for_in_the_assistants_open_turn(song: Asked) -> None:
    user = f"<|im_start|>user\n# Caption\n{song.caption}\n\n# Lyric\n{song.lyrics}\n<|im_end|>\n"
    think = f"<|im_start|>assistant\n<think>\n{song.think}\n</think>\n\n"

    assert prompt.codes_prompt(song.caption, song.lyrics, think_yaml(song.metas)) == SYSTEM + user + think


@pytest.mark.parametrize("song", SONGS.values(), ids=SONGS.keys())
def test_the_unconditional_row_drops_caption_lyrics_and_metas(song: Asked) -> None:
    user = f"<|im_start|>user\n{song.unconditional}<|im_end|>\n"

    found = prompt.codes_negative_prompt(song.negative)

    assert found == f"{SYSTEM}{user}<|im_start|>assistant\n<think>\n\n</think>\n\n"


@pytest.mark.parametrize("song", SONGS.values(), ids=SONGS.keys())
def test_the_chain_of_thought_starts_at_an_open_assistant_turn(song: Asked) -> None:
    expected = (
        f"{SYSTEM}<|im_start|>user\n# Caption\n{song.caption}\n\n# Lyric\n{song.lyrics}\n<|im_end|>\n"
        "<|im_start|>assistant\n"
    )

    assert prompt.cot_prompt(song.caption, song.lyrics) == expected


def test_the_users_metas_stand_in_the_think_block_as_whole_seconds() -> None:
    given = Metas(bpm=120, keyscale="A minor", timesignature="4", duration=60.9)

    assert think_yaml(user_metas_as_cot(given)) == "bpm: 120\nduration: 60\nkeyscale: A minor\ntimesignature: 4"


def test_the_dit_reads_caption_and_metas() -> None:
    assert prompt.dit_text_prompt(decided(), instruction=CODES_INSTRUCTION) == (
        "# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n# Caption\n"
        "synthwave, female vocal\n\n# Metas\n- bpm: 120\n- timesignature: 4\n- keyscale: A minor\n"
        "- duration: 60 seconds\n<|endoftext|>\n"
    )


def test_metas_nobody_said_are_marked() -> None:
    metas = decided(bpm=None, keyscale=None, timesignature=None, duration=None)

    text = prompt.dit_text_prompt(metas, instruction=TEXT2MUSIC_INSTRUCTION)

    assert text.startswith("# Instruction\nFill the audio semantic mask based on the given conditions:\n\n")
    assert text.endswith("- bpm: N/A\n- timesignature: N/A\n- keyscale: N/A\n- duration: 30 seconds\n<|endoftext|>\n")


def test_the_dit_reads_whole_seconds() -> None:
    assert "- duration: 10 seconds\n" in prompt.dit_text_prompt(decided(duration=10.9), instruction="x:")


def test_the_dit_reads_language_and_lyrics() -> None:
    assert prompt.dit_lyric_prompt(LYRICS, "en") == "# Languages\nen\n\n# Lyric\n[Verse]\nHello<|endoftext|>"
