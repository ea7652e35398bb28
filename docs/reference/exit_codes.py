"""`cli/exit_codes.py` -> the page of exit codes."""

from __future__ import annotations

from docs.reference.docstrings import strings_below
from docs.reference.markdown import WRITTEN, table
from renderer.cli import exit_codes

_HEAD = """\
# Exit codes

What a command ends with, for scripts, CI and schedulers. Which of them a command can end with,
[its help](commands.md) says.

"""


def exit_codes_page() -> str:
    """Each code with what it tells."""
    told = strings_below(exit_codes)
    rows = {getattr(exit_codes, name): told.get(name, "") for name in vars(exit_codes) if name.startswith("EXIT_")}
    return WRITTEN + _HEAD + table(["code", "means"], ([f"`{code}`", text] for code, text in sorted(rows.items())))
