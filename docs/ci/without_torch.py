"""Print what the installed renderer needs to check and to plan, a requirement a line: all but what loads weights."""

from __future__ import annotations

import re
from importlib.metadata import requires

HEAVY = frozenset({"diffusers", "torch", "transformers"})


def is_light(requirement: str) -> bool:
    """Whether every command but the rendering ones imports it."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    return name is not None and name[0].lower() not in HEAVY and "extra ==" not in requirement


if __name__ == "__main__":
    print("\n".join(filter(is_light, requires("renderer") or ())))
