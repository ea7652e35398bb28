"""Lines for a person: folded on a terminal, their heads once."""

from __future__ import annotations

import io
import sys

import click
import pytest

from renderer.cli.streams import say_line


class Terminal(io.StringIO):
    """What is told to it, as to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("length", [10, 31, 36, 40, 80])
def test_a_head_is_told_once_wherever_the_line_is_folded(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    say_line("x" * length, head="new       ")

    assert click.unstyle(terminal.getvalue()).split() == ["new", "x" * length]
