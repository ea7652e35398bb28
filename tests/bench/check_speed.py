"""`renderer check` on 2,000 and 20,000 specs, and `--help`: seconds with start-up, as a user waits for them.

`python -m tests.bench.check_speed`. Ends with one line of JSON.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "specs" / "perro-de-plata.toml"


def seconds(*arguments: str, folder: Path) -> float:
    """The better of two runs."""
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "renderer", *arguments], cwd=folder, check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    """Measure and print."""
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".git").mkdir()
        results["help"] = seconds("--help", folder=folder)
        for count in (1, 200, 2_000, 20_000):
            specs = folder / str(count)
            specs.mkdir()
            for number in range(count):
                shutil.copyfile(EXAMPLE, specs / f"song-{number}.toml")
            results[f"check {count}"] = seconds("check", str(count), folder=folder)
    print(json.dumps({label: round(taken, 2) for label, taken in results.items()}))


if __name__ == "__main__":
    main()
