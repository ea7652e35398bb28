"""A Ray cluster through the real program: `render --cluster`, `doctor --cluster`; and where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ray_cluster import WITHOUT_RAY, simulated
from tests.toy_family.test_toy_family import OPTIONS, Folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, WITHOUT_RAY]


def test_a_cluster_gives_what_one_machine_does_and_is_looked_at_by_doctor(tmp_path: Path) -> None:
    whole, dealt = Folder(tmp_path / "whole"), Folder(tmp_path / "dealt")
    for folder in (whole, dealt):
        for number in range(3):
            folder.write(f"tune{number}", f"calm {number}")
    whole.run("render", "--no-measure", *OPTIONS)

    with simulated(num_cpus=1, num_nodes=2, environment=dealt.environment) as cluster:
        told = dealt.run("render", "--no-measure", "--cluster", cluster.address, *OPTIONS)
        looked = dealt.run("doctor", "--cluster", cluster.address)

    assert "6 rendered" in told
    assert dealt.sounds == whole.sounds
    # Written and recorded by the machine that renders: it needs no cluster to know them.
    assert "6 done already" in dealt.run("render", "--no-measure", *OPTIONS)
    assert [line.count("free") for line in looked.splitlines() if "Python" in line] == [1, 1, 1]
    assert "differs" not in looked


def test_a_cluster_that_isnt_there_is_told_in_words(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("tune", "calm")

    told = folder.run("render", "--cluster", "127.0.0.1:1", *OPTIONS, code=2)

    assert "no Ray cluster answers at `127.0.0.1:1`" in told
