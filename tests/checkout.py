"""Another checkout's code, run with this interpreter and its libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with `renderer/` and `tests/` in it."""

    root: Path
    """Absolute."""

    def run(self, *arguments: str, folder: Path, quiet: bool = False) -> None:
        """Python with these arguments, started in `folder`.

        Raises: SystemExit when it fails.
        """
        command = [sys.executable, *arguments]
        ended = subprocess.run(command, cwd=folder, env=self._environment, check=False, capture_output=quiet, text=True)
        if ended.returncode:
            raise SystemExit(f"{self.root}: {command} ended with {ended.returncode}\n{ended.stderr or ''}")

    def refuse_other_code(self, folder: Path) -> None:
        """Make sure that what is started in `folder` is this checkout's.

        Raises: SystemExit when it isn't.
        """
        command = [sys.executable, "-c", "import renderer; print(renderer.__file__)"]
        ended = subprocess.run(command, cwd=folder, env=self._environment, capture_output=True, text=True, check=True)
        if not ended.stdout.startswith(str(self.root)):
            raise SystemExit(f"{ended.stdout.strip()} would run in place of {self.root}")

    @property
    def _environment(self) -> dict[str, str]:
        # Where bytecode isn't kept, as some machines have it, every start would compile what others find compiled.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return kept | {"PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}
