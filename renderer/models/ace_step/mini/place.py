"""Where the embedded model lies on this machine. No torch here: building runs in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from renderer.errors import ModelError

FORMAT = 2  # raised when sizes, classes or seed change what is built


def ensure_mini() -> Path:
    """The folder of `mini`, built into the user's cache the first time.

    Raises: ModelError when it can't be built.
    """
    cache = user_cache_path("renderer", ensure_exists=True)
    folder = cache / f"mini-{FORMAT}"
    with FileLock(cache / "mini.lock"):
        if not folder.exists():
            _build_into(folder)
    return folder


def _build_into(folder: Path) -> None:
    """Build beside `folder` and rename, so that no one ever sees half a set."""
    rough = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    command = [sys.executable, "-m", "renderer.models.ace_step.mini.build", str(rough), "mini"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        shutil.rmtree(rough, ignore_errors=True)
        raise ModelError("the embedded model could not be built", why=built.stderr.strip()[-2000:])
    rough.replace(folder)
