"""Lyrics to sections, and the text that is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.song import Section
from renderer.spec.lyrics import header, inline_cues, parse, restyled, unified, written


def corpus() -> list[tuple[str, Section | None]]:
    """The lines of the corpus with the section they head."""
    text = (Path(__file__).parent / "section_headers.txt").read_text(encoding="utf-8")
    rows = [row.rsplit(" | ", 3) for row in text.splitlines() if not row.startswith("#")]
    return [
        (
            line,
            None
            if tag == "-"
            else Section(
                tag=tag,
                number=None if number == "-" else int(number),
                annotation=None if annotation == "-" else annotation,
            ),
        )
        for line, tag, number, annotation in rows
    ]


@pytest.mark.parametrize(("line", "expected"), corpus(), ids=[line.strip() for line, _ in corpus()])
def test_headers_as_found_in_the_wild_are_taken_apart(line: str, expected: Section | None) -> None:
    assert header(line) == expected


def test_the_corpus_is_a_corpus() -> None:
    assert len(corpus()) >= 100


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


def test_annotations_are_written_in_the_style_that_is_asked_for() -> None:
    text = "[verse 2] (soft)\none (one)\n\n[Bridge - fast]\n\n[outro]"

    assert restyled(text, "bracket") == "[verse 2 - soft]\none (one)\n\n[Bridge - fast]\n\n[outro]"
    assert restyled(text, "paren") == "[verse 2] (soft)\none (one)\n\n[Bridge] (fast)\n\n[outro]"
    assert parse(restyled(text, "bracket")) == parse(text)


def test_cues_inside_lines_are_found_and_stay_in_the_line() -> None:
    (section,) = parse("[verse]\nstay (stay) [laughs]\ngo")

    assert inline_cues("stay (stay) [laughs]") == ("stay", "laughs")
    assert section == Section(tag="verse", lines=("stay (stay) [laughs]", "go"), cues=("stay", "laughs"))
