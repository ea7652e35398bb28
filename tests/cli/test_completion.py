"""What real shells complete: commands, models, songs, takes, codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def completed(shell: str, script: str, project: Path, words: str) -> set[str]:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here")
    quoted = " ".join(f"'{word}'" for word in words.split(" "))
    filled = script.format(words=quoted, last=words.count(" "), place=words.count(" ") + 1)
    environment = {
        **os.environ, "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    options = ["-f"] if shell == "zsh" else ["--norc"]
    done = subprocess.run(
        [path, *options, "-c", filled], cwd=project, env=environment, capture_output=True, text=True, check=False
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
        ("renderer plan --model xl-t", {"xl-turbo"}),
        ("renderer plan --lm 4", {"4B"}),
        ("renderer check --explain unknown-k", {"unknown-key"}),
    ],
)
def test_a_shell_completes(shell: str, script: str, project: Path, words: str, names: set[str]) -> None:
    assert completed(shell, script, project, words) >= names
