"""The run drawn along time: a lane a part, one path for all its jobs, so that a batch of 500 takes stays small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.models.family import known_families

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from renderer.models.stage_spec import PartSpec
    from renderer.report.values import ReportRun

WIDTH = 1000  # units of the drawing, stretched to the page
LANE = 20
BAR = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One part's jobs and loads."""

    part: str
    name: str
    jobs: str
    """SVG path."""
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
    jobs, loads = _by_part(_job_bars(run)), _by_part(_load_bars(run))
    ends = (bar.start_seconds + bar.seconds for bars in (*jobs.values(), *loads.values()) for bar in bars)
    seconds = max(run.seconds, *ends, 1e-3)
    return Timeline(
        lanes=tuple(
            _lane(part, jobs.get(part, ()), loads.get(part, ()), WIDTH / seconds)
            for part in dict.fromkeys([*_parts(), *jobs, *loads])
            if part in jobs or part in loads
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
    failed: bool = False


def _job_bars(run: ReportRun) -> tuple[_Bar, ...]:
    return tuple(
        _Bar(part=job.part, start_seconds=job.start_seconds, seconds=job.seconds, failed=job.failed) for job in run.jobs
    )


def _load_bars(run: ReportRun) -> tuple[_Bar, ...]:
    part_of = {component: part.name for part in _parts().values() for component in part.components}
    return tuple(
        _Bar(part=part_of.get(load.component, load.component), start_seconds=load.start_seconds, seconds=load.seconds)
        for load in run.loads
    )


def _parts() -> dict[str, PartSpec]:
    """Part -> row, in the order of the families' tables."""
    return {part.name: part for known in known_families() for part in known.parts.values()}


def _by_part(bars: Iterable[_Bar]) -> dict[str, list[_Bar]]:
    parts: dict[str, list[_Bar]] = {}
    for bar in bars:
        parts.setdefault(bar.part, []).append(bar)
    return parts


def _lane(part: str, jobs: Sequence[_Bar], loads: Sequence[_Bar], scale: float) -> Lane:
    return Lane(
        part=part,
        name=parts[part].lane if part in (parts := _parts()) else part,
        jobs=_path((bar for bar in jobs if not bar.failed), scale),
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
