"""One call of `render` in a thread of its own, while the specs its takes came from may change."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from renderer.errors import RendererError
from renderer.pipeline.render import render
from renderer.run.events import JobDone, JobFailed, JobProgress
from renderer.watch.events import RenderEnded

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.pipeline.project import Project
    from renderer.pipeline.stop import Stop
    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent
    from renderer.run.executor import Executor
    from renderer.watch.effects import AbandonJobs
    from renderer.watch.events import Event


class RenderThread:
    """Renders a project's takes from its making on; the thread that renders asks which jobs are wanted still."""

    def __init__(self, project: Project, executor: Executor, stop: Stop, post: Callable[[Event], None]) -> None:
        self._project = project
        self._executor = executor
        self._stop = stop
        self._post = post
        self._begun: dict[str, Job] = {}
        # One reference, set by one thread and read by the other: both its fields change together.
        self._abandoned: AbandonJobs | None = None
        threading.Thread(target=self._work, name="render").start()

    def abandon(self, jobs: AbandonJobs) -> None:
        """Give up these jobs, from their next token, step or tile on."""
        self._abandoned = jobs

    def _work(self) -> None:
        # A fault of ours: let it be seen, and don't leave the watch waiting for this render.
        error: RendererError | None = RendererError(
            "the round broke off", why="a fault in renderer", help="see the traceback above"
        )
        try:
            error = render(
                self._project,
                listen=self._listen,
                stop=self._stop,
                executor=self._executor,
                abandon=self._is_abandoned,
            ).fault
        except RendererError as refused:
            error = refused
        finally:
            unfinished = tuple(self._begun.values())
            self._post(RenderEnded(error=error, unfinished=unfinished, outputs=self._project.store.outputs))

    def _listen(self, event: RunEvent) -> None:
        match event:
            case JobProgress(job=job):
                self._begun[job.key] = job
            case JobDone(job=job) | JobFailed(job=job):
                self._begun.pop(job.key, None)
        self._post(event)

    def _is_abandoned(self, job: Job) -> bool:
        abandoned = self._abandoned
        if abandoned is None:
            return False
        return job.key not in abandoned.wanted or (abandoned.begin_no_more and job.key not in self._begun)
