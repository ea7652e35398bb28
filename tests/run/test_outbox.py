"""The worker's messages: all of them, in their order, never more of them waiting than its memory should hold."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Waveform
from renderer.models.stage_job import Done
from renderer.run.messages import Ended, Progress
from renderer.run.outbox import Outbox
from renderer.run.spool import MOST_SPOOLED_BYTES
from renderer.run.wire import receive
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

SHUT = 0.2  # long enough to see that something waits


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb") as writer:
        yield reader, writer


def result(name: str, num_bytes: int) -> Done:
    samples = np.full((2, num_bytes // 8), float(len(name)), np.float32)
    return Done(id=name, artifact=Waveform(samples=samples))


def progress(name: str) -> Progress:
    return Progress(id=name, done=1, total=2, unit="tiles")


def test_messages_arrive_in_the_order_they_were_made(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    reader, writer = pipe
    outbox, found = Outbox(writer), []

    for number in range(3):
        outbox.put(progress(f"{number}"))
        outbox.put(result(f"{number}", 3_000_000))
    outbox.put(Ended())
    while not isinstance(message := receive(reader), Ended):
        assert isinstance(message, Progress | Done)
        found.append(message.id)
        if isinstance(message, Done):
            assert isinstance(message.artifact, Waveform)
            assert (message.artifact.samples == 1.0).all()

    assert found == ["0", "0", "1", "1", "2", "2"]


def test_what_is_large_waits_for_room_and_what_is_small_does_not(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    reader, writer = pipe
    outbox, second = Outbox(writer), threading.Event()

    def one_too_many() -> None:
        outbox.put(result("two", MOST_SPOOLED_BYTES // 2 + 1))
        second.set()

    outbox.put(result("one", MOST_SPOOLED_BYTES // 2))
    outbox.put(progress("two"))
    threading.Thread(target=one_too_many, daemon=True).start()
    assert not second.wait(SHUT)

    names = [receive(reader), receive(reader)]
    assert second.wait(PATIENCE_SECONDS)
    last = receive(reader)

    assert [type(message) for message in (*names, last)] == [Done, Progress, Done]


def test_a_result_larger_than_the_room_goes_alone(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    reader, writer = pipe
    Outbox(writer).put(result("long", MOST_SPOOLED_BYTES + 8))

    found = receive(reader)

    assert isinstance(found, Done)
    assert isinstance(found.artifact, Waveform)
    assert found.artifact.samples.nbytes == MOST_SPOOLED_BYTES + 8


def test_a_process_whose_reader_has_gone_ends() -> None:
    script = "import sys, time; from renderer.run.messages import Ended; from renderer.run.outbox import Outbox\n"
    script += "out = Outbox(sys.stdout.buffer)\nwhile True: out.put(Ended()); time.sleep(0.01)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert receive(process.stdout) == Ended()

    process.stdout.close()

    assert process.wait(PATIENCE_SECONDS) == 0
