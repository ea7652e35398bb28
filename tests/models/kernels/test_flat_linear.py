"""Linear layers on joined axes give the same bits as the libraries' own, in fewer products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from renderer.models.ace_step.checkpoints.components import CLASSES, find_component
from renderer.models.catalog.zoo import resolve
from renderer.models.kernels.flat_linear import FlatLinear, flatten_linears
from renderer.models.kernels.packed_linear import product
from tests.models.ace_step.asks import codes_request, job, load, results
from tests.models.ace_step.listening import Heard

if TYPE_CHECKING:
    from pathlib import Path

DTYPES = [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(8, 1), (1, 77), (2, 40), (3, 5, 7), (6,), ()])
def test_joined_axes_give_the_same_bits(dtype: torch.dtype, bias: bool, shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    layer = nn.Linear(96, 160, bias=bias, dtype=dtype)
    states = torch.randn(*shape, 96).to(dtype)
    expected = layer(states)

    flatten_linears(layer)

    assert type(layer) is FlatLinear
    assert layer(states).shape == expected.shape
    assert torch.equal(layer(states), expected)


@pytest.mark.parametrize("name", [name for name in CLASSES if not name.startswith("vae")])
def test_every_linear_layer_of_a_loaded_component_is_flat(tiny_set: Path, name: str) -> None:
    """A VAE, and an encoder apart from it, have none: they are convolutions."""
    files = resolve(str(tiny_set)).files
    assert files is not None

    module = find_component(files, name).load(dtype="bfloat16", device=torch.device("cpu"), listener=Heard())

    linears = [child for child in module.modules() if isinstance(child, nn.Linear)]
    assert linears
    assert all(type(child) is FlatLinear for child in linears)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_decoding_step_multiplies_no_batches_of_vectors(
    tiny_set: Path, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes: set[int] = set()

    def noting(states: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        axes.add(states.ndim)
        return product(states, *rest)

    for place in ("kernels.qwen3", "ace_step.lm.apart_rows"):
        monkeypatch.setattr(f"renderer.models.{place}.product", noting)

    assert results(load(tiny_set, dtype=dtype), "codes", [job("a", codes_request(preview=1.0))])
    assert axes == {2}
