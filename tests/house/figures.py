"""What the house is counted by: `python -m tests.house.figures CHECKOUT [LATER-CHECKOUT]`, `--where` for file and line.

Any checkout will do, as its source is read and never imported. Stages are named as they were when counting began.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from renderer.models.ace_step.stages import FAMILY as ACE_STEP
from tests.house.source import code_lines, comment_lines, functions, modules, stage_mentions
from tests.house.words import classes_named_twice, retired_bindings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.house.source import Module

SPEC_KEYS = frozenset({"codes", "lm", "vae"})
"""Names of stages and parts that a spec's author writes, too: whoever reads specs says them, and means the keys."""
STAGES = tuple(name for name in (*ACE_STEP.stages, *ACE_STEP.parts) if name not in SPEC_KEYS)
FAMILY = "renderer/models/ace_step/"
BAGS = ("Mapping[str, Any]", "dict[str, Any]")
TAUGHT = {
    "models": "renderer/models/",
    "ace_step": FAMILY,
    "store": "renderer/store/",
    "run": "renderer/run/",
}
"""Where comments are counted apart: kernels, graphs, durability."""


def main() -> None:
    """Print the figures of one checkout or two side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", type=Path, nargs="+")
    parser.add_argument("--where", action="store_true", help="where in the last one the counted things stand")
    options = parser.parse_args()
    programs = [modules(checkout) for checkout in options.checkouts]
    columns = [figures(program) for program in programs]
    for name in dict.fromkeys(name for column in columns for name in column):
        print(f"{name:44}", *(f"{column.get(name, '-'):>8}" for column in columns))
    if options.where:
        print(*where(programs[-1]), sep="\n")


def figures(program: Sequence[Module]) -> dict[str, str]:
    """Name -> count, as text."""
    lines = [module.text.count("\n") for module in program]
    spans = [(node.end_lineno or node.lineno) - node.lineno + 1 for module in program for node in functions(module)]
    folders = Counter(module.path.rsplit("/", 1)[0] for module in program)
    mentions = list(_stages_outside(program))
    sizes = {
        "modules": len(program),
        "lines of a module, median": round(median(lines)),
        "lines of a module, most": max(lines),
        "functions": len(spans),
        "lines of a function, median": round(median(spans)),
        "lines of a function, 9 of 10 at most": round(quantiles(spans, n=10)[-1]),
        "lines of a function, most": max(spans),
        "files a folder, median": round(median(folders.values())),
        "files a folder, most": max(folders.values()),
        "files outside ace_step that name a stage": len({place.partition(":")[0] for place in mentions}),
        "stages named there": len(mentions),
    }
    bags = {f"lines with `{bag}`": len(list(_lines_with(program, bag))) for bag in BAGS}
    words = {
        "retired words as names": len(list(retired_bindings(program))),
        "public class names made twice": len(classes_named_twice(program)),
    }
    return {name: str(count) for name, count in (sizes | bags | words).items()} | _comments(program)


def where(program: Sequence[Module]) -> Iterator[str]:
    """Where the things stand that are to vanish."""
    yield from (f"{place} names a stage" for place in _stages_outside(program))
    yield from (f"{place} {bag}" for bag in BAGS for place in _lines_with(program, bag))
    yield from (f"{binding}: {row.instead}" for binding, row in retired_bindings(program))
    for made in classes_named_twice(program).values():
        yield "twice: " + ", ".join(map(str, made))


def _comments(program: Sequence[Module]) -> dict[str, str]:
    places: dict[str, Callable[[Module], bool]] = {"": lambda _: True}
    places |= {f", {name}": lambda module, head=head: module.path.startswith(head) for name, head in TAUGHT.items()}
    return {f"comment lines a 100 of code{name}": _share(filter(holds, program)) for name, holds in places.items()}


def _share(program: Iterator[Module]) -> str:
    counted = [(comment_lines(module), code_lines(module)) for module in program]
    return f"{100 * sum(comments for comments, _ in counted) / max(1, sum(code for _, code in counted)):.1f}"


def _stages_outside(program: Sequence[Module]) -> Iterator[str]:
    outside = (module for module in program if not module.path.startswith(FAMILY))
    return (f"{module.path}:{line}:" for module in outside for line in stage_mentions(module, STAGES))


def _lines_with(program: Sequence[Module], text: str) -> Iterator[str]:
    for module in program:
        for number, line in enumerate(module.text.splitlines(), 1):
            if text in line:
                yield f"{module.path}:{number}:"


if __name__ == "__main__":
    main()
