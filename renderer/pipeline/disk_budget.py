"""How much a plan will write, guessed before anything runs, and whether the drive has room for it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from renderer.errors import ResourceError
from renderer.facts import SAMPLE_RATE
from renderer.formats.table import FORMATS
from renderer.run.spool import MOST_SPOOLED_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.plan.jobs import Plan, TakePlan

SOUND_BYTES = SAMPLE_RATE * 2 * 4  # a second, as it is decoded: stereo in float32
SPARE_BYTES = 32_000_000  # for records, journal and report
_SMALLER = " or ".join(name for name, row in FORMATS.items() if not row.lossless)


def needed_bytes(plan: Plan) -> int:
    """What the plan's takes will take on the drive, about; never less for want of a guess."""
    return round(sum(_needed(take) for take in plan.as_if_picked.running))


def refuse_without_room(plan: Plan, folder: Path) -> None:
    """Raises: ResourceError when the drive that `folder` lies on can't hold what the plan makes."""
    needed, free = needed_bytes(plan) + _spooled(plan) + SPARE_BYTES, shutil.disk_usage(folder).free
    if needed > free:
        raise ResourceError(
            f"this needs about {format_bytes(needed)} on disk, {format_bytes(free)} are free",
            why=f"{len(plan.running)} takes with their latents go to `{folder}`",
            help=f"free some space, give another folder with --out, render fewer takes, or write {_SMALLER}",
        )


def format_bytes(num_bytes: float) -> str:
    """`3.2 MB`."""
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:  # noqa: PLR2004 - the step between units
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} GB"


def _needed(plan: TakePlan) -> float:
    audio = FORMATS[plan.take.song.output.format].bytes_per_second if plan.sound in plan.runs else 0.0
    stored = sum(plan.family.stages[stage].cost.bytes_per_second for stage in plan.runs)
    return (audio + stored) * plan.seconds


def _spooled(plan: Plan) -> float:
    """What lies there at most on its way from the worker to its file."""
    sounds = [SOUND_BYTES * take.seconds for take in plan.as_if_picked.running if take.sound in take.runs]
    return min(sum(sounds), max([MOST_SPOOLED_BYTES, *sounds]))
