"""Which executor carries a plan out is chosen among the rows of its table, and nowhere else."""

from __future__ import annotations

import click
import pytest

from renderer.cli import render, watch
from renderer.errors import UsageError
from renderer.pipeline.api import make_plan
from renderer.run.executor import DEFAULT, EXECUTORS


@pytest.mark.parametrize("command", [render.command, watch.command])
def test_the_option_follows_the_table_and_is_shown_where_there_is_a_choice(command: click.Command) -> None:
    (option,) = [one for one in command.params if one.name == "executor"]
    assert isinstance(option, click.Option)
    assert option.default == DEFAULT
    assert option.metavar == "|".join(EXECUTORS)
    assert option.hidden == (len(EXECUTORS) == 1)
    for row in EXECUTORS.values():
        assert f"{row.name}, {row.label}" in (option.help or "")


def test_a_program_that_names_none_of_them_is_told_which_was_meant() -> None:
    with pytest.raises(UsageError, match="there is no executor `lokal`") as refused:
        make_plan([], executor="lokal")
    assert refused.value.help == "did you mean `local`?"
