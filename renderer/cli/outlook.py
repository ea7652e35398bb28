"""What each worker is expected to do, and when: a row a worker."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from renderer.run.worker_names import worker_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.run.simulation import Schedule, Stint


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stay:
    """A worker at one part."""

    part: str
    begin: float
    end: float
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A schedule as `plan` tells it."""

    schedule: Schedule
    devices: Sequence[str]
    measured: bool
    """Whether all its stages ran here before."""
    plain_seconds: float | None = None
    """That it would take without picking plans; None where none are picked."""

    def lines(self) -> Iterator[str]:
        """`cuda:1: lm 0:00-0:09 (32 jobs), dit 0:09-0:13 (31)`; without times where it never ran."""
        head = _clock(self.schedule.seconds) if self.measured else "this never ran here, so no times"
        beside = f", {_clock(self.plain_seconds)} if every plan were finished" if self.plain_seconds is not None else ""
        yield f"expected: {head}{beside if self.measured else ''}"
        for name, lane in zip(worker_names(self.devices), self.schedule.lanes, strict=True):
            stays = (self._words(stay) for stay in _stays(lane))
            yield f"  {name}: {', '.join(stays) or 'nothing to do'}"

    def document(self) -> dict[str, object]:
        """The same for programs, in seconds, which are no more than a guess where they weren't measured."""
        lanes = zip(self.devices, self.schedule.lanes, strict=True)
        workers = [{"device": device, "parts": [asdict(stay) for stay in _stays(lane)]} for device, lane in lanes]
        plain = {} if self.plain_seconds is None else {"seconds_if_all": self.plain_seconds}
        return {"seconds": self.schedule.seconds, **plain, "measured": self.measured, "workers": workers}

    def _words(self, stay: _Stay) -> str:
        when = f" {_clock(stay.begin)}-{_clock(stay.end)}" if self.measured else ""
        return f"{stay.part}{when} ({stay.jobs} job{'s'[: stay.jobs != 1]})"


def _stays(lane: Sequence[Stint]) -> Iterator[_Stay]:
    for part, group in groupby(lane, key=lambda span: span.part):
        spans = list(group)
        jobs = sum(len(span.keys) for span in spans)
        yield _Stay(part=part, begin=spans[0].begin, end=spans[-1].end, jobs=jobs)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
