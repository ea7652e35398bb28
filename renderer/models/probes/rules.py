"""What a verdict changes: parts that compute elsewhere or in another dtype, longer tiles; and how users hear of it."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psutil

from renderer.errors import ResourceError
from renderer.models import apple
from renderer.models import device as devices
from renderer.models.model_files import PartSettings
from renderer.models.probes.table import MLX_PROBES, PROBES, REMEDIES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from renderer.models.probes.table import Probe
    from renderer.models.probes.verdict import Verdict

_PARTS = ("lm", "dit", "vae")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRules:
    """How parts run on a device whose probes gave this."""

    parts: tuple[PartSettings, ...]
    vae_tiles: tuple[int, int]
    remarks: tuple[str, ...]
    """What users are told of it, a line each."""
    choices: tuple[str, ...] = ()
    """What the tables have of this chip and system that takes from before are made again for, a line each."""


def rules_of(verdict: Verdict | None, device: str, dtype: str) -> DeviceRules:
    """What to do with a verdict; without one, as the tables have it.

    Raises: ResourceError for a dtype that was asked for and is computed wrong.
    """
    tiles = devices.vae_tiles(device)
    if verdict is None:
        return DeviceRules(parts=(), vae_tiles=tiles, remarks=())
    wrong = verdict.wrong
    own = devices.dtypes(device, dtype)
    computed = {"lm": own.lm, "dit": own.dit, "vae": own.vae}
    parts = [one for part in _PARTS if (one := _part(part, computed[part], dtype, wrong))]
    choices = []
    if not any(one.part == "dit" for one in parts) and _is_faster_in_float32(verdict, device, dtype):
        parts.append(PartSettings(part="dit", dtype="float32"))
        gain = verdict.speed.bfloat16 / verdict.speed.float32
        choices.append(
            f"on {apple.chip()} the DiT computes in float32, here {gain:.1f} × as fast as bfloat16: "
            "what it made in bfloat16 is made again"
        )
    remarks = [_remark(probe) for probe in wrong if computed[probe.parts[0]] != "float32" or probe.dtype == "float32"]
    if (found := _tiles(tiles, device, wrong)) != tiles:
        choices.append(
            f"the VAE decodes in tiles of {found[0]} frames, as macOS 15.1 and later can: "
            f"waveforms made in tiles of {tiles[0]} are made again"
        )
    return DeviceRules(
        parts=tuple(parts), vae_tiles=found, remarks=tuple(remarks), choices=tuple(choices) if device == "mps" else ()
    )


def lm_on_mlx(verdict: Verdict | None, dtype: str) -> DeviceRules:
    """How the LM runs on MLX, whose device's probes gave this.

    Raises: ResourceError where it gives wrong results there.
    """
    wrong = () if verdict is None else verdict.failed(MLX_PROBES)
    computed = devices.dtypes(devices.MLX, dtype).lm
    plain = PartSettings(part="lm", device=devices.MLX)
    mine = [probe for probe in wrong if probe.dtype in {computed, "float32"}]
    if any(probe.dtype == "float32" for probe in mine):
        raise ResourceError(
            "MLX gives wrong results on this device",
            why="; ".join(_fault(probe) for probe in mine),
            help="give another --device: auto takes the GPU by torch",
        )
    if mine and dtype != "auto":
        raise _wrong_dtype(dtype, mine)
    lm = replace(plain, dtype="float32") if mine else plain
    return DeviceRules(parts=(lm,), vae_tiles=(0, 0), remarks=tuple(_remark(probe) for probe in mine))


def _wrong_dtype(dtype: str, wrong: Collection[Probe]) -> ResourceError:
    return ResourceError(
        f"`--dtype {dtype}` gives wrong results on this device",
        why="; ".join(_fault(probe) for probe in wrong),
        help="leave --dtype out, or give --dtype float32",
    )


def _part(part: str, computed: str, asked: str, wrong: Collection[Probe]) -> PartSettings | None:
    """How a part runs that computes in `computed` by itself."""
    mine = [probe for probe in wrong if part in probe.parts and probe.remedy != "short-tiles"]
    if any(probe.dtype == "float32" for probe in mine):
        return PartSettings(part=part, device="cpu", dtype="float32")
    if computed == "float32" or not mine:
        return None
    if asked != "auto":
        raise _wrong_dtype(asked, mine)
    return PartSettings(part=part, dtype="float32")


def _tiles(tiles: tuple[int, int], device: str, wrong: Collection[Probe]) -> tuple[int, int]:
    """Long ones on Metal where macOS has no limit and both convolutions came out right; short ones where not."""
    if any(probe.remedy == "short-tiles" for probe in wrong):
        return devices.VAE_TILES["mps"]
    return apple.LONG_TILES if device == "mps" and apple.has_long_tiles(platform.mac_ver()[0]) else tiles


def _is_faster_in_float32(verdict: Verdict, device: str, dtype: str) -> bool:
    """Of the DiT, on the chips that the table names and as measured on this one."""
    return (
        device == "mps"
        and dtype == "auto"
        and apple.has_slow_bfloat16(apple.chip())
        and psutil.virtual_memory().total >= apple.LEAST_BYTES
        and verdict.speed.bfloat16 >= verdict.speed.float32 * apple.GAIN
    )


def _remark(probe: Probe) -> str:
    return f"{_fault(probe)}: {REMEDIES[probe.remedy]} ({', '.join(probe.parts)})"


def _fault(probe: Probe) -> str:
    return f"this device computes {probe.operation} wrong in {probe.dtype} ({probe.issue}, mended in {probe.mended})"


def lines(verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    """A probe's state (`fine`, `warning`), what was found, and what to do, in words."""
    trials = {trial.probe: trial for trial in verdict.trials}
    wrong = {probe.name: probe for probe in verdict.failed((*PROBES, *MLX_PROBES))}
    for name, trial in trials.items():
        off = "" if trial.error is None else f"off by {trial.error:.1e}"
        if name in wrong:
            probe = wrong[name]
            told = ", ".join(filter(None, (trial.said, off)))
            yield "warning", f"{_fault(probe)}: {told}", f"{REMEDIES[probe.remedy]}: {', '.join(probe.parts)}"
        else:
            yield "fine", f"{name}: {off}", ""
