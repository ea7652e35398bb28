"""How fast this machine renders: its parts measured with one model set, what that suggests, and where it is kept.

Each load runs in a process of its own: MLX and Metal never share one, and what crashes costs its own figures. No torch.
"""

from __future__ import annotations

import io
import json
import subprocess
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil

from renderer.errors import ResourceError
from renderer.json_values import from_json
from renderer.models import memory
from renderer.models.bench.figures import BenchFigure
from renderer.models.bench.record import keep
from renderer.models.catalog import zoo
from renderer.models.family import family_of
from renderer.models.probes.verdict import identity
from renderer.pipeline.bench_advice import record, suggestions
from renderer.pipeline.bench_tasks import subjects, tasks
from renderer.pipeline.models import require_fetched, require_fit
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from renderer.processes import SAFE_FOLDER, inherited, python
from renderer.run.wire import send
from renderer.spec.checkpoints import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.models.model_files import Settings
    from renderer.models.numerics import Numerics
    from renderer.pipeline.bench_tasks import BenchTask
    from renderer.pipeline.options import Options
    from renderer.provenance import Environment

SECONDS = 60.0
"""Of the song that is measured with."""
SPEC = f"""caption = "slow piano, warm, a woman's voice"
lyrics = '''
[verse]
the kettle hums, the lamp is low
the last train went an hour ago
'''
seeds = [1]
[metas]
duration = {SECONDS:g}
"""
MEASUREMENTS = 12
"""Among which the time is shared."""
LEAST_SECONDS = 3.0
"""That have to be left for another process to be started."""
TIME_WAS_UP = "the time was up"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """All that was measured."""

    model: str
    lm: str | None
    settings: Settings
    environment: Environment
    machine: Mapping[str, object]
    """The device and its system, as far as results hang on them: no names, no paths."""
    figures: tuple[BenchFigure, ...]
    suggestions: tuple[str, ...]
    seconds: float
    """That it took."""


def model_on_disk() -> str:
    """The default model set where it and its LM are on disk, else the embedded one."""
    found = zoo.resolve(DEFAULT_MODEL)
    return DEFAULT_MODEL if found.files and not found.missing else zoo.MINI


def bench(options: Options, *, minutes: float, listen: Callable[[BenchFigure], None]) -> BenchResult:
    """Measure with the models that `options` name, the important first, as far as the time goes.

    Raises: ModelError for models that aren't on disk or can't be used, ResourceError for a device that can't.
    """
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        spec = Path(folder) / "bench.toml"
        spec.write_text(SPEC, "utf-8")
        options = replace(options, outputs=Path(folder) / "outputs")
        project = Project(select((str(spec),), options).takes, options)
        plan, settings, found = project.plan(), project.settings, list[BenchFigure]()
        variant = project.takes[0].variant
        require_fetched({take.name: project.model_of(take.take.variant) for take in plan.running})
        require_fit(plan, project.model_of)

        @cache
        def numerics(settings: Settings) -> Mapping[str, Numerics]:
            return family_of(variant.model).plan_model(variant, settings).numerics

        every = subjects(plan, numerics, SECONDS)
        for task in tasks(every, settings):
            for figure in _figures(task, minutes * 60, time.monotonic() - began):
                found.append(figure)
                listen(figure)
    keep(settings.device, record(every, found, settings))
    return BenchResult(
        model=Path(plan.takes[0].files.name).name,
        lm=_name(plan.takes[0].files.lm),
        settings=settings,
        environment=project.environment,
        machine=_machine(settings),
        figures=tuple(found),
        suggestions=tuple(suggestions(every, found, settings)),
        seconds=time.monotonic() - began,
    )


def _machine(settings: Settings) -> Mapping[str, object]:
    told = {name: value for name, value in identity(settings.device).items() if name not in {"probes", "system"}}
    return told | {"cores": psutil.cpu_count(logical=False), "bytes": psutil.virtual_memory().total}


def _figures(task: BenchTask, most: float, spent: float) -> Iterator[BenchFigure]:
    """A task's, from a process of its own; for what it owes, one that says why."""
    part, settings = task.load.part, task.load.settings
    device = settings.of(part.part).device
    blank = BenchFigure(part=part.part, what="load", dtype=task.dtype, device=device.partition(":")[0])
    if most - spent < LEAST_SECONDS:
        yield replace(blank, said=TIME_WAS_UP)
        return
    try:
        memory.refuse_if_too_large(part.part, part.files, settings, SECONDS, free=memory.available(device))
    except ResourceError as error:
        yield replace(blank, said=f"{error.message}: {error.why}")
        return
    told, said = _answers(task, most / MEASUREMENTS, most - spent)
    yield from (from_json(BenchFigure, json.loads(line)) for line in told)
    if said:
        yield replace(blank, what="stages" if told else "load", said=said)


def _answers(task: BenchTask, each: float, left: float) -> tuple[list[str], str]:
    """The lines of a process, and why there are no more of them."""
    commands = io.BytesIO()
    send(commands, task.load)
    for run in task.runs:
        send(commands, run)
    try:
        ran = subprocess.run(
            python("-m", "renderer.run.bench_worker", task.dtype, str(each)),
            input=commands.getvalue(),
            cwd=SAFE_FOLDER,
            env=inherited(),
            capture_output=True,
            timeout=left,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        lines = (error.stdout or b"").splitlines(keepends=True)
        return [line.decode() for line in lines if line.endswith(b"\n")], TIME_WAS_UP
    why = (ran.stderr.decode(errors="replace").strip().splitlines() or ["no word"])[-1]
    # It is pasted where others read it.
    why = why.replace(str(Path.home()), "~")
    return ran.stdout.decode().splitlines(), why if ran.returncode else ""


def _name(lm: str | None) -> str | None:
    return Path(lm).name if lm else None
