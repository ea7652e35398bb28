"""Keeps a Mac from falling asleep while a run lasts; elsewhere there is nothing to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from renderer.processes import absolute_entries

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_idle_sleep(platform: str = sys.platform) -> Iterator[None]:
    """Hold macOS's idle sleep off; it ends with this process even when that is killed."""
    caffeinate = (
        shutil.which("caffeinate", path=absolute_entries(os.environ.get("PATH", ""))) if platform == "darwin" else None
    )
    if caffeinate is None:
        yield
        return
    holding = subprocess.Popen([caffeinate, "-i", "-w", str(os.getpid())])
    try:
        yield
    finally:
        holding.terminate()
        holding.wait()
