"""What reading a whole store finds, told as it is found; for `store verify` and `render --verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.cli.streams import say, say_line
from renderer.plurals import counted

if TYPE_CHECKING:
    from renderer.store.store import Store


def print_verified(store: Store) -> int:
    """Read every artifact and audio file, tell what is damaged; returns how many are."""
    from renderer.pipeline.disk_budget import format_bytes
    from renderer.store.verify import verify

    num_files, num_bytes, num_faults = 0, 0, 0
    for checked in verify(store):
        num_files, num_bytes = num_files + 1, num_bytes + checked.num_bytes
        if checked.fault:
            num_faults += 1
            say_line(f"{checked.file}: {checked.fault} ({checked.help})", head="bad ", colour="red")
    say(f"{counted(num_files, 'file')}, {format_bytes(num_bytes)} read, {num_faults} bad")
    return num_faults
