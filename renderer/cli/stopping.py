"""Signals that ask for an end: Ctrl-C, SIGTERM, and a terminal that went away, unless that is to be ignored (nohup)."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OUTPUTS = (1, 2)  # of every process: what it says, and what went wrong


@contextmanager
def handling_stop_signals(handle: Callable[[int], None]) -> Iterator[None]:
    """Have each such signal handled while the scope lasts, by its number."""
    received: set[int] = set()

    def receive(number: int, frame: object) -> None:
        del frame
        received.add(number)
        if is_hangup(number):
            _let_go_of_terminals()
        handle(number)

    before = {number: signal.signal(number, receive) for number in _numbers()}
    try:
        yield
    finally:
        for number, handler in before.items():
            # A terminal goes away once, and may be told again while the page and the summary are written.
            signal.signal(number, signal.SIG_IGN if is_hangup(number) and number in received else handler)


def is_hangup(number: int) -> bool:
    """Whether it says that the terminal went away; it may come twice, from the shell and from the system."""
    return hasattr(signal, "SIGHUP") and number == signal.SIGHUP


def stop_reason(number: int) -> str:
    """Completes "stopped …": `by Ctrl-C`, `by SIGTERM`."""
    if is_hangup(number):
        return "as its terminal went away"
    return "by Ctrl-C" if number == signal.SIGINT else f"by {signal.Signals(number).name}"


def _numbers() -> Iterator[int]:
    yield from (signal.SIGINT, signal.SIGTERM)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP


def _let_go_of_terminals() -> None:
    """What would be written to a terminal that is gone goes nowhere; a file gets all of it."""
    for descriptor in _OUTPUTS:
        if os.isatty(descriptor) or not _takes(descriptor):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def _takes(descriptor: int) -> bool:
    try:
        os.write(descriptor, b"")
    except OSError:
        return False
    return True
