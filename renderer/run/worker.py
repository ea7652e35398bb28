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
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from renderer.errors import RendererError
from renderer.models.device import is_lost
from renderer.models.family import family, part_of, read_by, runner_of, stage_of
from renderer.models.model_files import Residency
from renderer.models.residency import has_room
from renderer.run.messages import (
    Broken,
    CancelJobs,
    ComponentRead,
    DeviceGone,
    DropParts,
    Dropped,
    Ended,
    Examined,
    ExamineParts,
    ImportFamily,
    LoadPart,
    PartReady,
    Progress,
    Ready,
    RunJobs,
)
from renderer.run.outbox import Outbox
from renderer.run.spool import SpoolWriter
from renderer.run.wire import receive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import LoadedPart, PartLoader
    from renderer.run.messages import Command, PartFiles

_PROGRESS_SECONDS = 0.1
_VERBS = {ImportFamily: "import", ExamineParts: "examine", LoadPart: "load", RunJobs: "run", DropParts: "drop"}


def main() -> None:
    """Serve one parent until it closes its end."""
    events = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not end up between two messages.
    os.dup2(2, 1)
    Worker(commands=sys.stdin.buffer, events=events).serve()


class _Prefetched(NamedTuple):
    made_of: tuple[Any, ...]
    part: object


class _Resident(NamedTuple):
    made_of: tuple[Any, ...]
    """What the part would be loaded anew for, were it another."""
    files: ModelFiles
    part: LoadedPart


class Worker:
    """What is resident, and the conversation with the parent."""

    def __init__(self, *, commands: IO[bytes], events: IO[bytes]) -> None:
        self._commands = commands
        self._outbox = Outbox(events)
        self._queue: queue.Queue[Command] = queue.Queue()
        self._cancelled: set[str] = set()
        self._resident: dict[str, _Resident] = {}
        self._loaders: dict[str, PartLoader] = {}
        self._last_load: LoadPart | None = None
        """Until its part has begun to work."""
        self._prefetched: _Prefetched | None = None
        self._reported: dict[str, float] = {}
        """When a job's progress was last passed on."""
        self._examined: set[tuple[Any, ...]] = set()

    def serve(self) -> None:
        """Carry out commands one by one; cancellations overtake them."""
        threading.Thread(target=self._listen, daemon=True).start()
        self._outbox.put(Ready(pid=os.getpid()))
        while True:
            command = self._queue.get()
            try:
                self._carry_out(command)
            except RendererError as error:
                self._outbox.put(Broken(message=error.message, why=error.why, help=error.help))
            except Exception as error:  # noqa: BLE001 - the process boundary: the parent tells the user
                traceback.print_exc()
                if is_lost(error):
                    self._outbox.put(DeviceGone(message=str(error).partition("\n")[0]))
                    continue
                why = f"{type(error).__name__}: {error}"
                self._outbox.put(Broken(message=f"`{_VERBS[type(command)]}` failed", why=why))

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """Pass it on, a few times a second for each job, the first and last word always."""
        self._prefetch()
        now = time.monotonic()
        if 0 < done < total and now - self._reported.get(job_id, 0.0) < _PROGRESS_SECONDS:
            return
        self._reported[job_id] = now
        self._outbox.put(Progress(id=job_id, done=done, total=total, unit=unit))

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """Pass it on."""
        self._outbox.put(ComponentRead(component=component, seconds=seconds, num_bytes=num_bytes))

    def cancelled(self, job_id: str) -> bool:
        """Whether the parent gave the job up."""
        return job_id in self._cancelled

    def _carry_out(self, command: Command) -> None:
        match command:
            case ImportFamily():
                self._import(command.family)
            case ExamineParts():
                self._examine(command)
            case LoadPart():
                self._load(command)
            case RunJobs():
                self._run(command)
            case DropParts():
                self._prefetched = None
                self._drop(*tuple(self._resident))
                self._outbox.put(Dropped())

    def _import(self, name: str) -> None:
        # Nobody waits for an answer to this: what is amiss (a library missing or broken) is told when a part is loaded.
        with suppress(Exception):
            self._loader(name)

    def _loader(self, name: str) -> PartLoader:
        """What loads a family's parts, imported."""
        if name not in self._loaders:
            with _nothing_collected():
                found = family(name).loader()
                found.prepare()
            self._loaders[name] = found
        return self._loaders[name]

    def _examine(self, command: ExamineParts) -> None:
        for one in command.parts:
            # Once for each fingerprint: a watch renders again and again.
            seen = (one.part, read_by(one.part, one.files), one.weights)
            if seen in self._examined:
                continue
            try:
                self._loader(one.files.family).examine(one.part, one.files)
            except RendererError:
                raise
            except Exception:  # noqa: BLE001 - not the files' fault: told when the part is loaded
                traceback.print_exc()
            self._examined.add(seen)
        self._outbox.put(Examined())

    def _load(self, command: LoadPart) -> None:
        part, files, wanted = command.part.part, command.part.files, _made_of(command.part, command.settings)
        prefetched = None
        if self._prefetched and self._prefetched.made_of[0] == part:
            prefetched, self._prefetched = self._prefetched, None
        resident = self._resident.pop(part, None)
        if resident and resident.made_of != wanted:
            resident.part.close()
            resident = None
        self._make_room(command, resident=resident is not None)
        if resident is None:
            prefetch = prefetched.part if prefetched and prefetched.made_of == wanted else None
            loaded = self._loader(files.family).load(part, files, command.settings, self, prefetch)
            resident = _Resident(made_of=wanted, files=files, part=loaded)
        self._resident[part] = resident  # last in the order: the part used longest ago goes first
        self._last_load = command
        self._outbox.put(PartReady())

    def _prefetch(self) -> None:
        """Begin with the part that comes next, now that the resident one has given its device something to do."""
        command, self._last_load = self._last_load, None
        if command is None or command.following is None or command.following.part in self._resident:
            return
        # A fault is told by the load; here it would end what is at work.
        with suppress(Exception):
            following, settings = command.following, command.settings
            made_of = _made_of(following, settings)
            if self._prefetched and self._prefetched.made_of == made_of:
                return
            self._prefetched = None  # its memory goes before more comes
            part = self._loader(following.files.family).prefetch(following.part, following.files, settings)
            self._prefetched = None if part is None else _Prefetched(made_of, part)

    def _make_room(self, command: LoadPart, *, resident: bool) -> None:
        """Drop others of what is resident, the longest unused first, as the asked residency has it."""
        part, files = command.part.part, command.part.files
        while self._resident:
            beside = command.residency is Residency.BESIDE
            if beside and has_room(part, files, command.settings, resident=resident):
                return
            self._drop(next(iter(self._resident)))

    def _run(self, command: RunJobs) -> None:
        resident = self._resident[command.part]
        if not command.spool:
            self._outbox.spool = None
        elif self._outbox.spool is None or self._outbox.spool.stem != command.spool:
            self._outbox.spool = SpoolWriter(command.spool)
        for result in runner_of(stage_of(resident.files, command.stage))(resident.part, command.jobs, self):
            self._outbox.put(result)
            del result  # else its memory would stay while the next one is made
        self._reported.clear()
        self._outbox.put(Ended())

    def _drop(self, *parts: str) -> None:
        for part in parts:
            self._resident.pop(part).part.close()

    def _listen(self) -> None:
        try:
            self._hear_commands()
        except Exception:  # noqa: BLE001 - whatever it is: without its ear the worker would be waited for, for hours
            traceback.print_exc()
            self._outbox.leave(1)
        # The parent is gone; nobody waits for what is under way.
        self._outbox.leave(0)

    def _hear_commands(self) -> None:
        while (command := cast("Command | None", receive(self._commands))) is not None:
            if isinstance(command, CancelJobs):
                self._cancelled |= set(command.ids)
                continue
            if isinstance(command, RunJobs):
                # What was given up in an earlier run may be wanted again by now; here, in the order of the pipe.
                self._cancelled.clear()
            self._queue.put(command)


def _made_of(part: PartFiles, settings: Settings) -> tuple[Any, ...]:
    """What a part would be loaded anew for, were it another."""
    held_against = tuple(read_by(other, part.files) for other in part_of(part.files, part.part).agrees_with)
    # The fingerprint too: weights may be replaced under the same path while an older worker lives on.
    return (part.part, read_by(part.part, part.files), held_against, settings, part.weights)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Leave what is made meanwhile alone, for good: of libraries' imports, nearly all stays.

    Hundreds of thousands of objects: looking through them again and again is a fifth of the imports' time, and later a
    quarter second at each drop of a part.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


if __name__ == "__main__":
    main()
