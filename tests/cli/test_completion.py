"""What real shells complete: commands, models, songs, takes, codes."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

SPEC = 'title = "Eins"\ncaption = "calm piano"\nlyrics = "[verse]\\nla"\nseeds = [1, 2]\n'
BASH = """
eval "$(renderer completion bash)"
COMP_WORDS=({words}); COMP_CWORD={last}
_renderer_completion renderer
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ }}
_describe() {{ local -a found; found=("${{(@P)3}}"); print -l -- ${{found%%:*}} }}
compadd() {{ local -a found; found=("${{(@P)${{@[-1]}}}}"); print -l -- $found }}
eval "$(renderer completion zsh)"
words=({words}); CURRENT={place}
_renderer_completion
"""
START = {
    "bash": "PS1='READY''> '; bind 'set show-all-if-ambiguous on'; eval \"$(renderer completion bash)\"\n",
    "zsh": "PS1='READY''> '; autoload -U compinit; compinit -u -D; eval \"$(renderer completion zsh)\"\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "eins.toml").write_text(SPEC, "utf-8")
    (tmp_path / "specs" / "zwei.toml").write_text(SPEC, "utf-8")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "renderer"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m renderer "$@"\n', "utf-8")
    program.chmod(0o755)
    return tmp_path


def environment(project: Path) -> dict[str, str]:
    return {
        **os.environ, "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "dumb", "HOME": str(project),
    }  # fmt: skip


def completed(shell: str, script: str, project: Path, words: str) -> set[str]:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here")
    quoted = " ".join(f"'{word}'" for word in words.split(" "))
    filled = script.format(words=quoted, last=words.count(" "), place=words.count(" ") + 1)
    options = ["-f"] if shell == "zsh" else ["--norc"]
    done = subprocess.run(
        [path, *options, "-c", filled],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("zsh", ZSH)])
@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("renderer wat", {"watch"}),
        ("renderer render ei", {"eins"}),
        ("renderer status zwei.s", {"zwei.s1", "zwei.s2"}),
        ("renderer plan --model xl-t", {"xl-turbo", "xl-turbo-diffusers"}),
        ("renderer plan --lm 4", {"4B"}),
        ("renderer check --explain unknown-k", {"unknown-key"}),
        ("renderer share eins.s2", {"eins.s2"}),
        ("renderer render --unt", {"--until"}),
        ("renderer store g", {"gc"}),
    ],
)
def test_a_shell_completes(shell: str, script: str, project: Path, words: str, names: set[str]) -> None:
    assert completed(shell, script, project, words) == names


@pytest.mark.parametrize("shell", START)
@pytest.mark.parametrize(
    ("typed", "shown"), [("renderer wat\t", "renderer watch "), ("renderer status zwei.\t\t", "zwei.s2")]
)
def test_a_tab_typed_at_a_prompt_completes(shell: str, project: Path, typed: str, shown: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here")
    ours, theirs = pty.openpty()
    options = ["-f", "-i"] if shell == "zsh" else ["--norc", "--noprofile", "-i"]
    process = subprocess.Popen(
        [path, *options],
        cwd=project, env=environment(project), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        os.write(ours, START[shell].encode())
        read_until(ours, "READY> ")
        os.write(ours, typed.encode())
        read_until(ours, shown)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, shown: str) -> None:
    """Read what comes until it holds this."""
    seen, end = "", time.monotonic() + PATIENCE_SECONDS
    while shown not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"no `{shown}` in {seen!r}"
        seen += os.read(terminal, 4096).decode("utf-8", "replace")
