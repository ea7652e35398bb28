"""Devices and dtypes: which there are, which to take, how to free them. Picking needs no torch; the rest imports it.

The policy's origin is upstream's table of dtypes by device. Source: ace-step/ACE-Step-1.5, acestep/handler.py.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import platform
import re
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from renderer.errors import ResourceError, UsageError
from renderer.models.stage_job import DeviceLost
from renderer.processes import SAFE_FOLDER
from renderer.spec.near import nearest, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

T = TypeVar("T")

DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
DTYPES = ("auto", "float32", "bfloat16", "float16")
_DTYPE_ALIASES = {
    "fp32": "float32",
    "f32": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
    "f16": "float16",
    "half": "float16",
}
AMPERE = 8  # compute capability of the first CUDA devices that calculate in bfloat16
BFLOAT16_MACOS = 14  # the first macOS whose Metal has bfloat16
VAE_TILES = {"cpu": (512, 64), "mps": (32, 8), "cuda": (1_024, 16)}
MLX = "mlx"
"""Apple's library, of the LM alone: on Metal, or on the CPU where there is no Metal."""
MLX_INSTALL = "pip install 'renderer[mlx]'"
"""Where it is missing; on Linux that brings `mlx[cpu]`."""
VAE_OUTPUT = "float32"
"""What the VAE's last convolution gives whatever the others compute in: in 16 bits sound would have steps of 1/256."""
LM_PROMPT_BUCKET = 256
X86 = ("x86_64", "AMD64")
"""What Linux and Windows call it."""
FULL_MEMORY = ("out of memory", "_STATUS_ALLOC_FAILED")
TRITON_ADVICE = "install a C compiler and Python's headers (gcc, python3-dev), or set CC or TRITON_CACHE_DIR to others"
"""Where `missing_for_triton` tells of something."""
TRITON_ERROR = "Triton Error [CUDA]"
_NUM_PROCESSORS = 16  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
_CAPABILITY_MAJOR = 75  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
_CAPABILITY_MINOR = 76


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A CUDA device, by what its results may depend on."""

    index: int
    """As torch counts those that `CUDA_VISIBLE_DEVICES` shows."""
    name: str
    num_bytes: int
    capability: tuple[int, int]
    num_processors: int
    """Multiprocessors: libraries choose kernels by them, and a slice of a GPU has fewer."""

    @property
    def kind(self) -> tuple[object, ...]:
        """Equal GPUs calculate equal bits; of their memory a few pages may be missing."""
        return (self.name, self.capability, self.num_processors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtypes:
    """The dtype of each component, by torch's names.

    The condition encoder is apart: its lyric encoder reaches 505,000, more than float16 holds: NaN with lyrics.
    """

    lm: str
    text_encoder: str
    condition_encoder: str
    """Also the audio tokenizer pair's."""
    dit: str
    vae: str


def pick(device: str) -> str:
    """`cpu`, `mps` or `cuda:N` for what the user asked; `auto` takes the fastest there is. Imports no torch.

    Raises: UsageError for an unknown name or a number that no GPU has, ResourceError when the device isn't there.
    """
    if not DEVICE.fullmatch(device):
        near = suggestion(device, ("auto", "cpu", "mps", "cuda"))
        raise UsageError(
            f"there is no device `{device}`", help=near or "write auto, cpu, mps, cuda, cuda:0 or cuda:0,2"
        )
    if device == "auto":
        return "mps" if _has_mps() else "cuda:0" if num_cuda_devices() else "cpu"
    if device == "mps" and not _has_mps():
        raise ResourceError("there is no `mps` here", why="it needs macOS on Apple silicon", help="use --device auto")
    if device.startswith("cuda"):
        return _pick_cuda(device)
    return device


def exact_mlx() -> None:
    """Let MLX compute float32 in float32; to be called before it is first used.

    On M5 its products would have the mantissa of TF32 (ml-explore/mlx#3534).
    """
    os.environ.setdefault("MLX_ENABLE_TF32", "0")


def has_mlx() -> bool:
    """Whether MLX is installed."""
    return importlib.util.find_spec("mlx") is not None


def beside_mlx() -> str:
    """The device of the parts that MLX doesn't run.

    Raises: ResourceError where MLX isn't installed.
    """
    if not has_mlx():
        raise ResourceError("MLX isn't installed", why="`--device mlx` runs the LM on it", help=MLX_INSTALL)
    return "mps" if _has_mps() else "cpu"


def dtypes(device: str, dtype: str) -> Dtypes:
    """The dtype of each component on a picked device; `auto` is the device's policy. Imports no torch.

    Asked for float16, text and condition encoder still run in float32.

    Raises: UsageError for an unknown dtype.
    """
    if dtype not in DTYPES:
        near = _DTYPE_ALIASES.get(dtype.lower()) or nearest(dtype, DTYPES)
        advice = f"did you mean `{near}`?" if near else f"write one of {', '.join(DTYPES)}"
        raise UsageError(f"there is no dtype `{dtype}`", help=advice)
    if dtype == "auto":
        return _policy(device)
    encoders = "float32" if dtype == "float16" else dtype
    return Dtypes(lm=dtype, text_encoder=encoders, condition_encoder=encoders, dit=dtype, vae=dtype)


def dtype_warning(device: str, dtype: str) -> str | None:
    """Why an asked dtype is known to break or to crawl on a device; None when nothing is known against it."""
    if dtype == "float16":
        return "float16 is known to give NaN in the LM, and in the DiT on some GPUs; the encoders run in float32"
    if dtype == "bfloat16" and device == "cpu":
        return "bfloat16 on a CPU is slow where the processor doesn't calculate in it; float32 is the tested one"
    if dtype == "bfloat16" and not _has_bfloat16(device):
        return f"{device} doesn't calculate in bfloat16; float32 is the one that works"
    return None


def kernels(device: str, dtype: str) -> str:
    """How DiT and text encoder compute on a picked device: `plain`, as in their libraries, or in fewer operations.

    Those attend `blockwise`, or by torch's `flash` attention where there is one; `triton` is flash with all between two
    matrix products in one kernel. All agree up to rounding, so this is part of the key; `dtype` is the DiT's.
    """
    if not device.startswith("cuda"):
        return "plain"
    if not has_flash(device, dtype):
        return "blockwise"
    return "flash" if missing_for_triton() else "triton"


def lm_attention(device: str, dtype: str) -> str:
    """How the LM's rows attend on a picked device: `masked`, each to all of its cache, `ragged`, to what is in use.

    `apart`, on a CPU: to that one row after the other. Or `split`: to that in pieces, with all between two matrix
    products in one kernel. They agree up to rounding, so this is part of the key. Ragged and split want CUDA from
    Ampere on and 16 bits, split Triton as well.
    """
    if device == "cpu":
        return "apart"
    if not has_flash(device, dtype):
        return "masked"
    return "ragged" if missing_for_triton() else "split"


def packs_lm(device: str, dtype: str) -> bool:
    """Whether the LM's linear layers are oneDNN's, by weights that it lays out: on x86 in float32.

    In no key: which BLAS a CPU computes with never was, and is told by torch's version and the machine.
    """
    return device == "cpu" and dtype == "float32" and platform.machine() in X86


def lm_prompt_bucket(device: str) -> int:
    """Tokens to whose multiple the LM's prompts are filled up, so that those of a bucket can run as one recording.

    What fills them up isn't attended to, but matrices of another size round otherwise, so this is part of the key.
    """
    return LM_PROMPT_BUCKET if device.startswith("cuda") else 1


def vae_kernels(device: str, dtype: str) -> str:
    """How the VAE computes: `plain`, in diffusers' bits, `sliced`, `fused`, or `channels_last` in kernels of Triton.

    They are equal up to rounding, so this is part of the key. Sliced is a CPU's way in float32; the last wants CUDA
    from Ampere on and 16 bits.
    """
    if device == "cpu" and dtype == "float32":
        return "sliced"
    if not device.startswith("cuda"):
        return "plain"
    return "channels_last" if has_flash(device, dtype) and not missing_for_triton() else "fused"


@cache
def missing_for_triton() -> str | None:
    """What it lacks to make Triton's kernels here: it compiles a few lines of C for each; None when nothing."""
    named = os.environ.get("CC")
    # Triton starts what CC holds as one command, whatever it is: no words are split off, no other compiler is tried.
    compilers = ("gcc", "clang") if named is None else (named,)
    headers = Path(sysconfig.get_path("include"), "Python.h")
    home = os.environ.get("TRITON_HOME", os.path.expanduser("~"))  # noqa: PTH111 - pathlib's raises where there is none
    # Where a worker is, which compiles; an absolute one stays.
    kept = Path(SAFE_FOLDER, os.environ.get("TRITON_CACHE_DIR", f"{home}/.triton/cache"))
    wanted = {
        "triton": importlib.util.find_spec("triton") is not None,
        "a C compiler" if named is None else f"the one command that CC has to be, not `{named}`,": any(
            map(shutil.which, compilers)
        ),
        f"`{headers}`": headers.is_file(),
        f"a folder of Triton's that can be written to, not `{kept}`,": _is_writable(kept),
    }
    return " and ".join(name for name, there in wanted.items() if not there) or None


def _is_writable(folder: Path) -> bool:
    """Whether files can be written to a folder, once it is made."""
    there = next((place for place in (folder, *folder.parents) if os.access(place, os.F_OK)), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def vae_tiles(device: str) -> tuple[int, int]:
    """Latent frames a VAE tile spans and how many of them overlap on each side.

    A convolution on MPS fails beyond 65,536 outputs, so tiles are short there; 8 frames are the decoder's reach. On
    CUDA 1,024 frames take 2.8 GB and a quarter less time a frame than upstream's 512.

    Source: ace-step/ACE-Step-1.5, acestep/handler.py
    """
    return VAE_TILES[device.partition(":")[0]]


def prepare(device: str, threads: int) -> torch.device:
    """The device, ready and torch's current one: thread count set, algorithms pinned to the reproducible ones.

    Raises: ResourceError when torch can't use it.
    """
    import torch  # noqa: PLC0415 - the worker's

    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.enable_cudnn_sdp(False)  # it plans a tenth of a second for every new length, each run anew
    found = torch.device(device)
    try:
        if found.index is not None and found.type == "cuda":
            # Streams, graphs and events are the current device's where nobody says another: never the first GPU's.
            torch.cuda.set_device(found)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:
        raise ResourceError(
            f"torch can't use `{device}`", why=str(error), help="use --device cpu, or see `renderer doctor`"
        ) from error
    return found


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A small host tensor on the device; on CUDA without waiting for what the device is still at.

    On Metal such a copy may read the host's memory when it is already free (pytorch/pytorch#189690), so it waits there.
    """
    return tensor.to(device, non_blocking=device.type == "cuda")


def upload(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A copy of a host tensor on the device; on CUDA through memory of its own that the device reads by itself.

    So the host may change or drop the tensor at once, and waits neither for the copy nor for what is queued before it.
    """
    if device.type != "cuda":
        return tensor.to(device, copy=True)
    # torch keeps what was pinned, and hands it out again only when the copy is done.
    return tensor.pin_memory().to(device, non_blocking=True)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock read next means something."""
    import torch  # noqa: PLC0415 - the worker's

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def synchronise_stream(device: torch.device) -> None:
    """As `synchronise`, on CUDA for this stream alone: waiting for all would spoil what another thread records."""
    if device.type == "cuda":
        mark(device)()
    else:
        synchronise(device)


def mark(device: torch.device) -> Callable[[], None]:
    """A place in a CUDA device's queue; what comes back returns once the device has got there.

    On other devices it returns at once.
    """
    import torch  # noqa: PLC0415 - the worker's

    if device.type != "cuda":
        return lambda: None
    event: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's own gap
    event.record(torch.cuda.current_stream(device))
    return event.synchronize


class SideStream:
    """Another stream of a CUDA device, one a name, whose work runs beside what the device is at.

    Elsewhere there is but one. It waits for nothing of the main one unless told: what is used in it has to be there,
    and to stay until it is done.
    """

    def __init__(self, device: torch.device, name: str = "") -> None:
        self._stream: Any = _side_stream(device, name) if device.type == "cuda" else None

    def follow(self, *used: torch.Tensor) -> None:
        """Have what is launched here from now on wait for all that was launched in the main stream so far.

        What of that is `used` here stays until it was.
        """
        if self._stream is None:
            return
        import torch  # noqa: PLC0415 - the worker's

        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        for tensor in used:
            tensor.record_stream(self._stream)

    def run(self, work: Callable[[], T]) -> T:
        """`work`, what it launches going to this stream."""
        if self._stream is None:
            return work()
        import torch  # noqa: PLC0415 - the worker's

        with torch.cuda.stream(self._stream):
            return work()

    def hand_over(self, *made: torch.Tensor) -> None:
        """Let what was made here be used in the main stream, which waits for all launched in this one so far."""
        if self._stream is None:
            return
        import torch  # noqa: PLC0415 - the worker's

        main = torch.cuda.current_stream(self._stream.device)
        main.wait_stream(self._stream)
        for tensor in made:
            # Else its memory could be handed out again on the side stream while the main one still reads it.
            tensor.record_stream(main)


@cache
def _side_stream(device: torch.device, _name: str) -> Any:
    """For good: libraries keep memory for each stream they have worked in."""
    import torch  # noqa: PLC0415 - the worker's

    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's own gap


def home_of_results(device: torch.device) -> torch.device:
    """Where large results are gathered and worked on: beside a CUDA device's kernels, else in the host's memory.

    On MPS both are one memory, of which a device's tensors would take a part twice.
    """
    import torch  # noqa: PLC0415 - the worker's

    return device if device.type == "cuda" else torch.device("cpu")


def to_host(values: torch.Tensor) -> torch.Tensor:
    """The same values in the host's memory; from a CUDA device at the rate of its bus, through pinned memory."""
    import torch  # noqa: PLC0415 - the worker's

    if values.device.type != "cuda":
        return values.cpu()
    # torch keeps what was pinned for the next of about that size.
    return torch.empty(values.shape, dtype=values.dtype, pin_memory=True).copy_(values)


def is_lost(error: BaseException) -> bool:
    """Whether a device answers nobody in this process any more: an Xid, an illegal address. Imports no torch."""
    if isinstance(error, DeviceLost):
        return True
    if not isinstance(error, RuntimeError) or tells_of_full_memory(error):
        return False
    # Triton's own calls name no class; what they find invalid is one kernel's fault.
    by_triton = TRITON_ERROR in str(error) and "invalid" not in str(error)
    lost = getattr(sys.modules.get("torch"), "AcceleratorError", DeviceLost)
    return isinstance(error, lost) or by_triton or "CUDA error" in str(error)


def tells_of_full_memory(error: BaseException) -> bool:
    """Whether an error's words say so: those of Metal, of cuBLAS and cuDNN, and of CUDA's own calls have no class."""
    return any(words in str(error) for words in FULL_MEMORY)


def release(device: torch.device) -> None:
    """Give back what dropped weights held, on the device and on the host."""
    import torch  # noqa: PLC0415 - the worker's

    gc.collect()
    _trim_heap()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _trim_heap() -> None:
    """Hand the heap's free pages back to the system: glibc keeps all that lies below something still in use."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def free_bytes(device: torch.device) -> int:
    """Memory that could still be allocated on the device; on a CPU the machine's."""
    import torch  # noqa: PLC0415 - the worker's

    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + held)
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    return int(psutil.virtual_memory().available)


def peak_bytes(device: str) -> int:
    """Memory that this process held at most; on CUDA of the device's."""
    if device.startswith("cuda"):
        import torch  # noqa: PLC0415 - the worker's

        return int(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415 - Windows has none

    # macOS counts bytes, Linux units of 1,024.
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1_024)
    return max(held, _peak_of_metal(device))


def _peak_of_metal(device: str) -> int:
    """What Metal lent of unified memory, which no process's own count shows; 0 where there is none."""
    if device == MLX:
        import mlx.core as mx  # noqa: PLC0415 - an extra of its own

        return int(mx.get_peak_memory())
    if device == "mps":
        import torch  # noqa: PLC0415 - the worker's

        return int(torch.mps.driver_allocated_memory())
    return 0


def num_cuda_devices() -> int:
    """CUDA devices that the installed torch could use; asks the driver, imports no torch."""
    driver = _cuda_driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def cuda_devices() -> tuple[Gpu, ...]:
    """Those that `num_cuda_devices` counts."""
    return tuple(_gpu(index) for index in range(num_cuda_devices()))


def _gpu(index: int) -> Gpu:
    driver, name = _cuda_driver(), ctypes.create_string_buffer(256)
    assert driver is not None  # noqa: S101 - it counted this one
    driver.cuDeviceGetName(name, len(name), index)
    return Gpu(
        index=index,
        name=name.value.decode(errors="replace"),
        num_bytes=_total_cuda_bytes(driver, index),
        capability=capability(index),
        num_processors=_attribute(index, _NUM_PROCESSORS),
    )


def capability(index: int) -> tuple[int, int]:
    """A CUDA device's compute capability, asked of the driver."""
    return _attribute(index, _CAPABILITY_MAJOR), _attribute(index, _CAPABILITY_MINOR)


def free_cuda_bytes(index: int) -> int:
    """Memory that no process holds on a CUDA device, asked of NVML; all of it where NVML doesn't answer."""
    driver = _cuda_driver()
    if driver is None:
        return 0
    try:
        nvml = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
    except OSError:
        return _total_cuda_bytes(driver, index)
    bus, handle, memory = ctypes.create_string_buffer(32), ctypes.c_void_p(), (ctypes.c_ulonglong * 3)()
    # By its place on the bus: NVML counts devices that CUDA_VISIBLE_DEVICES hides.
    driver.cuDeviceGetPCIBusId(bus, len(bus), index)
    answered = (
        nvml.nvmlInit_v2() == 0
        and nvml.nvmlDeviceGetHandleByPciBusId_v2(bus, ctypes.byref(handle)) == 0
        and nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0
    )
    return int(memory[1]) if answered else _total_cuda_bytes(driver, index)


def _total_cuda_bytes(driver: ctypes.CDLL, index: int) -> int:
    total = ctypes.c_size_t(0)
    driver.cuDeviceTotalMem_v2(ctypes.byref(total), index)
    return total.value


def _policy(device: str) -> Dtypes:
    if device == MLX and not _has_mps():
        return _policy("cpu")
    if device == "cpu" or not _has_bfloat16(device):
        return Dtypes(lm="float32", text_encoder="float32", condition_encoder="float32", dit="float32", vae="float32")
    # The VAE's snake activations on MPS were only ever checked in float32; its weights are small.
    vae = "float32" if device == "mps" else "bfloat16"
    return Dtypes(lm="bfloat16", text_encoder="bfloat16", condition_encoder="bfloat16", dit="bfloat16", vae=vae)


def has_flash(device: str, dtype: str) -> bool:
    """Whether torch's flash attention computes in this dtype there: CUDA from Ampere on, and 16 bits."""
    return device.startswith("cuda") and dtype != "float32" and _has_bfloat16(device)


def _has_bfloat16(device: str) -> bool:
    if device == "mps":
        return int(platform.mac_ver()[0].partition(".")[0] or 0) >= BFLOAT16_MACOS
    if device.startswith("cuda"):
        return _attribute(int(device.partition(":")[2] or 0), _CAPABILITY_MAJOR) >= AMPERE
    return True


def _pick_cuda(device: str) -> str:
    index = int(device.partition(":")[2] or 0)
    count = num_cuda_devices()
    if index >= count:
        raise no_such_gpu(device, count)
    return f"cuda:{index}"


def no_such_gpu(device: str, count: int) -> UsageError | ResourceError:
    """What to raise for a GPU that isn't among the `count` that are."""
    if count:
        there = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        also = f"; CUDA_VISIBLE_DEVICES is `{hidden}`" if hidden else ""
        return UsageError(f"there is no `{device}` here", why=f"there is {there}{also}", help="name one of those")
    return ResourceError(
        f"there is no `{device}` here", why=_why_no_cuda(), help="use --device auto, or see `renderer doctor`"
    )


def _why_no_cuda() -> str:
    return "this torch was built without CUDA" if not _torch_has_cuda() else "no NVIDIA driver with a GPU answers"


def _has_mps() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _torch_has_cuda() -> bool:
    """Whether the installed torch was built for CUDA, read from its version file."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    return re.search(r"^cuda\b[^=]*=\s*['\"]", text, flags=re.MULTILINE) is not None


def _cuda_driver() -> ctypes.CDLL | None:
    """NVIDIA's driver library, initialised; None where there is none or torch wouldn't use it."""
    if sys.platform == "darwin" or not _torch_has_cuda() or os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return None
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    return driver if driver.cuInit(0) == 0 else None


def _attribute(index: int, attribute: int) -> int:
    driver = _cuda_driver()
    value = ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, index) != 0:
        return 0
    return value.value
