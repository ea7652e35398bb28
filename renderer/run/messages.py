"""What parent and worker say to each other. How it travels is the wire's business.

Commands are carried out one by one, but for cancellations, which overtake them. Each `LoadPart`, `RunJobs`,
`ExamineParts` and `DropParts` has its last answer, `PartReady`, `Ended`, `Examined` and `Dropped`, or `Broken` in its
place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from renderer.json_values import dataclasses_in
from renderer.models.family import family, known_families, two_of_a_name
from renderer.models.model_files import ModelFiles, PartSettings, Residency, Settings
from renderer.models.stage_job import Done, Failed, StageJob

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFiles:
    """A part of a model set."""

    part: str
    files: ModelFiles
    weights: str
    """Fingerprint of what lies in them: weights may be replaced under the same path while a worker lives on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFamily:
    """Import what a family of models needs. Not answered: what is amiss is told when a part is loaded."""

    family: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineParts:
    """Read the small files of parts that are loaded later."""

    parts: tuple[PartFiles, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPart:
    """Make a part resident."""

    part: PartFiles
    settings: Settings
    residency: Residency
    following: PartFiles | None = None
    """What is likely loaded next, so that it may be prefetched while this one works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJobs:
    """Run one stage's jobs on its part, which is resident."""

    part: str
    stage: str
    jobs: tuple[StageJob, ...]
    spool: str
    """Beginning of the paths that large arrays may be written to, absolute; see `renderer.run.spool`.

    Empty where there is no folder that both sides see: then they go by the pipe.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJobs:
    """Abandon these of the jobs that run or wait, at their next token, step or tile."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropParts:
    """Free the memory of all parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The process is up."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a worker of a cluster is, from who speaks for it: its first word, before the worker's own."""

    node: str
    shares_folder: bool
    """Whether the folder of results is seen from there, so that large arrays may go by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """All parts asked about can be loaded, as far as small files tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRead:
    """A component was read from disk."""

    component: str
    seconds: float
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReady:
    """The part asked for is resident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A job is so far."""

    id: str
    done: int
    total: int
    unit: str
    """`tokens`, `steps`, `tiles`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Each of the jobs gave its result, failed or was abandoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """No part is resident any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The command can't be carried out, for any job."""

    message: str
    why: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceGone:
    """The device answers nobody in this process any more, so the process is of no use."""

    message: str


Command = ImportFamily | ExamineParts | LoadPart | RunJobs | CancelJobs | DropParts
Event = (
    Ready
    | Placed
    | Examined
    | ComponentRead
    | PartReady
    | Progress
    | Done
    | Failed
    | Ended
    | Dropped
    | Broken
    | DeviceGone
)
"""`Done` and `Failed`, a job's outcomes, travel as the stage gives them."""

_MESSAGES: tuple[type, ...] = (
    *(ImportFamily, ExamineParts, LoadPart, RunJobs, CancelJobs, DropParts),
    *(Ready, Placed, Examined, ComponentRead, PartReady, Progress, Done, Failed, Ended, Dropped, Broken),
    DeviceGone,
)
_INSIDE: tuple[type, ...] = (PartFiles, ModelFiles, Settings, PartSettings, Residency, StageJob)


def values() -> Mapping[str, type]:
    """Every dataclass and enum that may travel, by its name: what stages are asked and give stands in their tables.

    Raises: ModelError where two of them have one name.
    """
    return _values(tuple(known.name for known in known_families()))


@cache
def _values(families: tuple[str, ...]) -> Mapping[str, type]:
    tables = [family(name) for name in families]
    of_stages = (kind for table in tables for row in table.stages.values() for kind in (row.request, row.artifact))
    inside = (one for kind in of_stages for one in dataclasses_in(kind))
    found: dict[str, type] = {}
    for kind in (*_MESSAGES, *_INSIDE, *inside):
        if found.setdefault(kind.__name__, kind) is not kind:
            raise two_of_a_name("values", kind.__name__, "they are sent to the worker by that name")
    return found
