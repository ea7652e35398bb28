"""How a diagnostic prints."""

from __future__ import annotations

from pathlib import Path

from renderer.spec.diagnostics import Diagnostic, Span, plain


def at(excerpt: str, marked: str, **rest: str) -> Diagnostic:
    column = excerpt.index(marked) + 1
    span = Span(line=3, column=column, end=column + len(marked))
    return Diagnostic(code="bpm-range", message="`bpm` is 400", file=Path("a.toml"), span=span, excerpt=excerpt, **rest)


def test_a_diagnostic_shows_line_caret_reason_and_help() -> None:
    shown = plain(at("bpm = 400", "400", why="it takes 30 to 300", help="write 200"))

    assert shown.splitlines() == [
        "error[bpm-range]: `bpm` is 400",
        " --> a.toml:3:7",
        "3 | bpm = 400",
        "  |       ^^^ it takes 30 to 300",
        "  = help: write 200",
    ]


def test_wide_and_combining_characters_keep_the_caret_in_place() -> None:
    lines = plain(at("日本e\u0301🎸 = x", "x")).splitlines()

    assert lines[3] == "  | " + " " * (4 + 1 + 2 + 3) + "^"


def test_a_long_line_is_cut_round_the_caret() -> None:
    lines = plain(at("a" * 200 + "HERE" + "b" * 200, "HERE"), width=80).splitlines()

    assert all(len(line) <= 80 for line in lines)
    start = lines[3].index("^")
    assert lines[2][start : start + 4] == "HERE"


def test_control_and_reordering_characters_are_escaped() -> None:
    shown = plain(at("x = '\x1b[31m\u202e'", "x", why="\x07"))

    assert "\x1b" not in shown
    assert "\\x1b[31m\\u202e" in shown
    assert "\\x07" in shown


def test_markup_like_text_is_shown_as_it_is() -> None:
    assert "[/x] [verse]" in plain(at("t = '[/x] [verse]'", "t"))
