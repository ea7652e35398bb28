"""What the folders of a song project are called, and the file of its votes."""

from __future__ import annotations

import os
from pathlib import Path

SPECS_FOLDER = "specs"
OUTPUTS_FOLDER = "outputs"
PICKS_NAME = "picks.toml"
"""Beside the specs."""
STORE_FOLDER = ".store"
"""In the outputs folder, which it marks as one that was rendered to."""
REPORT_FOLDER = "report"
MEASURED_FOLDER = f"{REPORT_FOLDER}/measured"
"""Both in the outputs folder; the second is of measurements and spectrograms."""
WORKER_LOG, WATCH_LOG = "worker.log", "worker-of-watch.log"
"""In the store: the words of the first worker of a render, and of a watch."""


def specs_folder() -> Path:
    """The folder `specs` of the project we are in: here or the nearest above, within git's root and below the home.

    As it is reached from here; `specs` where there is none.
    """
    here = Path.cwd()
    for above in (here, *here.parents):
        if (above / SPECS_FOLDER).is_dir():
            return Path(os.path.relpath(above / SPECS_FOLDER, here))
        if os.path.lexists(above / ".git") or above == Path.home():
            break
    return Path(SPECS_FOLDER)
