"""Messages between parent and worker survive the pipe, and nothing else travels."""

from __future__ import annotations

import io

import numpy as np

from renderer.artifacts import Latents
from renderer.models.ace_step.protocol.requests import WaveformRequest
from renderer.models.model_files import ModelFiles, PartSettings, Residency, Settings
from renderer.models.stage_job import StageJob
from renderer.provenance import DitNotes
from renderer.run.messages import LoadPart, PartFiles, RunJobs
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

    send(pipe, RunJobs(part="vae", stage="waveform", jobs=(job,), spool=""))
    pipe.seek(0)
    message = receive(pipe)

    assert isinstance(message, RunJobs)
    assert message.stage == "waveform"
    (found,) = message.jobs
    assert found.request == job.request
    latents = found.upstream["latents"]
    assert isinstance(latents, Latents)
    assert latents.frames.tobytes() == frames.tobytes()
    assert latents.notes == DitNotes(cut=("lyrics",), others={"a": (1,)})


def test_settings_with_parts_of_their_own_arrive() -> None:
    settings = Settings(
        device="cpu",
        dtype="auto",
        threads=1,
        lm_slots=4,
        vae_tile=512,
        vae_overlap=64,
        parts=(PartSettings(part="lm", device="mlx"), PartSettings(part="dit", dtype="float32")),
    )
    files = PartFiles(part="lm", files=ModelFiles(family="ace_step", name="x"), weights="w")
    pipe = io.BytesIO()

    send(pipe, LoadPart(part=files, settings=settings, residency=Residency.ALONE))
    pipe.seek(0)
    message = receive(pipe)

    assert isinstance(message, LoadPart)
    assert message.settings == settings
