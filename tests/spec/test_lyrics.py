"""Lyrics to sections, and the text that is sent."""

from __future__ import annotations

import pytest

from renderer.song import Section
from renderer.spec.lyrics import header, parse, unified, written


@pytest.mark.parametrize(
    ("line", "tag", "number", "annotation"),
    [
        ("[verse]", "verse", None, None),
        ("[Verse 2]", "Verse", 2, None),
        ("[bridge] (Guitarra española - solo rápido)", "bridge", None, "Guitarra española - solo rápido"),
        ("[Bridge - whispered]", "Bridge", None, "whispered"),
        ("[Intro - Synth Brass Fanfare]", "Intro", None, "Synth Brass Fanfare"),
        ("[Song ends abruptly]", "Song ends abruptly", None, None),
        ("[Pre-Chorus]", "Pre-Chorus", None, None),
        ("[Chorus x2]", "Chorus x2", None, None),
        ("[主歌1]", "主歌", 1, None),
        ("[verse][whispered]", "verse", None, "whispered"),
    ],
)  # fmt: skip
def test_headers_are_taken_apart(line: str, tag: str, number: int | None, annotation: str | None) -> None:
    assert header(line) == Section(tag=tag, number=number, annotation=annotation)


@pytest.mark.parametrize("line", ["hello [laughs]", "(Chorus)", "[]", "", "[a] b", "[" + " " * 100_000 + "]"])
def test_other_lines_head_no_section(line: str) -> None:
    assert header(line) is None


def test_lines_before_the_first_tag_and_empty_sections_are_kept() -> None:
    assert parse("la la\n\n[inst]\n\n[verse]\none\n\ntwo") == (
        Section(tag="", lines=("la la",)),
        Section(tag="inst"),
        Section(tag="verse", lines=("one", "", "two")),
    )


def test_only_line_ends_composition_and_outer_blanks_change() -> None:
    assert unified("\r\n \n [verse]\t\r\n  e\u0301  x \r\n\r\n") == " [verse]\n  é  x"


def test_sections_are_written_with_a_blank_line_between() -> None:
    text = written([("verse 2", None, "one\n"), ("bridge", "soft", "")])

    assert text == "[verse 2]\none\n\n[bridge] (soft)"
    assert parse(text) == (Section(tag="verse", number=2, lines=("one",)), Section(tag="bridge", annotation="soft"))
