"""Devices and dtypes are picked without torch, by one table."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from renderer.errors import ResourceError, UsageError
from renderer.models import device
from renderer.run.process import worker_environment

if TYPE_CHECKING:
    from pathlib import Path


def test_a_cpu_computes_in_float32() -> None:
    found = device.dtypes("cpu", "auto")

    assert {found.lm, found.dit, found.vae, found.text_encoder, found.condition_encoder} == {"float32"}


def test_float16_spares_the_encoders_that_overflow_in_it() -> None:
    found = device.dtypes("cuda:0", "float16")

    assert (found.lm, found.dit, found.vae) == ("float16", "float16", "float16")
    assert (found.text_encoder, found.condition_encoder) == ("float32", "float32")


@pytest.mark.parametrize("asked", ["gpu", "cuda:", "cuda:x", "CPU", ""])
def test_a_device_nobody_knows_is_a_usage_error(asked: str) -> None:
    with pytest.raises(UsageError, match="there is no device"):
        device.pick(asked)


def test_an_unknown_dtype_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="there is no dtype `fp8`"):
        device.dtypes("cpu", "fp8")


def test_a_gpu_that_is_not_there_is_told_with_the_reason() -> None:
    # Where there are GPUs, it is a wrong number.
    with pytest.raises((ResourceError, UsageError)) as raised:
        device.pick("cuda:63")
    assert raised.value.why


@pytest.mark.slow
def test_picking_imports_no_torch() -> None:
    script = (
        "import sys; from renderer.models import device, memory;"
        "from renderer.models.catalog import zoo, identity, hub, inventory, doctor;"
        "device.pick('auto'); device.dtypes('cpu', 'auto'); zoo.model_facts('turbo');"
        "print([name for name in ('torch', 'transformers', 'diffusers') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_the_worker_pins_threads_and_algorithms() -> None:
    import torch

    assert device.prepare("cpu", 1) == torch.device("cpu")
    assert torch.get_num_threads() == 1
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark


DROPPING = """
import psutil, torch
from renderer.models.device import release

def resident():
    return psutil.Process().memory_info().rss / 1e6

before, weights, kept = resident(), [], []
for _ in range(20):
    weights.append(torch.ones(20_000_000, dtype=torch.bfloat16))
    kept.append(torch.ones(1_000))
held = resident() - before
weights.clear()
release(torch.device("cpu"))
print(held, resident() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap is glibc's")
def test_dropped_weights_go_back_to_the_system(tmp_path: Path) -> None:
    """Under the worker's own settings of the heap, which keep large activations there."""
    done = subprocess.run(
        [sys.executable, "-c", DROPPING],
        env=worker_environment(1),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    held, left = map(float, done.stdout.split())
    assert held > 700
    assert left < 100
