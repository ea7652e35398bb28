"""`collect_report.py SUMMARY FOLDER`: a render's page and the takes it made, as `render --json` tells, copied together.

Links of the page to these takes hold in the copy. Prints the run's outcome as Markdown for a job's summary.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

MADE = ("rendered", "restored", "retagged")
PAGE = Path("report", "index.html")


def collect(summary: dict[str, object], folder: Path) -> int:
    """Copy page, takes and what lies beside them under their names; how many files it were."""
    outputs = Path(str(summary["outputs"]))
    made = {name for kind in MADE for name in summary[kind]}  # type: ignore[attr-defined]
    beside = (path for song in outputs.iterdir() if not song.name.startswith(".") for path in _files(song))
    wanted = [path for path in beside if path.stem in made]
    if (outputs / PAGE).is_file():
        wanted.append(outputs / PAGE)
    for path in wanted:
        copy = folder / path.relative_to(outputs)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return len(wanted)


def _files(song: Path) -> list[Path]:
    return [path for path in song.iterdir() if path.is_file() and not path.is_symlink()] if song.is_dir() else []


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    collect(told, Path(sys.argv[2]))
    print(f"\n### Render\n\n{told['summary']}")
