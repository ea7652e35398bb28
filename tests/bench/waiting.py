"""How a worker's threads wait for each other: `python -m tests.bench.waiting FOLDER [--rounds 3] [--busy 0 1 2]`.

A render with `mini` on all cores, its threads waiting as the renderer has it (asleep) and as libgomp would by itself
(it spins), in turns, beside so many processes that keep a core busy. Told are medians of wall and processor seconds, of
the rounds' ratios asleep to spinning the median, and how the renderer's way stands to the better of both. Others on the
machine count as busy processes, too: the load before each count of them is told. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = """
title = "Waiting"
caption = "calm piano, brushed drums"
lyrics = '''
[verse]
A light in the harbour
'''
seeds = [1]
[metas]
bpm = 90
duration = 10
"""
WAYS = {
    "asleep": {},
    # What libgomp takes where nobody says anything: a third of a million turns before it sleeps.
    "spinning": {"GOMP_SPINCOUNT": "300000"},
}


class Taken(NamedTuple):
    """Seconds of one render."""

    wall: float
    processor: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    folder = options.folder.resolve()
    (folder / "specs").mkdir(parents=True)
    (folder / "specs" / "waiting.toml").write_text(SPEC, "utf-8")
    render(folder, {})  # fills the disk's cache
    rows = {}
    for count in options.busy:
        load = os.getloadavg()[0]
        with busy(count):
            rounds = [in_turn(folder, number) for number in range(options.rounds)]
        rows[count] = told(rounds) | {"load_before": round(load, 1)}
        print(f"{count} busy: {json.dumps(rows[count])}", flush=True)
    print(json.dumps(rows))


def in_turn(folder: Path, number: int) -> dict[str, Taken]:
    """A render in each way, the order changing from round to round."""
    names = list(WAYS)[:: 1 if number % 2 == 0 else -1]
    return {name: render(folder, WAYS[name]) for name in names}


def told(rounds: list[dict[str, Taken]]) -> dict[str, float]:
    """Medians, and the renderer's way to the better of both."""
    found: dict[str, float] = {}
    for kind in Taken._fields:
        middle = {name: median(getattr(one[name], kind) for one in rounds) for name in WAYS}
        ratios = [getattr(one["asleep"], kind) / getattr(one["spinning"], kind) for one in rounds]
        found |= {f"{name} {kind}": round(seconds, 2) for name, seconds in middle.items()}
        found[f"{kind} ratio"] = round(median(ratios), 3)
        found[f"{kind} to the best"] = round(middle["asleep"] / min(middle.values()), 3)
    return found


def render(folder: Path, variables: dict[str, str]) -> Taken:
    """Seconds that a render into a fresh folder takes."""
    shutil.rmtree(folder / "outputs", ignore_errors=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "renderer", "render", "--model", "mini", "--device", "cpu", "--no-measure"],
        cwd=folder,
        env=kept | variables | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(time.monotonic() - began, spent)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that want a core all the time."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
