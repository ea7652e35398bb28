"""Which devices a run takes, a worker each: `auto`, `cuda`, `cuda:0,2`. Asks the driver, imports no torch."""

from __future__ import annotations

import ctypes
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.models import device as devices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.models.device import Gpu

SEVERAL = re.compile(r"cuda:(\d{1,4}(?:,\d{1,4})*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The devices of a run."""

    devices: tuple[str, ...]
    """`cpu`, `mps` or `cuda:N`, a worker each; the first is the one that is planned for."""
    remarks: tuple[str, ...] = ()
    """What the user is told of those that were left out."""
    gpus: tuple[str, ...] = ()
    """Names of the GPUs among them, each once."""


def pick_devices(asked: str, *, workers: int | None = None, mixed: bool = False) -> Picked:
    """The devices that `--device` names: of `auto` and `cuda` all there are, several on a CPU where `workers` says so.

    Raises: UsageError for an unknown name or a number that no GPU has, ResourceError when the device isn't there.
    """
    indices = _indices(asked)
    first = devices.pick(f"cuda:{indices[0]}" if indices else asked)
    if not first.startswith("cuda"):
        return Picked(devices=(first,) * _num_workers(first, workers))
    if workers is not None:
        raise UsageError(
            "GPUs have one worker each, so `--workers` says nothing of them",
            help="name the GPUs with --device: cuda:0, or cuda:0,2",
        )
    found = devices.cuda_devices()
    chosen = [_gpu(found, index) for index in indices] if indices else list(found)
    return take_equal(chosen, mixed=mixed)


def take_equal(gpus: Sequence[Gpu], *, mixed: bool) -> Picked:
    """The largest group of equal GPUs, of two as large the one with more memory; all of them when they are `mixed`.

    Never those that would compute in another dtype or by other kernels than the first: that would be another key.
    """
    groups: dict[tuple[object, ...], list[Gpu]] = {}
    for gpu in gpus:
        kind = (gpu.capability[0] >= devices.AMPERE,) if mixed else gpu.kind
        groups.setdefault(kind, []).append(gpu)
    best = max(groups.values(), key=lambda group: (len(group), sum(gpu.num_bytes for gpu in group)))
    left = [gpu for gpu in gpus if gpu not in best]
    names = ", ".join(f"cuda:{gpu.index} ({gpu.name})" for gpu in left)
    advice = "it computes in other dtypes" if mixed else "unequal GPUs may differ in bits: --mixed takes them too"
    remark = f"left out: {names}; the run takes {len(best)} × {best[0].name}; {advice}"
    return Picked(
        devices=tuple(f"cuda:{gpu.index}" for gpu in best),
        remarks=(remark,) if left else (),
        gpus=tuple(sorted({gpu.name for gpu in best})),
    )


def driver_version() -> str:
    """Of NVIDIA's driver, asked of NVML; empty where there is none."""
    with suppress(OSError, AttributeError):
        nvml, version = ctypes.CDLL("libnvidia-ml.so.1"), ctypes.create_string_buffer(96)
        if nvml.nvmlInit_v2() == 0 and nvml.nvmlSystemGetDriverVersion(version, len(version)) == 0:
            return version.value.decode(errors="replace")
    return ""


def _indices(asked: str) -> tuple[int, ...]:
    """The numbers behind `cuda:`; none where no several are named.

    Raises: UsageError for one that is named twice.
    """
    match = SEVERAL.fullmatch(asked)
    if match is None:
        return ()
    indices = tuple(int(one) for one in match[1].split(","))
    if len(set(indices)) < len(indices):
        raise UsageError(f"`{asked}` names a GPU twice", help="name each once")
    return indices


def _gpu(there: Sequence[Gpu], index: int) -> Gpu:
    gpu = next((gpu for gpu in there if gpu.index == index), None)
    if gpu is None:
        raise devices.no_such_gpu(f"cuda:{index}", len(there))
    return gpu


def _num_workers(device: str, workers: int | None) -> int:
    if workers is not None and workers > 1 and device != "cpu":
        raise UsageError(f"`{device}` is one device and has one worker", help="leave --workers out")
    return workers or 1
