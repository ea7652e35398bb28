"""What workers are called wherever a run is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def worker_names(devices: Sequence[str]) -> list[str]:
    """`cuda:1`; of workers that share a device, or its name, with their numbers from 1: `cpu 2`."""
    return [
        device if devices.count(device) == 1 else f"{device} {number}" for number, device in enumerate(devices, start=1)
    ]
