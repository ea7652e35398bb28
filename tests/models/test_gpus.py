"""Which GPUs a run takes, asked as users ask."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from renderer.errors import ResourceError, UsageError
from renderer.models import device
from renderer.models.device import Gpu
from renderer.models.gpus import pick_devices, take_equal

LARGE = Gpu(index=0, name="NVIDIA H200", num_bytes=150 << 30, capability=(9, 0), num_processors=132)
SMALL = replace(LARGE, name="NVIDIA GeForce RTX 4090", num_bytes=24 << 30, capability=(8, 9), num_processors=128)
OLD = replace(LARGE, name="Quadro RTX 8000", num_bytes=48 << 30, capability=(7, 5), num_processors=72)


def box(*kinds: Gpu) -> list[Gpu]:
    return [replace(kind, index=index) for index, kind in enumerate(kinds)]


def test_equal_gpus_are_all_taken_though_a_page_of_memory_is_missing() -> None:
    found = take_equal(box(LARGE, replace(LARGE, num_bytes=LARGE.num_bytes - 4096), LARGE), mixed=False)

    assert found.devices == ("cuda:0", "cuda:1", "cuda:2")
    assert found.remarks == ()


def test_of_unequal_gpus_the_largest_equal_group_is_taken_and_the_others_are_named() -> None:
    found = take_equal(box(LARGE, SMALL, SMALL), mixed=False)

    assert found.devices == ("cuda:1", "cuda:2")
    (remark,) = found.remarks
    assert "cuda:0 (NVIDIA H200)" in remark
    assert "--mixed" in remark


@pytest.mark.parametrize("order", list(permutations([LARGE, SMALL])))
def test_of_groups_as_large_the_one_with_more_memory_is_taken(order: tuple[Gpu, ...]) -> None:
    assert take_equal(box(*order), mixed=False).devices == (f"cuda:{order.index(LARGE)}",)


def test_a_slice_of_a_gpu_is_not_its_equal() -> None:
    assert len(take_equal(box(LARGE, replace(LARGE, num_processors=60)), mixed=False).devices) == 1


def test_mixed_takes_unequal_gpus_but_none_that_computes_in_another_dtype() -> None:
    found = take_equal(box(LARGE, SMALL, OLD), mixed=True)

    assert found.devices == ("cuda:0", "cuda:1")
    assert found.gpus == ("NVIDIA GeForce RTX 4090", "NVIDIA H200")
    assert "cuda:2 (Quadro RTX 8000)" in found.remarks[0]


def test_a_cpu_has_as_many_workers_as_asked_for_and_one_by_itself() -> None:
    assert pick_devices("cpu").devices == ("cpu",)
    assert pick_devices("cpu", workers=3).devices == ("cpu", "cpu", "cpu")


@pytest.mark.parametrize("asked", ["cuda:0,", "cuda:,1", "cuda:0,x", "cuda:0;1", "cuda:0, 1", "cpu,cpu"])
def test_a_list_that_is_none_is_a_usage_error(asked: str) -> None:
    with pytest.raises(UsageError, match="there is no device"):
        pick_devices(asked)


def test_a_gpu_named_twice_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="names a GPU twice"):
        pick_devices("cuda:0,1,0")


def test_a_number_that_no_gpu_has_is_a_usage_error_that_tells_which_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")

    error = device.no_such_gpu("cuda:5", 2)

    assert isinstance(error, UsageError)
    assert "cuda:0 to cuda:1" in error.why
    assert "CUDA_VISIBLE_DEVICES is `3,5`" in error.why


@pytest.mark.parametrize("asked", ["cuda", "cuda:0", "cuda:0,1"])
def test_where_no_gpu_is_visible_the_reason_is_told(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    with pytest.raises(ResourceError) as raised:
        pick_devices(asked)

    assert raised.value.why
