"""`make pictures`: the pictures of README and docs, made of the real program with `mini`, into docs/pages/pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.pictures.report import picture_report
from docs.pictures.watch import record_watch

FOLDER = Path(__file__).parents[1] / "pages" / "pictures"
PICTURES = {"report.png": picture_report, "watch.svg": record_watch}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        with TemporaryDirectory() as scratch:
            (FOLDER / name).write_bytes(PICTURES[name](Path(scratch)))
        print(FOLDER / name)
