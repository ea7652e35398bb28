"""The exceptions of `renderer`, split by whose fault it is; imports nothing of ours.

RendererError
├── UsageError        the command line asks for something that can't be
├── SpecError         specs have faults; carries every diagnostic
├── ModelError        a checkpoint is missing, incomplete or not what it claims
│   └── UnfitFiles    files of checkpoints can't be rendered with; carries every fault
├── ResourceError     memory, disk or device can't do what is asked
├── StoreError        the outputs folder can't be read or written as needed
│   ├── FolderBusy    another render is writing to the folder; later it isn't
│   └── InputLost     what a job builds on is gone or damaged; it can be made again
├── StageError        one job failed in its stage; costs that take only
└── WorkerDied        the worker process ended without a word
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.spec.diagnostics import Diagnostic


class RendererError(Exception):
    """What happened, why, and what to do; printed without a traceback.

    `message` is lower case without a full stop; `why` and `help` may be empty.
    """

    def __init__(self, message: str, *, why: str = "", help: str = "") -> None:  # noqa: A002 - the word the diagnostics use
        super().__init__(message)
        self.message = message
        self.why = why
        self.help = help


class UsageError(RendererError):
    """The command line asks for something that can't be; exit code 2."""


class SpecError(RendererError):
    """Specs have faults; `diagnostics` holds all of them, of all files; exit code 2."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        num = len(diagnostics)
        super().__init__(f"{num} fault{'s'[: num != 1]} in the specs")
        self.diagnostics = tuple(diagnostics)

    def __str__(self) -> str:
        return "\n\n".join((self.message, *map(str, self.diagnostics)))


class ModelError(RendererError):
    """A checkpoint is missing, incomplete or not what it claims to be."""

    settings: tuple[str, ...] = ()
    """The keys of a spec that named it, the first one first to be looked at; empty where none did."""


@contextmanager
def named_by(*settings: str) -> Iterator[None]:
    """Say of a ModelError from within which keys of a spec it is about, unless it says so itself."""
    try:
        yield
    except ModelError as error:
        error.settings = error.settings or settings
        raise


class UnfitFiles(ModelError):  # noqa: N818 - what was found
    """Files of checkpoints and adapters that nothing can be rendered with; `faults` holds all of them."""

    def __init__(self, faults: Sequence[ModelError]) -> None:
        super().__init__(faults[0].message, why=faults[0].why, help=faults[0].help)
        self.faults = tuple(faults)


class ResourceError(RendererError):
    """Memory, disk or device can't do what is asked."""


class StoreError(RendererError):
    """The outputs folder can't be read or written as needed."""


class FolderBusy(StoreError):  # noqa: N818 - a state, which passes
    """Another render is writing to the outputs folder."""


class InputLost(StoreError):  # noqa: N818 - an event, as the executor sees it
    """What a job builds on is gone or damaged; planning again makes it anew."""


class StageError(RendererError):
    """One job failed in its stage; the rest of the run goes on."""


class DeviceFault(StageError):  # noqa: N818 - as above
    """One job failed for what may be its device's fault: another may do better."""


class WorkerDied(RendererError):  # noqa: N818 - an event, as the executor sees it
    """The worker process ended without a word."""


class NodeLost(WorkerDied):
    """The machine that the worker was on is gone, which says nothing of its device; another may take its place."""
