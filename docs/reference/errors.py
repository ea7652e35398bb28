"""The table of errors -> the page that says what each means."""

from __future__ import annotations

from docs.reference.markdown import WRITTEN, table
from renderer.spec.fault_table import FAULTS, fault_entry

_HEAD = """\
# Errors of specs

What keeps a spec from being rendered. `renderer check --explain CODE` says the same on a terminal. The codes of errors
of one key's value aren't listed: they are the key's name and what is wrong, such as `bpm-range` or `keyscale-form`, and
[the key's entry](spec.md) tells what it takes.

"""


def errors_page() -> str:
    """An index, then an entry an error."""
    index = table(["code", "finds"], ([f"[`{one.code}`](#{one.code})", one.finds] for one in FAULTS))
    return WRITTEN + _HEAD + index + "".join(f"\n{fault_entry(one.code)}" for one in FAULTS)
