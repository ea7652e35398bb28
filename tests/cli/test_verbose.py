"""`--verbose`: a failure with where it came from, from every command; without it, words alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from renderer.cli.main import COMMANDS, cli, run
from renderer.cli.verbose import say_log, with_verbose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "eins.toml").write_text('caption = "x"\ninstrumental = true\n', "utf-8")
    (tmp_path / "renderer.toml").write_text('model = "mini"\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_a_failure_is_told_in_words_and_with_where_it_came_from_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keep", "eins.s1"]) == 2
    plain = capsys.readouterr().err
    assert run(["keep", "--verbose", "eins.s1"]) == 2
    verbose = capsys.readouterr().err

    assert "Traceback" not in plain
    assert "Traceback" in verbose
    assert "heard_takes" in verbose
    assert verbose.endswith(plain)


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        inner = command.commands.items() if isinstance(command, click.Group) else ()
        yield from ((f"{name} {sub}", one) for sub, one in inner)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield name, command


def test_every_command_takes_it_once() -> None:
    counts = {name: sum("--verbose" in param.opts for param in command.params) for name, command in commands()}

    assert set(counts.values()) == {1}
    assert {"render", "models", "models fetch", "store gc", "completion"} <= set(counts)


def test_the_logs_end_is_shown_when_asked_and_its_place_always(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("\n".join(f"line {number}" for number in range(100)) + "\nRuntimeError: \x1b[31mno", "utf-8")
    command = with_verbose(click.Command("x", callback=lambda: say_log(log)))

    plain = CliRunner().invoke(command, [])
    verbose = CliRunner().invoke(command, ["--verbose"])

    assert plain.stdout == f"the worker's log: {log}\n"
    assert plain.stderr == ""
    assert verbose.stdout == plain.stdout
    assert verbose.stderr.endswith("line 99\nRuntimeError: \\x1b[31mno\n")
    assert "line 1\n" not in verbose.stderr
    assert "61 lines before" in verbose.stderr


@pytest.mark.usefixtures("project")
def test_what_a_command_makes_no_use_of_is_taken_and_stands_not_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--mixed"]) == 0
    capsys.readouterr()
    assert run(["status", "--help"]) == 0
    assert "--mixed" not in capsys.readouterr().out
    assert run(["render", "--help"]) == 0
    assert "--mixed" in capsys.readouterr().out
