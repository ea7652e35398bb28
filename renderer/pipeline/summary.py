"""What a run did, as a value and in a few lines of words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renderer.models.family import part_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from renderer.errors import RendererError
    from renderer.pipeline.refused_specs import RefusedSpec
    from renderer.pipeline.run_stats import TakeFailure
    from renderer.pipeline.stop import StopCause
    from renderer.plan.jobs import Plan


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Summary:
    """What a run did; as text, three lines: what became of the takes, what was loaded, where they are."""

    plan: Plan
    outputs: Path
    rendered: tuple[str, ...]
    restored: tuple[str, ...]
    retagged: tuple[str, ...]
    """Takes whose tags were written anew, their sound as it was."""
    completed: tuple[str, ...] = ()
    """Takes whose sound was there, and that got what they lacked beside it."""
    kept: tuple[str, ...]
    """Takes that were on disk already."""
    not_picked: tuple[str, ...] = ()
    """Takes that were planned and aren't finished, since others of their songs scored better."""
    failures: tuple[TakeFailure, ...]
    refused: tuple[RefusedSpec, ...] = ()
    """Specs that were left out for their faults."""
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What to know of takes that were rendered -> their names."""
    stopped: StopCause | None = None
    """Why it ended before all was done; None where it wasn't stopped, or only after the last take."""
    stop_reason: str = ""
    """Completes "stopped …": `at 07:00 as asked`."""
    unfinished: tuple[str, ...] = ()
    """Takes whose turn didn't come, or that were under way."""
    kept_results: Mapping[str, int] = field(default_factory=dict)
    """Part's title -> results that it left on disk for takes that aren't finished: the next run goes on from there."""
    fault: RendererError | None = None
    """What ended it before its end, such as a full disk; what was done until then is on disk."""
    seconds: float
    loads: Mapping[str, int] = field(default_factory=dict)
    """Component -> how often it was read from disk, as counted."""
    loads_song_by_song: Mapping[str, int] = field(default_factory=dict)
    was_last: bool = True
    """Whether the page is its to write: no other shard was at work when it ended."""

    def __str__(self) -> str:
        return "\n".join((self.headline, self.loads_line or "nothing was loaded", f"takes in {self.outputs}"))

    def __repr__(self) -> str:
        return f"<Summary: {self.headline}>"

    @property
    def headline(self) -> str:
        """`41 rendered, 3 done already in 12.3 s`; of a run that was stopped, what it leaves."""
        if self.stopped is None:
            return f"{', '.join(self._counts()) or 'nothing to do'} in {self.seconds:.1f} s"
        kept = [f"{number} {title} result{'s'[: number != 1]}" for title, number in self.kept_results.items()]
        also = [*self._counts("rendered"), *([f"{', '.join(kept)} kept"] if kept else [])]
        wanted = sum(not take.has_sound and take.name not in self.not_picked for take in self.plan.running)
        done = f"{len(self.rendered)} of {wanted} takes in {self.seconds:.1f} s"
        return f"stopped {self.stop_reason}: {', '.join((done, *also))}; run again to go on"

    @property
    def loads_line(self) -> str:
        """How often each component was read; of a whole run, beside what it would have been song by song."""
        if not self.loads:
            return ""
        line = f"loads: {', '.join(f'{name} {count}×' for name, count in self.loads.items())}"
        # What didn't run would have been loaded for, too: nothing to compare with.
        whole = self.stopped is None and self.fault is None
        return f"{line}; song by song it would have been {sum(self.loads_song_by_song.values())}" if whole else line

    def _counts(self, *without: str) -> Iterator[str]:
        counts = {
            "rendered": len(self.rendered),
            "restored from old/": len(self.restored),
            "tagged anew": len(self.retagged),
            "completed": len(self.completed),
            "done already": len(self.kept),
            "not picked": len(self.not_picked),
            "failed": len(self.failures),
        }
        yield from (f"{number} {word}" for word, number in counts.items() if number and word not in without)
        if self.refused:
            yield f"{len(self.refused)} spec{'s'[: len(self.refused) != 1]} refused"


def kept_results(plan: Plan, done: Collection[str], unfinished: Iterable[str]) -> dict[str, int]:
    """Part's title -> jobs among those `done`, by their keys, that takes which aren't finished hang on."""
    waiting, counts = set(unfinished), dict[str, int]()
    for job in plan.jobs:
        if job.key in done and not waiting.isdisjoint(job.takes):
            title = part_of(job.files, job.part).title
            counts[title] = counts.get(title, 0) + 1
    return counts
