"""What reading a whole store finds, told as it is found; for `store verify` and `render --verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from renderer.store.store import Store


def print_verified(store: Store) -> int:
    """Read every artifact and audio file, tell what is damaged; returns how many are."""
    from renderer.pipeline.disk_budget import format_bytes
    from renderer.spec.diagnostics import printable
    from renderer.store.verify import verify

    num_files, num_bytes, num_faults = 0, 0, 0
    for checked in verify(store):
        num_files, num_bytes = num_files + 1, num_bytes + checked.num_bytes
        if checked.fault:
            num_faults += 1
            click.echo(f"{click.style('bad', fg='red')} {printable(checked.file)}: {checked.fault} ({checked.help})")
    click.echo(f"{num_files} files, {format_bytes(num_bytes)} read, {num_faults} bad")
    return num_faults
