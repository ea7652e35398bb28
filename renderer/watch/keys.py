"""The keys pressed on a terminal, one by one without Enter, passed on as they come. POSIX; elsewhere there are none."""

from __future__ import annotations

import os
import select
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ESCAPE = b"\x1b"


def has_keys() -> bool:
    """Whether someone can press keys: standard input is a terminal of ours, and we are not in its background."""
    if os.name != "posix" or not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # another session's terminal, as under setsid: keys don't come to us
        return False


@contextmanager
def reading_keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Call `pressed` from another thread for each key; the terminal is as before afterwards."""
    import termios  # noqa: PLC0415 - exists on POSIX only
    import tty  # noqa: PLC0415 - as above

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    end_read, end_write = os.pipe()
    reader = threading.Thread(target=_read, args=(terminal, end_read, pressed), daemon=True)
    try:
        # Without echo and line by line; Ctrl-C stays a signal.
        tty.setcbreak(terminal)
        reader.start()
        yield
    finally:
        os.close(end_write)
        reader.join()
        os.close(end_read)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _read(terminal: int, end: int, pressed: Callable[[str], None]) -> None:
    while True:
        ready, _, _ = select.select([terminal, end], [], [])
        if end in ready:
            return
        typed = os.read(terminal, 64)
        if not typed:
            return  # the terminal is gone
        if typed.startswith(_ESCAPE):
            continue  # an arrow or a function key
        for key in typed.decode(errors="replace"):
            pressed(key)
