"""What commands and README tell of exit codes is what the table holds."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import click

from renderer.cli import exit_codes
from renderer.cli.main import COMMANDS

CODES = {str(code) for name, code in vars(exit_codes).items() if name.startswith("EXIT_")}
README = Path(__file__).parents[2] / "README.md"


def test_every_code_that_is_told_of_is_one_of_the_table() -> None:
    commands: list[click.Command] = [import_module(row.module).command for row in COMMANDS.values()]
    groups = [command for command in commands if isinstance(command, click.Group)]
    commands += [inner for group in groups for inner in group.commands.values()]
    told = [
        found
        for text in (*(command.help or "" for command in commands), README.read_text("utf-8"))
        for sentence in re.findall(r"[Ee]xits\s+with\s[^.;|]*", text)
        for found in re.findall(r"\d+", sentence)
    ]

    assert {"1", "2", "130"} <= set(told) <= CODES
