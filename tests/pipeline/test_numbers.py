"""What a device computes otherwise is in its jobs' keys, and the others' keys don't know of it."""

from __future__ import annotations

import pytest

from renderer.models.family import Part, Settings
from renderer.pipeline.models import numbers


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_keys_of_plain_devices_tell_dtypes_and_plain_ways(device: str) -> None:
    found = numbers(Settings(device=device, dtype="float32", threads=1, lm_slots=4, vae_tile=512, vae_overlap=64))

    assert found[Part.LM] == "float32, masked attention"
    assert found[Part.DIT] == "float32, float32 conditions, float32 text, plain kernels"
    assert found[Part.VAE] == "float32"


def test_keys_of_cuda_tell_all_that_rounds_otherwise_there() -> None:
    found = numbers(Settings(device="cuda:0", dtype="float32", threads=1, lm_slots=16, vae_tile=1_024, vae_overlap=16))

    assert found[Part.LM] == "float32, masked attention, prompts filled to 256"
    assert found[Part.DIT] == "float32, float32 conditions, float32 text, blockwise kernels"
    assert found[Part.VAE] == "float32, fused kernels"
