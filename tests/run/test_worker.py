"""The worker's process at its pipe's end: what it can't read ends it, so that its parent hears of it at once."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest

from renderer.models.model_files import ModelFiles, Residency
from renderer.models.stage_job import StageJob
from renderer.run.messages import ComponentRead, Ended, LoadPart, PartFiles, PartReady, Ready, RunJobs
from renderer.run.wire import receive, send
from tests.patience import PATIENCE_SECONDS
from tests.run.contract import harness
from tests.run.contract.toy import ToyRequest


def test_a_word_that_nobody_can_read_ends_the_worker() -> None:
    head = b'{"body":{"$value":"Unheard","fields":{}},"arrays":[]}'
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "renderer.run.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with worker:
        assert worker.stdin
        assert worker.stdout
        assert worker.stderr
        assert isinstance(receive(worker.stdout), Ready)
        worker.stdin.write(struct.pack("<I", len(head)) + head)
        worker.stdin.flush()

        assert worker.wait(timeout=PATIENCE_SECONDS) == 1
        assert b"Unheard" in worker.stderr.read()


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "component"), [("of then", "brush prefetched 1"), ("of now", "brush")])
def test_a_part_is_prefetched_once_and_loaded_anew_from_other_weights(weights: str, component: str) -> None:
    """A part works through several batches; weights may be replaced under the same path before the next is loaded."""
    files = ModelFiles(family="toy", name="early", kind="", layout="", dit="", vae="", text_encoder="", lm=None)
    pencil, then, now = (
        PartFiles(part=part, files=files, weights=fingerprint)
        for part, fingerprint in (("pencil", ""), ("brush", "of then"), ("brush", weights))
    )
    settings, alone = harness.settings(), Residency.ALONE
    job = StageJob(id="sketch", request=ToyRequest(name="one"), upstream={})
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", harness.WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with worker, harness.registered():
        assert worker.stdin
        assert worker.stdout

        def heard_until(last: type) -> list[object]:
            events: list[object] = []
            while not events or not isinstance(events[-1], last):
                events.append(receive(worker.stdout))  # type: ignore[arg-type]
            return events

        for _ in range(2):
            send(worker.stdin, LoadPart(part=pencil, settings=settings, residency=alone, following=then))
            heard_until(PartReady)
            send(worker.stdin, RunJobs(part="pencil", stage="sketch", jobs=(job,), spool=""))
            heard_until(Ended)
        send(worker.stdin, LoadPart(part=now, settings=settings, residency=alone))
        loads = [event.component for event in heard_until(PartReady) if isinstance(event, ComponentRead)]
        worker.stdin.close()

    assert loads == [component]
