"""The run drawn along time: a lane a part, or a lane a worker where there are several; a path for each part's jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.models.family import known_families
from renderer.run.worker_names import worker_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from renderer.models.stage_spec import PartSpec
    from renderer.report.values import ReportRun

WIDTH = 1000  # units of the drawing, stretched to the page
LANE = 20
BAR = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One part's jobs and loads; where several workers ran, one worker's."""

    name: str
    jobs: tuple[tuple[str, str], ...]
    """Part, and the SVG path of its jobs."""
    failed: str
    loads: str
    num_jobs: int
    job_seconds: float
    """By the clock, as the bars are drawn."""
    load_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How often a component was read, against rendering take after take."""

    component: str
    count: int
    song_by_song: int
    seconds: float
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The drawing's numbers."""

    lanes: tuple[Lane, ...]
    width: int
    lane_height: int
    seconds: float
    loads: tuple[Load, ...]

    @property
    def num_loads(self) -> int:
        """Reads from disk in this run."""
        return sum(load.count for load in self.loads)

    @property
    def num_song_by_song(self) -> int:
        """Reads that take after take would have needed."""
        return sum(load.song_by_song for load in self.loads)


def make_timeline(run: ReportRun) -> Timeline:
    """Lanes in the order of the data's way, only those where something happened."""
    jobs, loads = _by_lane(run, _job_bars(run)), _by_lane(run, _load_bars(run))
    ends = (bar.start_seconds + bar.seconds for bars in (*jobs.values(), *loads.values()) for bar in bars)
    seconds = max(run.seconds, *ends, 1e-3)
    return Timeline(
        lanes=tuple(
            _lane(name, jobs.get(name, ()), loads.get(name, ()), WIDTH / seconds)
            for name in _lane_names(run)
            if name in jobs or name in loads
        ),
        width=WIDTH,
        lane_height=LANE,
        seconds=seconds,
        loads=_loads(run),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    part: str
    start_seconds: float
    seconds: float
    worker: int
    failed: bool = False


def _lane_names(run: ReportRun) -> tuple[str, ...]:
    """In the order of the data's way; of several workers, in the order of their numbers."""
    if len(run.workers) > 1:
        return tuple(_worker_name(run, worker) for worker in range(len(run.workers)))
    known = (part.lane for part in _parts().values())
    return tuple(dict.fromkeys([*known, *(bar.part for bar in (*_job_bars(run), *_load_bars(run)))]))


def _worker_name(run: ReportRun, worker: int) -> str:
    """As `worker_names` has it."""
    return worker_names(run.workers)[worker] if worker < len(run.workers) else f"worker {worker + 1}"


def _job_bars(run: ReportRun) -> tuple[_Bar, ...]:
    return tuple(
        _Bar(
            part=job.part,
            start_seconds=job.start_seconds,
            seconds=job.seconds,
            worker=job.worker,
            failed=job.failed,
        )
        for job in run.jobs
    )


def _load_bars(run: ReportRun) -> tuple[_Bar, ...]:
    part_of = {component: part.name for part in _parts().values() for component in part.components}
    return tuple(
        _Bar(
            part=part_of.get(load.component, load.component),
            start_seconds=load.start_seconds,
            seconds=load.seconds,
            worker=load.worker,
        )
        for load in run.loads
    )


def _parts() -> dict[str, PartSpec]:
    """Part -> row, in the order of the families' tables."""
    return {part.name: part for known in known_families() for part in known.parts.values()}


def _by_lane(run: ReportRun, bars: Iterable[_Bar]) -> dict[str, list[_Bar]]:
    lanes: dict[str, list[_Bar]] = {}
    parts, several = _parts(), len(run.workers) > 1
    for bar in bars:
        part = parts[bar.part].lane if bar.part in parts else bar.part
        lanes.setdefault(_worker_name(run, bar.worker) if several else part, []).append(bar)
    return lanes


def _lane(name: str, jobs: Sequence[_Bar], loads: Sequence[_Bar], scale: float) -> Lane:
    parts = dict.fromkeys(bar.part for bar in jobs)
    return Lane(
        name=name,
        jobs=tuple(
            (part, _path((bar for bar in jobs if bar.part == part and not bar.failed), scale)) for part in parts
        ),
        failed=_path((bar for bar in jobs if bar.failed), scale),
        loads=_path(loads, scale),
        num_jobs=len(jobs),
        job_seconds=_wall_seconds(jobs),
        load_seconds=_wall_seconds(loads),
    )


def _wall_seconds(bars: Iterable[_Bar]) -> float:
    """How long at least one of them ran: the jobs of a batch run beside each other."""
    total = end = 0.0
    for bar in sorted(bars, key=lambda one: one.start_seconds):
        start = max(bar.start_seconds, end)
        end = max(end, bar.start_seconds + bar.seconds)
        total += max(0.0, end - start)
    return total


def _path(bars: Iterable[_Bar], scale: float) -> str:
    # A hair of the bar is left white, so that neighbours can be told apart; nothing gets thinner than can be seen.
    outlines = []
    for bar in bars:
        width = bar.seconds * scale
        width = max(width - min(0.6, width / 4), 0.4)
        outlines.append(f"M{bar.start_seconds * scale:.1f} 3h{width:.1f}v{BAR}h-{width:.1f}z")
    return "".join(outlines)


def _loads(run: ReportRun) -> tuple[Load, ...]:
    components = dict.fromkeys([load.component for load in run.loads] + list(run.loads_song_by_song))
    found = []
    for component in components:
        reads = [load for load in run.loads if load.component == component]
        found.append(
            Load(
                component=component,
                count=len(reads),
                song_by_song=run.loads_song_by_song.get(component, 0),
                seconds=sum(read.seconds for read in reads),
                num_bytes=max((read.num_bytes for read in reads), default=0),
            )
        )
    return tuple(found)
