"""Whether this machine can render: what was found, what to do. Torch is tried in a process of its own."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import psutil

from renderer.errors import RendererError, UsageError
from renderer.models import device as devices
from renderer.models import memory
from renderer.models.catalog import hub, zoo
from renderer.models.gpus import pick_devices
from renderer.models.placement import beside, placed, words
from renderer.models.probes import rules
from renderer.models.probes import verdict as verdicts
from renderer.processes import SAFE_FOLDER, inherited, python

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from renderer.models.catalog.inventory import InventoryEntry
    from renderer.models.model_files import Settings
    from renderer.song import Variant

OLDEST_PYTHON = (3, 11)
LIBRARIES = {
    "torch": (2, 11),
    "transformers": (5, 17),
    "diffusers": (0, 42),
    "safetensors": (0, 7),
    "soundfile": (0, 13),
}
LEAST_DISK = 2e9  # for outputs and the embedded model
TRIAL_SECONDS = 300  # torch alone takes a minute from a drive that others keep busy
TRIAL = """
import json, sys, torch
device, dtypes = sys.argv[1], sys.argv[2:]
for dtype in dtypes:
    x = torch.ones(64, 64, device=device, dtype=getattr(torch, dtype))
    assert float((x @ x).sum()) == 64**3 or dtype != "float32"
name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
lacking = ""
if device.startswith("cuda"):
    try:
        from renderer.models.kernels.time_warping import make_kernel
        make_kernel(torch.device(device))
    except Exception as error:
        lacking = (str(error).splitlines() or [type(error).__name__])[0]
print(json.dumps({"name": name, "lacking": lacking}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One thing that was looked at."""

    what: str
    state: str
    """`fine`, `warning` (renders, but mind it) or `broken` (can't render)."""
    detail: str
    help: str = ""


def examine(device: str, dtype: str, variants: Sequence[Variant] = ()) -> Iterator[CheckResult]:
    """Everything that rendering rests on, from the interpreter up, to the models that `variants` name."""
    yield _python()
    yield from _libraries()
    try:
        every = pick_devices(beside(device))
        picked, *_ = every.devices
        dtypes = devices.dtypes(picked, dtype)
        settings = placed(device if device == devices.MLX else picked, dtype)
    except RendererError as error:
        advice = error.help if isinstance(error, UsageError) else "use --device auto"
        found = ": ".join(part for part in (error.message, error.why) if part)
        yield CheckResult(what="device", state="broken", detail=found, help=advice)
        yield _disk()
        return
    for one in every.devices:
        yield from _trial(one, sorted({dtypes.lm, dtypes.dit, dtypes.vae, dtypes.condition_encoder}))
    for remark in every.remarks:
        yield CheckResult(what="device", state="warning", detail=remark)
    yield _dtypes(picked, dtype, settings)
    yield from _probed(picked, dtype)
    yield from _kernels(picked, dtypes.lm)
    for one in every.devices:
        yield _memory(one)
    yield _disk()
    asked = device if device == devices.MLX else picked
    yield from _models(asked, dtype)
    yield from _own_models(asked, dtype, variants)


def probes(device: str) -> Iterator[CheckResult]:
    """What a device computes, held against the CPU; remembered, and heeded by renders."""
    try:
        names = (devices.beside_mlx(), devices.MLX) if device == devices.MLX else (devices.pick(device),)
        tried = [verdicts.run(name) for name in names]
    except RendererError as error:
        found = ": ".join(part for part in (error.message, error.why) if part)
        yield CheckResult(what="probe", state="broken", detail=found, help=error.help)
        return
    for verdict in tried:
        for state, found, done in rules.lines(verdict):
            yield CheckResult(what="probe", state=state, detail=found, help=done)


def _python() -> CheckResult:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return CheckResult(what="python", state="broken", detail=found, help="install Python 3.11 or later")
    return CheckResult(what="python", state="fine", detail=found)


def _libraries() -> Iterator[CheckResult]:
    for name, oldest in LIBRARIES.items():
        wanted = ".".join(map(str, oldest))
        try:
            found = version(name)
        except PackageNotFoundError:
            yield CheckResult(what=name, state="broken", detail="not installed", help=f"pip install '{name}>={wanted}'")
            continue
        numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:2] if part.isdecimal())
        state = "fine" if numbers >= oldest else "broken"
        yield CheckResult(
            what=name, state=state, detail=found, help="" if state == "fine" else f"{wanted} or later is needed"
        )


def _kernels(device: str, dtype: str) -> Iterator[CheckResult]:
    """Whether the quickest kernels can be made, where a device has them."""
    if not devices.has_flash(device, dtype):
        return
    missing = devices.missing_for_triton()
    if missing is None:
        yield CheckResult(what="kernels", state="fine", detail="Triton's")
    else:
        yield CheckResult(
            what="kernels",
            state="warning",
            detail=f"LM and VAE take slower ones: {missing} is missing",
            help=f"{devices.TRITON_ADVICE}; results then get other keys",
        )


def _trial(device: str, dtypes: list[str]) -> Iterator[CheckResult]:
    """Let torch multiply on the device, and make what words are timed by, in a process that may crash."""
    command = python("-c", TRIAL, device, *dtypes)
    try:
        ran = subprocess.run(
            command,
            cwd=SAFE_FOLDER,
            env=inherited(),
            capture_output=True,
            text=True,
            timeout=TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield CheckResult(what="device", state="broken", detail=f"{device} gave no answer", help="try --device cpu")
        return
    if ran.returncode:
        why = (ran.stderr.strip().splitlines() or ["no word"])[-1]
        yield CheckResult(what="device", state="broken", detail=f"{device} fails: {why}", help="try --device cpu")
        return
    yield from _answered(json.loads(ran.stdout), dtypes)


def _answered(answer: Mapping[str, str], dtypes: list[str]) -> Iterator[CheckResult]:
    yield CheckResult(what="device", state="fine", detail=f"{answer['name']} calculates in {', '.join(dtypes)}")
    if answer["lacking"]:
        yield CheckResult(
            what="kernels",
            state="warning",
            detail=f"words are timed on the CPU, which is slower: {answer['lacking']}",
            help="torch's wheels for Linux bring what it needs, cuda-bindings and NVRTC; results are the same without",
        )


def _dtypes(device: str, dtype: str, settings: Settings) -> CheckResult:
    warning = devices.dtype_warning(device, dtype)
    return CheckResult(what="dtype", state="warning" if warning else "fine", detail=words(settings), help=warning or "")


def _probed(device: str, dtype: str) -> Iterator[CheckResult]:
    """What the device's probes changed, as far as they were run."""
    known = verdicts.remembered(device)
    if known is None:
        if device != "cpu":
            told = "this device was not tried with this torch yet"
            yield CheckResult(what="probe", state="fine", detail=told, help="renderer doctor --probe")
        return
    for remark in rules.rules_of(known, device, dtype).remarks:
        yield CheckResult(what="probe", state="warning", detail=remark)


def _memory(device: str) -> CheckResult:
    total, free = psutil.virtual_memory().total, memory.available(device)
    found = f"{free / 1e9:.1f} GB free for models on {device}, {total / 1e9:.1f} GB of memory in all"
    return CheckResult(what="memory", state="fine", detail=found)


def _disk() -> CheckResult:
    free = shutil.disk_usage(".").free
    if free < LEAST_DISK:
        return CheckResult(what="disk", state="broken", detail=f"{free / 1e9:.1f} GB free here", help="make room")
    return CheckResult(what="disk", state="fine", detail=f"{free / 1e9:.1f} GB free here")


def _models(device: str, dtype: str) -> Iterator[CheckResult]:
    """What is on disk, and whether it would fit."""
    from renderer.models.catalog.inventory import known_models  # noqa: PLC0415 - reads the hub's cache

    here = [entry for entry in known_models(device, dtype) if entry.on_disk and entry.name != zoo.MINI]
    yield from map(_fit, here)
    yield CheckResult(what="model", state="fine", detail=f"{zoo.MINI} (embedded), fits anywhere")
    if all(entry.kind == "vae" for entry in here):
        folders = ", ".join(map(str, hub.known_folders())) or "the hub's cache"
        found = f"none of the published models in {folders}"
        yield CheckResult(what="model", state="warning", detail=found, help="renderer models fetch turbo")


def _own_models(device: str, dtype: str, variants: Sequence[Variant]) -> Iterator[CheckResult]:
    """Folders and files that specs name, and whether they would fit."""
    from renderer.models.catalog.inventory import models_of  # noqa: PLC0415 - as above

    own, faults = models_of(variants, device, dtype)
    yield from map(_fit, own)
    for fault in faults:
        found = f"{fault.message}: {fault.why}" if fault.why else fault.message
        yield CheckResult(what="model", state="warning", detail=found, help=fault.help)


def _fit(entry: InventoryEntry) -> CheckResult:
    state, told = ("fine", "fits") if entry.fits else ("warning", "doesn't fit into free memory")
    found = f"{entry.name} ({entry.kind}), {entry.resident_bytes / 1e9:.1f} GB resident, {told}"
    return CheckResult(what="model", state=state, detail=found)
