"""Components of the part that comes next, read onto the device while another part works; CUDA with plenty of memory.

Reading takes host and bus, the part at work the device: neither waits for the other. All of it happens in a stream of
its own, which the device's other work neither waits for nor shares memory with.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from renderer.models import device as devices
from renderer.models import memory
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.dit.loader import component_dtypes
from renderer.models.ace_step.protocol.names import DIT, VAE
from renderer.models.residency import USUAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.ace_step.checkpoints.components import Found
    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import Listener

STREAM = "prefetch"
LEFT_SHARE = 0.5
"""Of the device's memory, that must stay free for the part at work and its next passes."""


def prefetch(part: str, files: ModelFiles, settings: Settings) -> PrefetchedPart | None:
    """Begin; None where the device has no plenty of memory, or the part's components are its own library's."""
    own, names = settings.of(part), _dtypes_of(part, files, settings)
    if not (names and own.device.startswith("cuda") and _is_plenty(part, files, own)):
        return None
    found = PrefetchedPart()
    found.thread = threading.Thread(target=found.read, args=(files, torch.device(own.device), names), daemon=True)
    found.thread.start()
    return found


@dataclass(slots=True)
class PrefetchedPart:
    """One part's, each to be had once."""

    thread: threading.Thread | None = None
    _components: dict[str, _Read] = field(default_factory=dict)

    def find(self, files: ModelFiles, name: str) -> Found:
        """As `find_component`; waits for what is under way."""
        if self.thread is not None:
            self.thread.join()
            self.thread = None
        return self._components.pop(name, None) or find_component(files, name)

    def read(self, files: ModelFiles, device: torch.device, names: Mapping[str, str]) -> None:
        """Every component in its dtype; at the first that fails it ends, and who loads that one tells."""
        side_stream = devices.SideStream(device, STREAM)
        for name, dtype in names.items():
            try:
                self._components[name] = side_stream.run(partial(_read, files, name, dtype, device))
            except Exception:  # noqa: BLE001 - it is only ahead of its time
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A component whose weights are on the device."""

    name: str
    module: Any
    record: _LoadRecord

    def half(self, name: str) -> Found:
        """As `Component.half`: so it was read."""
        del name
        return self

    def load(self, *, dtype: str, device: torch.device, listener: Listener) -> Any:
        """As `Component.load`."""
        del dtype  # the part's own, as it was read in
        # Its memory may go to the next that is prefetched only when whatever reads it now has done so.
        devices.SideStream(device, STREAM).hand_over(*self.module.parameters(), *self.module.buffers())
        listener.loaded(self.name, self.record.seconds, self.record.num_bytes)
        return self.module


@dataclass(slots=True)
class _LoadRecord:
    """A listener that keeps what a load took."""

    seconds: float = 0.0
    num_bytes: int = 0

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        del component
        self.seconds, self.num_bytes = seconds, num_bytes

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """Nothing runs."""

    def cancelled(self, job_id: str) -> bool:  # noqa: ARG002 - the seam's
        return False


def _read(files: ModelFiles, name: str, dtype: str, device: torch.device) -> _Read:
    component, record = find_component(files, name), _LoadRecord()
    if name == "vae":
        component = component.half("decoder")
    module = component.load(dtype=dtype, device=device, listener=record)
    return _Read(name=component.name, module=module, record=record)


def _dtypes_of(part: str, files: ModelFiles, settings: Settings) -> Mapping[str, str]:
    """What a part loads by `find_component`, and in which dtype."""
    own = settings.of(part)
    dtypes = devices.dtypes(own.device, own.dtype)
    if part == VAE:
        return {"vae": dtypes.vae}
    return component_dtypes(files, dtypes) if part == DIT else {}


def _is_plenty(part: str, files: ModelFiles, settings: Settings) -> bool:
    device = torch.device(settings.device)
    wanted = memory.need(part, files, settings, USUAL_SECONDS).total
    return leaves_plenty(wanted, devices.free_bytes(device), torch.cuda.get_device_properties(device).total_memory)


def leaves_plenty(wanted: int, free: int, total: int) -> bool:
    """Whether so many bytes may be taken beside a part that is at work."""
    return free - wanted >= LEFT_SHARE * total
