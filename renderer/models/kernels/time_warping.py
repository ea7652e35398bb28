"""Dynamic time warping on CUDA, a block of threads a way: the paths of `protocol.alignment.warp_all`, bit for bit.

Each diagonal of a table needs the two before it. As operations of torch they are some twenty thousand tiny kernels a
song; here they are one, whose threads wait for each other after each diagonal.
"""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

MOST_THREADS = 1024
SOURCE = r"""
extern "C" __global__ void warp_ways(
    const float* all_costs, signed char* all_moves, int* all_tokens, int* all_frames, int* lengths,
    int num_tokens, int num_frames)
{
    extern __shared__ float totals[];
    const float far = __int_as_float(0x7f800000);
    const int way = blockIdx.x, num_diagonals = num_tokens + num_frames - 1;
    const float* costs = all_costs + (long long)way * num_tokens * num_frames;
    signed char* moves = all_moves + (long long)way * num_diagonals * num_tokens;
    float *before = totals, *last = before + num_tokens + 1, *now = last + num_tokens + 1;

    // By tokens passed, so that the first entry is the start; what isn't reached stays infinitely dear.
    for (int at = threadIdx.x; at < 3 * (num_tokens + 1); at += blockDim.x) totals[at] = far;
    __syncthreads();
    if (threadIdx.x == 0) before[0] = 0.0f;
    __syncthreads();
    for (int diagonal = 0; diagonal < num_diagonals; diagonal++) {
        const int low = max(0, diagonal - num_frames + 1), high = min(num_tokens, diagonal + 1);
        for (int token = low + threadIdx.x; token < high; token += blockDim.x) {
            const float corner = before[token], above = last[token], left = last[token + 1];
            const bool goes_both = corner < above && corner < left;
            const bool goes_down = above < corner && above < left;
            const float cheapest = goes_both ? corner : goes_down ? above : left;
            moves[diagonal * num_tokens + token] = goes_both ? 0 : goes_down ? 1 : 2;
            now[token + 1] = __fadd_rn(costs[token * num_frames + diagonal - token], cheapest);
        }
        // All other entries outside this diagonal are either never read again or were never written.
        if (threadIdx.x == 0) now[0] = far;
        __syncthreads();
        float* oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    if (threadIdx.x != 0) return;
    int token = num_tokens - 1, frame = num_frames - 1, place = (way + 1) * num_diagonals;
    while (token >= 0 && frame >= 0) {
        place--;
        all_tokens[place] = token;
        all_frames[place] = frame;
        const int move = moves[(token + frame) * num_tokens + token];
        token -= move != 2;
        frame -= move != 1;
    }
    lengths[way] = (way + 1) * num_diagonals - place;
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarpedWays:
    """Paths through [ways, tokens, frames], each at the end of a row as long as the longest could be."""

    tokens: Tensor
    """int32 [ways, tokens + frames - 1], as the next."""
    frames: Tensor
    lengths: Tensor
    """int32 [ways]: so many at a row's end are its path."""

    @property
    def used(self) -> Tensor:
        """Which entries are part of a path: bool [ways, tokens + frames - 1]."""
        longest = self.tokens.shape[1]
        place = torch.arange(longest, device=self.tokens.device)
        return place >= longest - self.lengths[:, None]


def warp_ways(costs: Tensor) -> WarpedWays | None:
    """The cheapest paths through float32 [ways, tokens, frames] on a CUDA device; returns before they are found.

    None where the kernel can't be had: the CPU finds the same paths.
    """
    kernel = kernel_of(costs.device)
    if kernel is None:
        return None
    num_ways, num_tokens, num_frames = costs.shape
    num_diagonals = num_tokens + num_frames - 1
    moves = torch.empty((num_ways, num_diagonals, num_tokens), dtype=torch.int8, device=costs.device)
    # Zeros, so that what is no part of a path is a place nevertheless.
    tokens, frames = (torch.zeros((num_ways, num_diagonals), dtype=torch.int32, device=costs.device) for _ in range(2))
    lengths = torch.empty(num_ways, dtype=torch.int32, device=costs.device)
    kernel.launch(
        num_ways,
        min(MOST_THREADS, num_tokens),
        3 * (num_tokens + 1) * costs.element_size(),
        (costs.contiguous(), moves, tokens, frames, lengths),
        (num_tokens, num_frames),
    )
    return WarpedWays(tokens=tokens, frames=frames, lengths=lengths)


@dataclass(frozen=True, slots=True)
class Kernel:
    """`SOURCE`, compiled for a device and loaded there."""

    device: torch.device
    function: Any

    def launch(
        self, num_blocks: int, num_threads: int, shared: int, tensors: Sequence[Tensor], numbers: Sequence[int]
    ) -> None:
        """Run it in the device's current stream; `shared` is of a block, in bytes."""
        from cuda.bindings import driver  # noqa: PLC0415 - only where there is CUDA

        values = (*(tensor.data_ptr() for tensor in tensors), *numbers)
        types = (*[ctypes.c_void_p] * len(tensors), *[ctypes.c_int] * len(numbers))
        stream = torch.cuda.current_stream(self.device).cuda_stream
        with torch.cuda.device(self.device):  # in its context, as whoever made the tensors launched there
            _done(
                driver.cuLaunchKernel(
                    *(self.function, num_blocks, 1, 1, num_threads, 1, 1), shared, stream, (values, types), 0
                )
            )


@cache
def kernel_of(device: torch.device) -> Kernel | None:
    """As `make_kernel`; None where it can't be had: the log tells why, and `renderer doctor`."""
    try:
        return make_kernel(device)
    except Exception as error:  # noqa: BLE001 - whatever it is, the CPU finds the same paths
        logging.getLogger(__name__).warning("time warping runs on the CPU: %s", error)
        return None


def make_kernel(device: torch.device) -> Kernel:
    """The kernel for a CUDA device, `cuda:N`, made once; whoever asks meanwhile waits.

    Raises: ImportError or RuntimeError where there is nothing to make it by, AssertionError where torch has no CUDA.
    """
    with _MAKING:
        return _made(device)


_MAKING = Lock()


@cache
def _made(device: torch.device) -> Kernel:
    capability = torch.cuda.get_device_capability(device)  # begins CUDA, where nothing did yet
    from cuda.bindings import driver  # noqa: PLC0415 - only where there is CUDA

    binary = _compiled(capability)
    # A thread that has launched nothing works in no context, and torch's own ways to name a device put it into none.
    (before,) = _done(driver.cuCtxGetCurrent())
    (own,) = _done(driver.cuDevicePrimaryCtxRetain(device.index))
    _done(driver.cuCtxSetCurrent(own))
    try:
        (module,) = _done(driver.cuModuleLoadData(binary))
        (function,) = _done(driver.cuModuleGetFunction(module, b"warp_ways"))
    finally:
        driver.cuCtxSetCurrent(before)
    return Kernel(device, function)


def _compiled(capability: tuple[int, int]) -> bytes:
    """By NVRTC, which torch's wheels for Linux bring with its bindings: no compiler and no toolkit has to be there."""
    from cuda.bindings import nvrtc  # noqa: PLC0415 - only where there is CUDA

    (program,) = _done(nvrtc.nvrtcCreateProgram(SOURCE.encode(), b"warp_ways.cu", 0, [], []))
    try:
        options = [b"--gpu-architecture=sm_%d%d" % capability]
        if nvrtc.nvrtcCompileProgram(program, len(options), options)[0].value:
            (size,) = _done(nvrtc.nvrtcGetProgramLogSize(program))
            log = bytes(size)
            _done(nvrtc.nvrtcGetProgramLog(program, log))
            raise RuntimeError(f"NVRTC: {log.decode().strip(chr(0)).partition(chr(10))[0]}")
        (size,) = _done(nvrtc.nvrtcGetCUBINSize(program))
        binary = bytes(size)
        _done(nvrtc.nvrtcGetCUBIN(program, binary))
    finally:
        nvrtc.nvrtcDestroyProgram(program)
    return binary


def _done(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a call of CUDA's or NVRTC's gave.

    Raises: RuntimeError where it failed, in the words of torch's own, by which lost devices and full memory are known.
    """
    from cuda.bindings import driver, nvrtc  # noqa: PLC0415 - only where there is CUDA

    status, *found = answer
    if not status.value:
        return tuple(found)
    by_driver = isinstance(status, driver.CUresult)
    _, words = driver.cuGetErrorString(status) if by_driver else nvrtc.nvrtcGetErrorString(status)
    raise RuntimeError(f"{'CUDA error' if by_driver else 'NVRTC'}: {words.decode()}")
