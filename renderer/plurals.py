"""Numbers with their nouns, and the one word a take's state goes by, wherever people read them."""

from __future__ import annotations

DONE = "done"
"""Of a take whose audio lies on disk as its spec asks. `kept` is a vote; `rendered` tells what a run made."""


def counted(number: int, noun: str) -> str:
    """`1 take`, `2 takes`, `1,000 takes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
