"""Packed weights give what linear layers give, and a row the same bits wherever it stands and whoever is beside it."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import pytest
import torch

from renderer.models.device import X86
from renderer.models.kernels.packed_linear import packed, product
from tests.models.ace_step.asks import codes_request, job, load, results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HAS_ONEDNN = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch's own gap
ON_X86 = pytest.mark.skipif(not HAS_ONEDNN or platform.machine() not in X86, reason="packed on x86 alone, by oneDNN")
SIZES = [(16, 24), (256, 512), (512, 1_024), (1_536, 512), (160, 2_049), (1_024, 6_144)]
"""In and out."""


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@ON_X86
@pytest.mark.parametrize("size", SIZES)
def test_a_packed_weight_gives_what_it_gives_unpacked_up_to_rounding(size: tuple[int, int]) -> None:
    weight, states = drawn(size[1], size[0]), drawn(8, size[0])

    found = product(states, packed(weight, 8))

    assert packed(weight, 8).is_mkldnn
    torch.testing.assert_close(found, product(states, weight), rtol=1e-5, atol=1e-5 * size[0] ** 0.5)


@ON_X86
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", [2, 8, 13, 32])
def test_a_row_is_the_same_bits_at_any_place_beside_any_others(size: tuple[int, int], rows: int) -> None:
    weight, states = packed(drawn(size[1], size[0]), rows), drawn(rows, size[0])
    before = product(states, weight)

    for shift in range(1, rows):
        moved = states.roll(shift, dims=0)
        moved[(shift + 1) % rows] = torch.nan  # where the second row is now
        assert torch.equal(product(moved, weight)[shift], before[0])


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_an_lms_layers_are_packed_on_x86(tiny_set: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)

    lm: Any = load(tiny_set)._lm

    assert lm.is_packed == (machine == "x86_64" and HAS_ONEDNN)
    assert all(layer.self_attn.out.is_mkldnn == lm.is_packed for layer in lm.model.model.layers)
    assert not lm.weight.is_mkldnn  # the table of tokens, which is read row by row
    assert results(load(tiny_set), "codes", [job("a", codes_request(preview=1.0))])
