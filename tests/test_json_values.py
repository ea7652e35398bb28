"""JSON and values: what one version wrote is read by others, with whatever numpy and Python they have."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from typing_extensions import TypeAliasType

from renderer.json_values import JsonError, from_json, to_json

ScalarT = TypeVar("ScalarT", bound=np.generic)
Aliased = TypeAliasType("Aliased", np.ndarray[Any, np.dtype[ScalarT]], type_params=(ScalarT,))
"""As numpy has `NDArray` since 2.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    frames: npt.NDArray[np.float32]
    codes: Aliased[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    name: str
    language: str | None
    bpm: float | None = 90.0


def test_none_that_was_not_written_is_read_where_no_default_stands_for_it() -> None:
    told = Told(name="a", language=None)
    assert "language" not in to_json(told)
    assert from_json(Told, to_json(told)) == told
    with pytest.raises(JsonError, match="name"):
        from_json(Told, {})


def test_arrays_are_read_whichever_way_numpy_spells_their_type() -> None:
    arrays = {"frames": np.zeros((2, 3), np.float32), "codes": np.arange(3, dtype=np.int32)}
    held = from_json(Held, arrays)
    assert held.frames is arrays["frames"]
    assert held.codes is arrays["codes"]


def test_a_list_in_place_of_an_array_is_refused() -> None:
    with pytest.raises(JsonError, match="codes"):
        from_json(Held, {"frames": np.zeros((2, 3), np.float32), "codes": [1, 2]})
