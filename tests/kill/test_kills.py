"""`kill -9` at any moment loses at most the jobs in flight; the audio is what an undisturbed run gives."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.kill.harness import kill_and_resume, make_project, sounds, warm_workers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_a_few_kills_change_nothing(tmp_path: Path, tiny_set: Path) -> None:
    undisturbed = make_project(tmp_path / "undisturbed", tiny_set, num_songs=1)
    undisturbed.finish()
    killed = make_project(tmp_path / "killed", tiny_set, num_songs=1)

    # The undisturbed run started its worker as users do; these are forked, as importing torch is most of a start.
    with warm_workers(tmp_path / "warm") as killed.warm:
        kill_and_resume(killed, num_kills=4, chance=random.Random(3), reference=sounds(undisturbed))

    assert killed.kills.total() == 4


@pytest.mark.long
def test_three_hundred_kills_over_forty_takes_change_nothing(tmp_path: Path, tiny_set: Path) -> None:
    undisturbed = make_project(tmp_path / "undisturbed", tiny_set, num_songs=10)
    undisturbed.finish()
    reference = sounds(undisturbed)
    assert len(reference) == 40
    killed = make_project(tmp_path / "killed", tiny_set, num_songs=10)

    with warm_workers(tmp_path / "warm") as killed.warm:
        batches = kill_and_resume(killed, num_kills=300, chance=random.Random(7), reference=reference)

    assert killed.kills.total() == 300
    print(f"{dict(killed.kills)} over {batches} batches of {len(reference)} takes")
