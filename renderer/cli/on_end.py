"""`--on-end COMMAND`: a command of the user's that is run when a render has ended, with the summary on its input."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from renderer.errors import RendererError, UsageError
from renderer.processes import absolute_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SECONDS = 60.0


def split_command(command: str) -> tuple[str, ...]:
    """The command's words, as a shell would part them.

    Raises: UsageError, before a night is spent, for one that can't be parted or found.
    """
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"`{command}` is no command", why=str(error).lower(), help="close its quotes") from error
    if not words:
        raise UsageError("`--on-end` names no command", help="--on-end 'notify-send rendered'")
    if shutil.which(words[0], path=_path()) is None:
        raise UsageError(
            f"there is no program `{words[0]}`",
            why="`--on-end` runs it without a shell: no pipes, no `~`, no variables, no aliases",
            help="give its path, or put what a shell is to do into --on-end 'sh -c \"…\"'",
        )
    return words


def run_on_end(words: Sequence[str], summary: object) -> None:
    """Run the command and wait for it; what it writes goes to stderr.

    Raises: RendererError when it can't be started, fails, or takes longer than `MOST_SECONDS`.
    """
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=2, env=os.environ | {"PATH": _path()}, start_new_session=True
        )
    except OSError as error:
        raise RendererError(f"`{shlex.join(words)}` can't be started", why=error.strerror or str(error)) from error
    try:
        process.communicate(json.dumps(summary).encode(), timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise RendererError(
            f"`{shlex.join(words)}` was ended after {MOST_SECONDS:g} s", why="`--on-end` waits no longer"
        ) from error
    finally:
        # Whatever it left behind, or interrupted our waiting for it.
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise RendererError(f"`{shlex.join(words)}` failed", why=f"it ended with {process.returncode}")


def _path() -> str:
    """Where programs are looked for; never in the song project one happens to be in."""
    return absolute_entries(os.environ.get("PATH", os.defpath))
