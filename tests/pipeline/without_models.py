"""Whole runs without a worker: plan, store and writers are the real ones, the results are drawn by their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from renderer.artifacts import (
    Codes,
    Cot,
    CotMetas,
    EncodedSound,
    Latents,
    PlanScore,
    TimedLine,
    TimedWord,
    Timestamps,
    Waveform,
)
from renderer.models.ace_step.protocol.requests import CodesRequest
from renderer.plan.jobs import Why
from renderer.takes.result_writer import ResultWriter, disk_faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.artifacts import Artifact
    from renderer.pipeline.project import Project
    from renderer.plan.jobs import Job


def made(job: Job) -> Artifact:
    """What the models would give: any artifact will do, as long as its key decides its bytes."""
    drawn = np.random.default_rng(int(job.key[:12], 16))
    kind = job.spec.artifact
    if kind is Cot:
        return Cot(text=f"bpm: 90\n{job.key}", metas=CotMetas(bpm=90, keyscale="A minor", duration=1))
    if kind is Codes:
        # An edit's codes are its source's, and as long.
        seconds = (job.request.metas.duration if isinstance(job.request, CodesRequest) else None) or 1
        return Codes(codes=drawn.integers(0, 64_000, round(5 * seconds), dtype=np.int32))
    if kind in (Latents, EncodedSound):
        return kind(frames=drawn.standard_normal((25, 64), dtype=np.float32))
    if kind is Timestamps:
        word = TimedWord(text="la", start=0.25, end=0.5)
        line = TimedLine(text="la", start=0.25, end=0.5, row=1, words=(word,), coverage=1.0)
        return Timestamps(seconds=1.0, lines=(line,), lm_score=0.25, dit_score=round(float(drawn.random()), 4))
    if kind is PlanScore:
        return PlanScore(caption_pmi=float(drawn.normal(0, 0.1)), metas={"bpm": round(float(drawn.random()), 4)})
    assert kind is Waveform
    return Waveform(samples=drawn.uniform(-0.8, 0.8, (2, 4800)).astype(np.float32))


def carry_out(project: Project, make: Callable[[Job], Artifact] = made) -> None:
    """Keep every result of the project's plan, as a run does; stops at the first refusal."""
    project.store.prepare()
    with project.held(), disk_faults(project.store):
        plan = project.plan_of_shard()
        with ResultWriter(plan, project.store, project.settings, project.environment) as writer:
            for take in plan.takes:
                if take.why is Why.RESTORED:
                    writer.restore(take)
                if take.has_sound and take.changes:
                    writer.retag(take)
            for job in plan.jobs:
                if job.picks and not writer.is_picked(job):
                    continue
                writer.upstream(job)
                list(writer.write(job, make(job)).finish())
