"""JSON and values: what one version wrote is read by others, with whatever numpy and Python they have."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from typing_extensions import TypeAliasType

from renderer.json_values import JsonError, from_json

ScalarT = TypeVar("ScalarT", bound=np.generic)
Aliased = TypeAliasType("Aliased", np.ndarray[Any, np.dtype[ScalarT]], type_params=(ScalarT,))
"""As numpy has `NDArray` since 2.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    frames: npt.NDArray[np.float32]
    codes: Aliased[np.int32]


def test_arrays_are_read_whichever_way_numpy_spells_their_type() -> None:
    arrays = {"frames": np.zeros((2, 3), np.float32), "codes": np.arange(3, dtype=np.int32)}
    held = from_json(Held, arrays)
    assert held.frames is arrays["frames"]
    assert held.codes is arrays["codes"]


def test_a_list_in_place_of_an_array_is_refused() -> None:
    with pytest.raises(JsonError, match="codes"):
        from_json(Held, {"frames": np.zeros((2, 3), np.float32), "codes": [1, 2]})
