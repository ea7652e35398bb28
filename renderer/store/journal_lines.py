"""What stands in the journal's lines: a field is what whoever reads a line relies on, or may find there."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
import math
from collections.abc import Mapping
from dataclasses import dataclass


def _refuse_odd(*numbers: float) -> None:
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError("a number is below 0, or none")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEndedLine:
    """How a run ended, and what it did."""

    stopped: bool
    seconds: float
    loads_song_by_song: Mapping[str, int]
    """Component -> how often rendering take after take would have read it."""
    rendered: int | None = None
    failed: int | None = None
    kept: int | None = None
    loads: Mapping[str, int] | None = None
    """Component -> how often it was read."""
    ending: str | None = None
    """Of a run that was stopped, what it left, in words."""
    refused: Mapping[str, str] | None = None
    """Place in a spec that was left out -> its fault."""
    components: Mapping[str, tuple[str, ...]] | None = None
    """Part -> what is read when it is loaded."""

    def __post_init__(self) -> None:
        _refuse_odd(self.seconds, *self.loads_song_by_song.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedLine:
    """A component was read from disk."""

    component: str
    seconds: float
    num_bytes: int
    worker: int | None = None
    """Which of the run's."""

    def __post_init__(self) -> None:
        _refuse_odd(self.seconds, self.num_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """Of a job: what it was and for whom."""

    stage: str
    part: str
    key: str | None = None
    takes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDoneLine(JobLine):
    """A job's result is on disk."""

    seconds: float
    worker: int | None = None
    """Which of the run's made it."""

    def __post_init__(self) -> None:
        _refuse_odd(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDoneLine:
    """What a stage took, for telling what it will take."""

    stage: str
    weights: str
    device: str
    """Its kind."""
    seconds: float
    song_seconds: float
    """That a slot went through."""
    load_seconds: float | None = None
    is_first: bool = False

    def __post_init__(self) -> None:
        _refuse_odd(self.seconds, self.song_seconds, self.load_seconds or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStartedLine:
    """What was about to run, and where."""

    takes: int | None = None
    jobs: int | None = None
    workers: tuple[str, ...] = ()
    """Their devices; none in lines of one worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailedLine(JobLine):
    """A job gave nothing."""

    message: str | None = None
    why: str | None = None
    help: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDoneLine:
    """A take's audio is on disk."""

    take: str
    key: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFailedLine:
    """A take won't come."""

    take: str
    key: str | None = None
    stage: str
    message: str
    why: str
    help: str


Line = (
    RunStartedLine
    | RunEndedLine
    | LoadedLine
    | BatchDoneLine
    | JobDoneLine
    | JobFailedLine
    | TakeDoneLine
    | TakeFailedLine
)
LINES: Mapping[str, type[Line]] = {
    "run-started": RunStartedLine,
    "run-ended": RunEndedLine,
    "batch-done": BatchDoneLine,
    "loaded": LoadedLine,
    "job-done": JobDoneLine,
    "job-failed": JobFailedLine,
    "take-done": TakeDoneLine,
    "take-failed": TakeFailedLine,
}
"""Event -> what its lines hold; those of other events are for people."""
EVENT_OF: Mapping[type[Line], str] = {kind: event for event, kind in LINES.items()}
