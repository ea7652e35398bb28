"""A listener that remembers, for tests that ask what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Heard:
    """What a part told, and when it is to be cancelled."""

    cancel_after: int | None = None
    loads: list[str] = field(default_factory=list)
    steps: list[tuple[str, int, int, str]] = field(default_factory=list)

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        self.steps.append((job_id, done, total, unit))

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        assert seconds >= 0
        assert num_bytes > 0
        self.loads.append(component)

    def cancelled(self, job_id: str) -> bool:
        return (
            self.cancel_after is not None
            and len([step for step in self.steps if step[0] == job_id]) >= self.cancel_after
        )
