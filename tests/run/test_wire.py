"""Messages between parent and worker survive the pipe, and nothing else travels."""

from __future__ import annotations

import io

import numpy as np

from renderer.artifacts import Latents
from renderer.models.ace_step.protocol.requests import WaveformRequest
from renderer.models.family import StageJob
from renderer.provenance import DitNotes
from renderer.run.wire import receive, send


def test_a_job_with_its_latents_arrives_bit_for_bit() -> None:
    frames = np.random.default_rng(0).standard_normal((7, 64)).astype(np.float32)
    frames[0, 0] = np.nan
    job = StageJob(
        id="k",
        request=WaveformRequest(duration=1.5),
        upstream={"latents": Latents(frames=frames, notes=DitNotes(cut=("lyrics",), others={"a": [1]}))},
    )
    pipe = io.BytesIO()

    send(pipe, {"do": "run", "jobs": (job,), "nothing": None})
    pipe.seek(0)
    message = receive(pipe)

    assert message is not None
    (found,) = message["jobs"]
    assert found.request == job.request
    assert found.upstream["latents"].frames.tobytes() == frames.tobytes()
    assert found.upstream["latents"].notes == DitNotes(cut=("lyrics",), others={"a": (1,)})
    assert message["nothing"] is None


def test_a_message_cut_in_the_middle_reads_as_the_end() -> None:
    pipe = io.BytesIO()
    send(pipe, {"event": "result", "array": np.zeros(1000)})

    for length in (0, 2, 30, 500):
        assert receive(io.BytesIO(pipe.getvalue()[:length])) is None
