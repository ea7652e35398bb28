"""What the probes gave on a device: run in a process of its own, remembered by device and versions. No torch."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import psutil

from renderer.errors import ResourceError
from renderer.json_values import JsonError, from_json, to_json
from renderer.models import apple
from renderer.models import device as devices
from renderer.models.probes.table import PROBES, VERSION, Probe
from renderer.processes import SAFE_FOLDER, inherited, python
from renderer.store.disk import RealDisk, write_whole

LONGEST_SECONDS = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one probe gave."""

    probe: str
    error: float | None
    """Its largest distance from the CPU's, as a share of the largest value; None where there was no number."""
    said: str = ""
    """What is wrong, in words; empty where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Seconds of one product of the DiT's size."""

    float32: float
    bfloat16: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all of them gave on one device with one set of versions."""

    trials: tuple[Trial, ...]
    speed: Speed

    @property
    def wrong(self) -> tuple[Probe, ...]:
        """Of torch's probes those that weren't passed."""
        return self.failed(PROBES)

    def failed(self, probes: Iterable[Probe]) -> tuple[Probe, ...]:
        """Those that weren't passed; one that wasn't tried isn't among those passed either."""
        passed = {trial.probe for trial in self.trials if not trial.said and trial.error is not None}
        return tuple(probe for probe in probes if probe.name not in passed)


Probing = Callable[[str], Verdict]


def remembered(device: str) -> Verdict | None:
    """What the probes gave on this device with these versions; None where they were never run."""
    try:
        return from_json(Verdict, json.loads(_path(device).read_text(encoding="utf-8")))
    except (OSError, ValueError, JsonError):
        return None


def run(device: str) -> Verdict:
    """Run them now, in a process that may crash, and remember what they give.

    Raises: ResourceError when the process gives no answer.
    """
    try:
        ran = subprocess.run(
            python("-m", "renderer.models.probes", device),
            cwd=SAFE_FOLDER,
            env=inherited(),
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _no_answer(device, f"nothing came back in {LONGEST_SECONDS} s") from error
    if ran.returncode:
        raise _no_answer(device, (ran.stderr.strip().splitlines() or ["no word"])[-1])
    verdict = from_json(Verdict, json.loads(ran.stdout.splitlines()[-1]))
    # Where it can't be kept (a home that is read-only), the device is tried again next time.
    with suppress(OSError):
        write_whole(RealDisk(), _path(device), json.dumps(to_json(verdict)).encode())
    return verdict


def identity(device: str) -> dict[str, object]:
    """What a verdict is remembered by: the device's name, its system and torch."""
    kind, _, index = device.partition(":")
    found: dict[str, object] = {
        "probes": VERSION,
        "device": kind,
        "torch": apple.torch_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    if kind == "cuda":
        # None of one that is on another machine, of a cluster.
        found["gpu"] = next((gpu.kind for gpu in devices.cuda_devices() if gpu.index == int(index or 0)), None)
    elif kind in {"mps", devices.MLX}:
        found |= {"mlx": apple.mlx_version()} if kind == devices.MLX else {}
        found |= {"chip": apple.chip(), "macos": platform.mac_ver()[0], "bytes": psutil.virtual_memory().total}
    return found


def _path(device: str) -> Path:
    name = hashlib.sha256(json.dumps(identity(device), sort_keys=True).encode()).hexdigest()[:24]
    return platformdirs.user_cache_path("renderer") / "probes" / f"{name}.json"


def _no_answer(device: str, why: str) -> ResourceError:
    return ResourceError(f"the probes gave no answer on `{device}`", why=why, help="see `renderer doctor`")
