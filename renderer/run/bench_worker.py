"""`python -m renderer.run.bench_worker DTYPE SECONDS`: a part loaded and its stages run against the clock.

Commands come as a worker's do, first a `LoadPart`, then a `RunJobs` for each figure, whose jobs are those at once; a
line of JSON goes out for each. A stage is given up after so many seconds, once a unit of it is known.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from renderer.errors import RendererError
from renderer.json_values import to_json
from renderer.models import device as devices
from renderer.models.bench.figures import BenchFigure
from renderer.models.bench.stopwatch import Stopwatch
from renderer.models.family import family, part_of, runner_of, stage_of
from renderer.models.stage_job import Failed
from renderer.run.wire import receive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from renderer.models.stage_job import LoadedPart
    from renderer.run.messages import LoadPart, RunJobs


def figures(commands: IO[bytes], dtype: str, most_seconds: float) -> Iterator[BenchFigure]:
    """The load's, then each stage's."""
    load = cast("LoadPart", receive(commands))
    part, files = load.part.part, load.part.files
    device = load.settings.of(part).device
    blank = BenchFigure(part=part, what="load", dtype=dtype, device=device.partition(":")[0])
    loader = family(files.family).loader()
    loader.prepare()
    clock = Stopwatch()
    loaded = loader.load(part, files, load.settings, clock)
    peak = devices.peak_bytes(device)
    yield replace(blank, seconds=clock.spent, components=clock.components, peak_bytes=peak)
    while (run := cast("RunJobs | None", receive(commands))) is not None:
        slots = len(run.jobs) if part_of(files, part).at_once else None
        found = _figure(run, load, loaded, most_seconds, replace(blank, what=run.stage, slots=slots))
        yield replace(found, peak_bytes=devices.peak_bytes(device))


def _figure(run: RunJobs, load: LoadPart, part: LoadedPart, most_seconds: float, blank: BenchFigure) -> BenchFigure:
    own: Any = part
    if blank.slots is not None:
        own = own.with_slots(blank.slots)
    clock = Stopwatch(most_seconds=most_seconds)
    try:
        ran = list(runner_of(stage_of(load.part.files, run.stage))(own, run.jobs, clock))
    except RendererError as error:
        return replace(blank, said="; ".join(filter(None, (error.message, error.why))))
    if failed := next((one for one in ran if isinstance(one, Failed)), None):
        return replace(blank, said="; ".join(filter(None, (failed.message, failed.why))))
    tile = (load.settings.vae_tile, load.settings.vae_overlap) if clock.unit == "tiles" else None
    if clock.unit_seconds:
        return replace(blank, seconds=clock.unit_seconds, unit=clock.unit, total=clock.total, tile=tile)
    # Of what tells nothing on its way, all of it counts as one.
    return replace(blank, seconds=clock.spent, total=1, tile=tile)


if __name__ == "__main__":
    out, sys.stdout = sys.stdout, sys.stderr
    for figure in figures(sys.stdin.buffer, sys.argv[1], float(sys.argv[2])):
        print(json.dumps(to_json(figure)), file=out, flush=True)
