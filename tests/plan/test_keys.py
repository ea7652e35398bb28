"""What enters a key: everything that changes a stage's bytes, and nothing that stands at its neutral value."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import pytest

from renderer.models.ace_step.protocol.requests import CodesRequest, CotRequest, LatentsRequest, WaveformRequest
from renderer.plan.keys import canonical, job_key, request_json
from renderer.settings import neutral_values

REQUESTS = (CotRequest, CodesRequest, LatentsRequest, WaveformRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """A part of a request that came with it, and a field that came later."""

    share: float
    curve: str = "linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixdown:
    """As a stage might be asked: two fields of the first day, one later."""

    seconds: float
    blend: Blend
    width: float = 0.0


FIRST_DAY = {"seconds": 12.0, "blend": {"share": 0.5}}
PLAIN = Mixdown(seconds=12.0, blend=Blend(share=0.5))


def key_of(request: Any) -> str:
    return job_key("waveform", 2, canonical(request), {"weights": "w"}, {"latents": "k"})


def test_a_field_at_its_neutral_value_leaves_the_key_of_the_days_before_it() -> None:
    assert canonical(PLAIN) == FIRST_DAY  # type: ignore[arg-type]  # a request of this test's
    assert key_of(PLAIN) == job_key("waveform", 2, FIRST_DAY, {"weights": "w"}, {"latents": "k"})


@pytest.mark.parametrize(
    "other",
    [replace(PLAIN, width=0.1), replace(PLAIN, blend=Blend(share=0.5, curve="cosine")), replace(PLAIN, seconds=0.0)],
)
def test_any_other_value_is_in_the_key(other: Mixdown) -> None:
    assert key_of(other) != key_of(PLAIN)


def test_what_a_record_tells_is_all_of_it() -> None:
    assert request_json(PLAIN) == {"seconds": 12.0, "blend": {"share": 0.5, "curve": "linear"}, "width": 0.0}  # type: ignore[arg-type]


def test_neutral_values_are_those_a_field_declares() -> None:
    assert neutral_values(Mixdown) == {"width": 0.0}


@pytest.mark.parametrize("request_of", REQUESTS)
def test_neutral_values_can_be_written_into_a_record(request_of: type) -> None:
    """A default made by a factory would be in every key."""
    assert all(field.default_factory is MISSING for field in fields(request_of))
