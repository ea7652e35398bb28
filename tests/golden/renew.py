"""`python -m tests.golden.renew`: make the golden files anew and show what differs, kind by kind.

Refuses keys that moved without a raised stage version; `--unreleased` takes them, for stages that no release has had.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.golden import golden
from tests.golden.collect import collect
from tests.golden.layout import as_text


def main() -> int:
    """The exit code: 1 when nothing was written."""
    with tempfile.TemporaryDirectory() as folder:
        now = collect(Path(folder))
    before = golden.read()
    for kind in golden.KINDS:
        print(*golden.differences(kind, before[kind], now[kind]) or [f"{kind}: as before"], sep="\n")
    if moved := golden.moved_keys(before, now) if before["keys"] else []:
        print(*moved, sep="\n")
        if "--unreleased" not in sys.argv[1:]:
            print("nothing was written: put the requests back, or raise versions and tell of it in `former`")
            return 1
    golden.FOLDER.mkdir(exist_ok=True)
    for kind, document in now.items():
        golden.path(kind).write_text(as_text(document), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
