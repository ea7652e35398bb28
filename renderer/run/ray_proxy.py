"""The process that speaks for a worker on a cluster: its pipes here, an actor of Ray's there, bytes in between.

`python -m renderer.run.ray_proxy ADDRESS MODULE THREADS GPUS FOLDER`. To whoever starts it, it is a worker: it ends
when its pipe closes, and as its worker ended. So the render itself has nothing of Ray in it, and outlives its faults.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

import ray

from renderer.errors import RendererError
from renderer.run.messages import Placed
from renderer.run.process import NODE_LOST
from renderer.run.ray_actor import CHUNK_BYTES, HostedWorker
from renderer.run.ray_link import connect
from renderer.run.wire import send
from renderer.store.disk import temp_name

PLACING_SECONDS = 120.0
"""A node may be starting, or so busy that it starts a process in a minute; but of a GPU that went with its node, nobody
knows whether it comes back."""
_ENDING_SECONDS = 5.0


def main() -> None:
    """Serve one parent until it closes its end, or the worker is gone."""
    address, module, threads, num_gpus, folder = sys.argv[1:]
    events = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not end up between two messages.
    os.dup2(2, 1)
    try:
        connect(address)
    except RendererError as error:
        _leave(f"{error.message}: {error.why}")
    # One try: what is lost with an actor, the dispatcher gives to another.
    actor_class: Any = ray.remote(
        num_cpus=0 if int(num_gpus) else 1,
        num_gpus=int(num_gpus),
        max_restarts=0,
        max_task_retries=0,
        concurrency_groups={"reading": 1, "writing": 1},
        scheduling_strategy="SPREAD",
    )(HostedWorker)
    actor = actor_class.remote(module, int(threads))
    threading.Thread(target=_pass_on, args=(actor,), daemon=True).start()
    try:
        _serve(actor, events, Path(folder))
    except ray.exceptions.GetTimeoutError:
        _leave(f"nothing on the cluster at {address} was free for a worker in {PLACING_SECONDS:g} s")
    except ray.exceptions.RayError as error:
        _leave(f"its node or its actor is gone: {type(error).__name__}", NODE_LOST)


def _serve(actor: Any, events: IO[bytes], folder: Path) -> None:
    marker = folder / temp_name()
    with suppress(OSError):
        marker.touch()
    try:
        node, sees = ray.get(actor.place.remote(str(marker)), timeout=PLACING_SECONDS)
    finally:
        with suppress(OSError):
            marker.unlink()
    try:
        send(events, Placed(node=node, shares_folder=sees))
        said = actor.read.remote()
        while (chunk := ray.get(said)) is not None:
            # The next is on its way while this one is handed over.
            said = actor.read.remote()
            events.write(chunk)
            events.flush()
    except BrokenPipeError:
        _end(actor)
    code, words = ray.get(actor.end.remote())
    sys.stderr.write(words)
    _die_as(code)


def _pass_on(actor: Any) -> None:
    """Commands to the worker, in their order, until the parent closes its end."""
    while chunk := os.read(0, CHUNK_BYTES):
        actor.write.remote(chunk)
    _end(actor)


def _end(actor: Any) -> NoReturn:
    """Leave once the worker is gone, whose results nobody wants any more."""
    # Where the cluster is gone, too, Ray may never answer.
    threading.Timer(_ENDING_SECONDS, os._exit, (0,)).start()
    with suppress(Exception):
        ray.get(actor.end.remote(), timeout=_ENDING_SECONDS)
    os._exit(0)


def _die_as(code: int) -> NoReturn:
    """End as the worker did, so that the parent tells of that."""
    sys.stderr.flush()
    if code < 0:
        # Without a handler of Python's or Ray's, and without another memory image.
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _leave(words: str, code: int = 1) -> NoReturn:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
