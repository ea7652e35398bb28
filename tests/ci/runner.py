"""What runs an action's steps here: GitHub's runner in small, after its own documentation and source.

Expressions: those that `action.yml` uses. Commands: as actions/runner reads them, src/Runner.Common/ActionCommand.cs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
KNOWN = frozenset({"error", "warning", "notice", "debug", "group", "add-mask", "set-output", "set-env", "add-path"})
SONG = """
title = "Eins"
caption = "calm piano"
instrumental = true
seeds = [1, 2]
[metas]
bpm = 90
duration = 30
"""
DEFAULTS = 'model = "mini"\n'
PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A workflow command that the runner would carry out."""

    name: str
    properties: dict[str, str]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of one."""

    name: str
    code: int
    log: str
    commands: tuple[Command, ...]


@dataclass(slots=True, kw_only=True)
class Job:
    """A job of one step that uses the action: a checkout, a home without anything, and what the runner gives."""

    checkout: Path
    scratch: Path
    event: dict[str, Any] = field(default_factory=dict)
    """Its `event_name`, and the event beside it."""
    env: dict[str, str] = field(default_factory=dict)
    path: str = PATH
    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    uploaded: list[dict[str, str]] = field(default_factory=list)

    @property
    def summary(self) -> str:
        return self._file("summary").read_text("utf-8")

    @property
    def failed(self) -> bool:
        return any(step.code for step in self.steps)

    @property
    def commands(self) -> list[Command]:
        return [command for step in self.steps for command in step.commands]

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    def run(self, **inputs: str) -> Job:
        """All steps that are due, with these inputs."""
        given = {name: str(row.get("default", "")) for name, row in ACTION["inputs"].items()} | inputs
        assert set(given) == set(ACTION["inputs"])
        for step in ACTION["runs"]["steps"]:
            condition = step.get("if", "success()")
            condition = (
                condition if re.search(r"(success|cancelled)\(\)", condition) else f"success() && ({bare(condition)})"
            )
            if not self._value(condition, given):
                continue
            if "uses" in step:
                self.uploaded.append({key: self._text(text, given) for key, text in step["with"].items()})
            else:
                self._run(step, given)
        return self

    def _run(self, step: dict[str, Any], given: dict[str, str]) -> None:
        assert "${{" not in step["run"], "an expression in a shell's line"
        assert step["shell"] == "bash"
        script = self.scratch / "step.sh"
        script.write_text(step["run"], "utf-8")
        for name in ("output", "env", "path"):
            self._file(name).write_text("")
        told = {name: self._text(text, given) for name, text in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.checkout,
            env=self._environment() | told,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        log = done.stdout.decode("utf-8", "replace")
        self.steps.append(Step(name=step["name"], code=done.returncode, log=log, commands=tuple(commands(log))))
        if "id" in step:
            lines = self._file("output").read_text("utf-8").splitlines()
            self.outputs[step["id"]] = dict(line.split("=", 1) for line in lines)
        self.path = ":".join([*reversed(self._file("path").read_text("utf-8").split()), self.path])

    def _environment(self) -> dict[str, str]:
        temp, home = self.scratch / "temp", self.scratch / "home"
        for folder in (temp, home):
            folder.mkdir(exist_ok=True)
        event = self.scratch / "event.json"
        event.write_text(json_of(self.event.get("event", {})), "utf-8")
        self._file("summary").touch()
        files = {f"GITHUB_{name.upper()}": str(self._file(name)) for name in ("output", "env", "path")}
        return {
            "PATH": self.path,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"],
            "RUNNER_TEMP": str(temp),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_WORKSPACE": str(self.checkout),
            "GITHUB_REPOSITORY": "band/songs",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_STEP_SUMMARY": str(self._file("summary")),
            **files,
            **self.env,
        }

    def _file(self, name: str) -> Path:
        return self.scratch / f"github-{name}"

    def _text(self, text: str, given: dict[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            return str(self._value(found[0], given))

        return re.sub(r"\$\{\{.*?\}\}", value, str(text))

    def _value(self, expression: str, given: dict[str, str]) -> object:
        """Of an expression of names, strings, `==`, `!=`, `!`, `&&`, `||` and brackets."""
        words = re.findall(r"'[^']*'|&&|\|\||[!=]=|[!()]|[\w.()-]+?\(\)|[\w.-]+", bare(expression))
        python = {"&&": "and", "||": "or", "!": "not"}
        text = " ".join(python.get(word) or self._literal(word, given) for word in words)
        return eval(text, {})

    def _literal(self, word: str, given: dict[str, str]) -> str:
        if word[0] == "'" or word in ("==", "!=", "(", ")"):
            return word
        if word == "success()":
            return str(not self.failed)
        if word == "cancelled()":
            return "False"
        scope, _, rest = word.partition(".")
        if scope == "inputs":
            return repr(given[rest])
        if scope == "steps":
            step, _, output = rest.partition(".outputs.")
            return repr(self.outputs.get(step, {}).get(output, ""))
        assert scope == "github", word
        found: Any = {"repository": "band/songs", "event_name": "push", **self.event}
        for name in rest.split("."):
            found = found.get(name, {}) if isinstance(found, dict) else {}
        return repr(found or "")


def bare(expression: str) -> str:
    """Without `${{ }}`."""
    return expression.strip().removeprefix("${{").removesuffix("}}").strip()


def json_of(value: object) -> str:
    import json

    return json.dumps(value)


def commands(log: str) -> list[Command]:
    """What the runner would carry out of a step's log."""
    found: list[Command] = []
    stopped: str | None = None
    for line in log.splitlines():
        if stopped is not None:
            stopped = None if line.strip() == f"::{stopped}::" else stopped
            continue
        command = _second_form(line) or _first_form(line)
        if command is not None and command.name == "stop-commands":
            stopped = command.text
        elif command is not None:
            found.append(command)
    return found


def _second_form(line: str) -> Command | None:
    """`::error file=a.toml::words`, behind blanks."""
    match = re.match(r"\s*::(?P<name>[^ :]+)(?: (?P<properties>.*?))?::(?P<text>.*)", line)
    if match is None or match["name"] not in KNOWN | {"stop-commands"}:
        return None
    pairs = (pair.split("=", 1) for pair in (match["properties"] or "").split(",") if "=" in pair)
    properties = {key.strip(): _unescaped(value, "%3A:", "%2C,") for key, value in pairs}
    return Command(name=match["name"], properties=properties, text=_unescaped(match["text"]))


def _first_form(line: str) -> Command | None:
    """`##[error]words`, anywhere in a line."""
    match = re.search(r"##\[(?P<name>[^ \]]+)[^\]]*\](?P<text>.*)", line)
    if match is None or match["name"] not in KNOWN:
        return None
    return Command(name=match["name"], properties={}, text=match["text"])


def _unescaped(text: str, *more: str) -> str:
    for pair in ("%0D\r", "%0A\n", *more, "%25%"):
        text = text.replace(pair[:3], pair[3:])
    return text
