"""What two checkouts take for the same work, in turns: `python -m tests.bench.pairs BEFORE AFTER [--rounds 5]`.

The work: `check` on 2,000 specs, `plan` of 1,000 takes, `render` of the same when nothing is left to do, and what
`make demo` renders, with its takes measured and without; by each checkout's own `mini`, or by `--model FOLDER` in both,
which tells the code apart from what other weights make of the same songs. Each checkout has a library of its own, laid
out by its own code. A round runs every work by both, the order of the two changing; what is printed are the medians of
the rounds' ratios, after to before, of processor and of wall time, with the least and the most. Processor seconds count
every process started. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.checkout import Checkout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPECS = Path(__file__).parents[2] / "specs"
NUM_CHECKED = 2_000
PLAIN = ("--model", "mini", "--device", "cpu", "--threads", "1")
DEMO = ("--model", "mini", "--first-seed", "--preview", "20")
_FINISH = """
from pathlib import Path
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from tests.pipeline.thousand import finish, write_specs
write_specs(Path("specs"))
options = Options(model="mini", device="cpu", threads=1)
finish(Project(select(["specs"], options).takes, options))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something both checkouts do."""

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Checkout, Path], None]
    """Lays out an empty folder, once a checkout."""
    is_fresh: bool = False
    """Whether the outputs of the last round are taken away before each."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=[work.name for work in WORKS], action="append")
    parser.add_argument("--model", metavar="FOLDER", type=Path, help="what the demo renders with, in place of `mini`")
    options = parser.parse_args()
    checkouts = (Checkout(options.before.resolve()), Checkout(options.after.resolve()))
    works = [with_model(work, options.model) for work in WORKS if work.name in (options.only or [work.name])]
    with tempfile.TemporaryDirectory() as cache:
        # Older checkouts measure with whatever code numba's own cache has, and end where a killed process broke it.
        os.environ["NUMBA_CACHE_DIR"] = cache
        results = {work.name: dict(measured(work, checkouts, options.rounds)) for work in works}
    print(json.dumps(results))


def with_model(work: Work, model: Path | None) -> Work:
    """The same, of what renders by these weights."""
    if model is None or not work.is_fresh:
        return work
    name = str(model.resolve())
    return replace(work, arguments=tuple(name if one == "mini" else one for one in work.arguments))


def measured(work: Work, checkouts: tuple[Checkout, Checkout], rounds: int) -> Iterator[tuple[str, object]]:
    """Seconds of the first checkout, and ratios of the second to it."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, place) for place in ("before", "after")]
        for checkout, folder in zip(checkouts, folders, strict=True):
            (folder / ".git").mkdir(parents=True)
            work.prepare(checkout, folder)
            checkout.refuse_other_code(folder)
            taken(work, checkout, folder)  # compiles, fills the disk's cache
        rows = [in_turn(work, checkouts, folders, turn) for turn in range(rounds)]
    for kind, column in (("processor", 0), ("wall", 1)):
        ratios = sorted(after[column] / before[column] for before, after in rows)
        before = median(row[0][column] for row in rows)
        print(f"{work.name:24} {kind:10} {before:8.2f} s  × {median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")
        yield kind, {"before": round(before, 3), "ratios": [round(ratio, 3) for ratio in ratios]}


def in_turn(
    work: Work, checkouts: tuple[Checkout, Checkout], folders: list[Path], turn: int
) -> list[tuple[float, float]]:
    """Processor and wall seconds of both; every other time the second goes first."""
    order = (0, 1) if turn % 2 == 0 else (1, 0)
    seconds = {which: taken(work, checkouts[which], folders[which]) for which in order}
    return [seconds[0], seconds[1]]


def taken(work: Work, checkout: Checkout, folder: Path) -> tuple[float, float]:
    """Processor and wall seconds."""
    if work.is_fresh:
        shutil.rmtree(folder / "outputs", ignore_errors=True)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    checkout.run("-m", "renderer", *work.arguments, folder=folder, quiet=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def many_specs(_: Checkout, folder: Path) -> None:
    """The same example over and over."""
    (folder / "specs").mkdir()
    for number in range(NUM_CHECKED):
        shutil.copyfile(SPECS / "perro-de-plata.toml", folder / "specs" / f"song-{number}.toml")


def finished_library(checkout: Checkout, folder: Path) -> None:
    """A thousand takes as that checkout leaves them."""
    (folder / "specs").mkdir()
    checkout.run("-c", _FINISH, folder=folder)


def unplanned_library(checkout: Checkout, folder: Path) -> None:
    """A thousand takes, none rendered."""
    finished_library(checkout, folder)
    shutil.rmtree(folder / "outputs")


def demo(_: Checkout, folder: Path) -> None:
    """This repository's songs."""
    shutil.copytree(SPECS, folder / "specs")


WORKS = (
    Work(name="check 2,000 specs", arguments=("check", "specs"), prepare=many_specs),
    Work(name="plan 1,000 takes", arguments=("plan", "--json", *PLAIN), prepare=unplanned_library),
    Work(name="render 1,000 done", arguments=("render", *PLAIN, "--no-measure"), prepare=finished_library),
    Work(name="demo", arguments=("render", *DEMO), prepare=demo, is_fresh=True),
    Work(name="demo, not measured", arguments=("render", *DEMO, "--no-measure"), prepare=demo, is_fresh=True),
)


if __name__ == "__main__":
    main()
