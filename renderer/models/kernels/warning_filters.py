"""A library's warnings left out or raised, by one thread at a time: Python has one list of filters for all of them."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALONE = threading.RLock()


@contextmanager
def filtered(action: Literal["ignore", "error"], message: str, category: type[Warning] = Warning) -> Iterator[None]:
    """Within, warnings that match the regular expression are treated so."""
    # Whoever leaves puts back what was there when it came: another's filters, did both overlap.
    with _ALONE, warnings.catch_warnings():
        warnings.filterwarnings(action, message=message, category=category)
        yield
