"""What takes' latents were made from, kept for their timestamps: no text is encoded twice, no encoder read again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Hashable

    from renderer.artifacts import Codes, Cot
    from renderer.models.ace_step.dit.prepare import PreparedTake
    from renderer.models.ace_step.protocol.requests import LatentsRequest
    from renderer.models.stage_job import StageJob

MOST_BYTES = 256 << 20  # on the DiT's device: some 40 takes of three minutes


@dataclass(slots=True)
class KeptConditions:
    """Those of the last takes, the oldest dropped where they become too many."""

    _takes: dict[Hashable, PreparedTake] = field(default_factory=dict)

    def keep(self, job: StageJob, take: PreparedTake) -> None:
        """What a job of latents starts from; an edit's is made anew, as its source lies in no request."""
        if (key := _key(job)) is None or key in self._takes:
            return
        self._takes[key] = take
        while sum(map(_size, self._takes.values())) > MOST_BYTES:
            self._takes.pop(next(iter(self._takes)))

    def take_out(self, job: StageJob) -> PreparedTake | None:
        """What was kept of the latents that this job asks for, as having taken no time; it is no longer kept."""
        take = self._takes.pop(_key(job), None)
        return take and replace(take, seconds=0.0)


def _key(job: StageJob) -> Hashable:
    if not job.upstream.keys() <= {"cot", "codes", "latents"}:
        return None
    cot, codes = cast("Cot | None", job.upstream.get("cot")), cast("Codes | None", job.upstream.get("codes"))
    request = cast("LatentsRequest", job.request)
    return request, cot and cot.metas, None if codes is None else codes.codes.tobytes()


def _size(take: PreparedTake) -> int:
    return sum(tensor.nbytes for tensor in take.tensors)
