"""What becomes of a job's fault: its own, its device's, or one after which the process is of no use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from renderer.errors import StageError
from renderer.models.ace_step.jobs import run_alone
from renderer.models.device import is_lost
from renderer.models.stage_job import Failed, StageJob
from tests.run.contract.toy import ToyRequest

if TYPE_CHECKING:
    from renderer.artifacts import Artifact

JOB = StageJob(id="one", request=ToyRequest(name="one"), upstream={})


def outcome(error: Exception) -> Failed:
    def work() -> Artifact:
        raise error

    (failed,) = run_alone(JOB, work)
    assert isinstance(failed, Failed)
    return failed


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("MPS: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
    ],
)
def test_what_finds_no_memory_may_do_better_on_another_device(error: Exception) -> None:
    failed = outcome(error)

    assert failed.by_device
    assert not is_lost(error)
    assert "memory is full" in failed.message


@pytest.mark.parametrize(
    "error",
    [
        StageError("no codes"),
        ValueError("a fault"),
        RuntimeError("size mismatch"),
        RuntimeError("Triton Error [CUDA]: invalid argument"),
    ],
)
def test_a_jobs_own_fault_is_no_devices(error: Exception) -> None:
    assert not outcome(error).by_device


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"),
        RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"),
    ],
)
def test_a_device_that_answers_no_more_is_no_jobs_outcome(error: Exception) -> None:
    with pytest.raises(type(error)):
        outcome(error)
    assert is_lost(error)
