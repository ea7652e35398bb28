"""What is fetched ahead comes once and in its order; steps are told when they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from renderer.models.kernels.prefetch import Prefetch, as_completed

if TYPE_CHECKING:
    from collections.abc import Iterator


def told(values: list[str], log: list[str]) -> Iterator[str]:
    for value in values:
        log.append(f"made {value}")
        yield value


def test_a_value_fetched_meanwhile_is_made_then_and_handed_over_once() -> None:
    log: list[str] = []
    ahead = Prefetch(told(["a", "b", "c"], log))

    for value in ahead:
        log.append(f"got {value}")
        if value != "b":
            ahead.fetch()
            ahead.fetch()
        log.append(f"done {value}")

    assert log == [
        *("made a", "got a", "made b", "done a"),
        *("got b", "done b", "made c"),
        *("got c", "done c"),
    ]


def test_on_a_cpu_each_step_is_told_before_the_next_is_begun() -> None:
    log: list[str] = []
    steps = as_completed(told(["1", "2"], log), torch.device("cpu"), lambda: log.append("meanwhile"))

    while step := next(steps, None):
        log.append(f"told {step}")

    assert log == ["made 1", "meanwhile", "told 1", "made 2", "told 2"]
