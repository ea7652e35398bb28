"""Devices and dtypes are picked without torch, by one table."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from renderer.errors import ResourceError, UsageError
from renderer.models import device
from renderer.models.catalog.doctor import _answered
from renderer.run.process import worker_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


@pytest.fixture
def lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """What Triton is told to lack with such variables, beyond what it lacks here anyway."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "made" / "later"))

    def found(**variables: str) -> str:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        device.missing_for_triton.cache_clear()
        return device.missing_for_triton() or ""

    yield found
    device.missing_for_triton.cache_clear()


def test_a_compiler_of_two_words_compiles_nothing(lacking: Callable[..., str]) -> None:
    """Triton starts it as one command."""
    assert "CC" not in lacking()
    assert "CC" not in lacking(CC=sys.executable)
    assert "not `ccache gcc`" in lacking(CC="ccache gcc")
    assert "not `nowhere-cc`" in lacking(CC="nowhere-cc")


def test_where_nothing_can_be_kept_no_kernel_is_made(
    lacking: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()

    assert "written" not in lacking()
    assert f"not `{tmp_path}/file/cache`" in lacking(TRITON_CACHE_DIR=f"{tmp_path}/file/cache")
    monkeypatch.delenv("TRITON_CACHE_DIR")
    assert f"not `{tmp_path}/file/.triton/cache`" in lacking(TRITON_HOME=f"{tmp_path}/file")
    assert "written" not in lacking(TRITON_HOME=str(tmp_path))


def test_doctor_tells_what_words_are_timed_by_lacks() -> None:
    """As the trial in a process of its own answers it on a CUDA device."""
    without = list(_answered({"name": "NVIDIA T4", "lacking": "No module named 'cuda'"}, ["float16"]))
    whole = list(_answered({"name": "NVIDIA T4", "lacking": ""}, ["float16"]))

    assert [found.state for found in without] == ["fine", "warning"]
    assert without[1].detail == "words are timed on the CPU, which is slower: No module named 'cuda'"
    assert whole == without[:1]
