"""The worker's process at its pipe's end: what it can't read ends it, so that its parent hears of it at once."""

from __future__ import annotations

import struct
import subprocess
import sys

from renderer.run.messages import Ready
from renderer.run.wire import receive
from tests.patience import PATIENCE_SECONDS


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
