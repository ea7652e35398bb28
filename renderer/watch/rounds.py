"""A round: takes rendered together in a thread of their own, while the specs they came from may change."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from renderer.errors import RendererError
from renderer.pipeline.render import render
from renderer.run.events import JobDone, JobFailed, JobProgress
from renderer.watch.events import JobAbandoned

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.pipeline.project import Project
    from renderer.pipeline.render import Stop
    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent
    from renderer.run.local import Workers
    from renderer.watch.wishes import Wish


class Round:
    """One call of `render`, and what of it is still wanted.

    The thread that renders asks; the one that watches answers by `retire` and `yield_to_others`.
    """

    def __init__(self, project: Project, wish: Wish) -> None:
        self.project = project
        self.wish = wish
        self._wanted: frozenset[str] | None = None
        self._yields = False
        self._begun: dict[str, Job] = {}

    def retire(self, wanted: frozenset[str]) -> None:
        """Give up every job but those whose keys are `wanted`, at their next token, step or tile."""
        self._wanted = wanted

    def yield_to_others(self) -> None:
        """Begin no more jobs: something else goes first, and the rest is taken up again afterwards."""
        self._yields = True

    def start(
        self,
        workers: Workers,
        stop: Stop,
        *,
        tell: Callable[[RunEvent], None],
        ended: Callable[[RendererError | None], None],
    ) -> None:
        """Render in the background; `tell` and `ended` are called from there."""

        def work() -> None:
            def listen(event: RunEvent) -> None:
                self._note(event)
                tell(event)

            try:
                done = render(self.project, listen=listen, stop=stop, workers=workers, abandon=self._is_unwanted)
            except RendererError as error:
                ended(error)
            except BaseException:
                # A fault of ours: let it be seen, and don't leave the watch waiting for this round.
                ended(RendererError("the round broke off", why="a fault in renderer", help="see the traceback above"))
                raise
            else:
                ended(done.fault)

        threading.Thread(target=work, name="round").start()

    @property
    def was_disturbed(self) -> bool:
        """Whether some of it was called off."""
        return self._wanted is not None or self._yields

    def given_up(self) -> tuple[JobAbandoned, ...]:
        """The jobs that had begun and were abandoned."""
        return tuple(JobAbandoned(job=job, is_stale=self._is_stale(job)) for job in self._begun.values())

    def _is_unwanted(self, job: Job) -> bool:
        return self._is_stale(job) or (self._yields and job.key not in self._begun)

    def _is_stale(self, job: Job) -> bool:
        return self._wanted is not None and job.key not in self._wanted

    def _note(self, event: RunEvent) -> None:
        match event:
            case JobProgress(job=job):
                self._begun[job.key] = job
            case JobDone(job=job) | JobFailed(job=job):
                self._begun.pop(job.key, None)
