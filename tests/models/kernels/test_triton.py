"""Kernels of Triton, by its interpreter: a CPU shows whether they compute what they say, a GPU how well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is there for Linux on x86 only")
ROUNDING = 1e-5  # of float32, over all layers


@pytest.mark.slow
def test_kernels_compute_what_torch_computes_and_no_row_hears_another() -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-W", "ignore", "-m", "tests.models.kernels.interpreted"]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr[-2_000:]

    found = json.loads(told.stdout.splitlines()[-1])

    assert found["decoder"] < ROUNDING
    assert found["odd channels"] < ROUNDING
    assert found["apart"] < ROUNDING
    assert found["step"] < ROUNDING
    assert found["attention"] < ROUNDING
    assert found["elementwise"] < ROUNDING
    assert found["elementwise beside NaN"] == 0
    assert found["other crossings"] == 0
    assert found["beside others"] == found["beside NaN"] == 0
    assert found["NaN rows"] == 1


@pytest.mark.slow
def test_the_vaes_blocks_are_chosen_before_torch_begins_cuda() -> None:
    """So that a driver it can't use is told by the part that prepares the device, in our words."""
    script = (
        "import torch; from renderer.models.ace_step.vae.channels_last import choice_of;"
        "choice_of(torch.device('cuda:0')); print(torch.cuda.is_initialized())"
    )
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False)

    assert told.stdout.strip() == "False", told.stderr[-2_000:]
