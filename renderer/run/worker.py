"""The one process that imports torch: loads parts, runs their jobs, tells the parent. Ends when its pipe closes.

`python -m renderer.run.worker`; commands come on standard input, events go to standard output, words to standard error.
"""

from __future__ import annotations

import gc
import os
import queue
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from renderer.errors import RendererError
from renderer.models.family import Residency, family, part_of, read_by
from renderer.models.room import has_room
from renderer.run.outbox import Outbox
from renderer.run.wire import receive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.family import LoadedPart, ModelFiles, PartLoader

_PROGRESS_SECONDS = 0.1


def main() -> None:
    """Serve one parent until it closes its end."""
    events = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not end up between two messages.
    os.dup2(2, 1)
    Worker(commands=sys.stdin.buffer, events=events).serve()


class Worker:
    """What is resident, and the conversation with the parent."""

    def __init__(self, *, commands: IO[bytes], events: IO[bytes]) -> None:
        self._commands = commands
        self._outbox = Outbox(events)
        self._queue: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self._cancelled: set[str] = set()
        self._resident: dict[str, tuple[tuple[Any, ...], LoadedPart]] = {}
        self._loaders: dict[str, PartLoader] = {}
        self._told: dict[str, float] = {}
        self._examined: set[tuple[Any, ...]] = set()

    def serve(self) -> None:
        """Carry out commands one by one; cancellations overtake them."""
        threading.Thread(target=self._listen, daemon=True).start()
        self._outbox.put({"event": "ready", "pid": os.getpid()})
        while True:
            command = self._queue.get()
            try:
                self._carry_out(command)
            except RendererError as error:
                self._outbox.put({"event": "broken", "message": error.message, "why": error.why, "help": error.help})
            except Exception as error:  # noqa: BLE001 - the process boundary: the parent tells the user
                traceback.print_exc()
                why = f"{type(error).__name__}: {error}"
                self._outbox.put({"event": "broken", "message": f"`{command['do']}` failed", "why": why, "help": ""})

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """Pass it on, a few times a second for each job, the first and last word always."""
        now = time.monotonic()
        if 0 < done < total and now - self._told.get(job_id, 0.0) < _PROGRESS_SECONDS:
            return
        self._told[job_id] = now
        self._outbox.put({"event": "progress", "job": job_id, "done": done, "total": total, "unit": unit})

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """Pass it on."""
        self._outbox.put({"event": "loaded", "component": component, "seconds": seconds, "num_bytes": num_bytes})

    def cancelled(self, job_id: str) -> bool:
        """Whether the parent gave the job up."""
        return job_id in self._cancelled

    def _carry_out(self, command: Mapping[str, Any]) -> None:
        match command["do"]:
            case "import":
                self._import(command["family"])
            case "examine":
                self._examine(command["parts"])
            case "load":
                self._load(command)
            case "run":
                self._run(command)
            case "drop":
                self._drop(*tuple(self._resident))
                self._outbox.put({"event": "dropped"})

    def _import(self, name: str) -> None:
        # Nobody waits for an answer to this: what is amiss (a library missing or broken) is told when a part is loaded.
        with suppress(Exception):
            self._loader(name)

    def _loader(self, name: str) -> PartLoader:
        """What loads a family's parts, imported."""
        if name not in self._loaders:
            found = family(name).loader()
            found.prepare()
            # Hundreds of thousands of objects that stay: each drop of a part would look through them, a quarter second.
            gc.freeze()
            self._loaders[name] = found
        return self._loaders[name]

    def _examine(self, parts: tuple[tuple[str, ModelFiles, str], ...]) -> None:
        for part, files, weights in parts:
            # Once for each fingerprint: a watch renders again and again.
            seen = (part, read_by(part, files), weights)
            if seen in self._examined:
                continue
            try:
                self._loader(files.family).examine(part, files)
            except RendererError:
                raise
            except Exception:  # noqa: BLE001 - not the files' fault: told when the part is loaded
                traceback.print_exc()
            self._examined.add(seen)
        self._outbox.put({"event": "examined"})

    def _load(self, command: Mapping[str, Any]) -> None:
        part, files, settings = command["part"], command["files"], command["settings"]
        # The fingerprint too: weights may be replaced under the same path while an older worker lives on.
        held_against = tuple(read_by(other, files) for other in part_of(files, part).agrees_with)
        wanted = (read_by(part, files), held_against, settings, command["weights"])
        resident = self._resident.pop(part, None)
        if resident and resident[0] != wanted:
            resident[1].close()
            resident = None
        self._make_room(command, resident=resident is not None)
        if resident is None:
            resident = (wanted, self._loader(files.family).load(part, files, settings, self))
        self._resident[part] = resident  # last in the order: the part used longest ago goes first
        self._outbox.put({"event": "resident", "part": part})

    def _make_room(self, command: Mapping[str, Any], *, resident: bool) -> None:
        """Drop others of what is resident, the longest unused first, as the asked residency has it."""
        part, files, settings = command["part"], command["files"], command["settings"]
        while self._resident:
            if command["residency"] is Residency.BESIDE and has_room(part, files, settings, resident=resident):
                return
            self._drop(next(iter(self._resident)))

    def _run(self, command: Mapping[str, Any]) -> None:
        _, loaded = self._resident[command["part"]]
        for result in loaded.run(command["stage"], command["jobs"], self):
            self._outbox.put({"event": "result", "result": result})
            del result  # else its memory would stay while the next one is made
        self._told.clear()
        self._outbox.put({"event": "ended"})

    def _drop(self, *parts: str) -> None:
        for part in parts:
            self._resident.pop(part)[1].close()

    def _listen(self) -> None:
        while (command := receive(self._commands)) is not None:
            if command["do"] == "cancel":
                self._cancelled |= set(command["jobs"])
                continue
            if command["do"] == "run":
                # What was given up in an earlier run may be wanted again by now; here, in the order of the pipe.
                self._cancelled.clear()
            self._queue.put(command)
        # The parent is gone; nobody waits for what is under way.
        os._exit(0)


if __name__ == "__main__":
    main()
