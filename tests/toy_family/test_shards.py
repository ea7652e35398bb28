"""Shards as processes that know nothing of each other, killed and started again, as Slurm does it."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from renderer.store.locks import locked
from tests.patience import PATIENCE_SECONDS
from tests.toy_family.test_toy_family import OPTIONS, Folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
NUM_SHARDS = 3
NUM_KILLS = 9


def project(path: Path) -> Folder:
    folder = Folder(path)
    for number in range(6):
        folder.write(f"tune{number}", "calm")
        # Melodies follow from lengths and seeds: of one length, all songs would be one connected part.
        folder.replace(f"tune{number}", "duration = 10", f"duration = {10 + number}")
    return folder


def test_shards_that_are_killed_and_started_again_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    whole, dealt, drawn = project(tmp_path / "whole"), project(tmp_path / "dealt"), random.Random(25)
    whole.run("render", "--no-measure", *OPTIONS)
    arguments = [("render", "--no-measure", "--shard", f"{n + 1}/{NUM_SHARDS}", *OPTIONS) for n in range(NUM_SHARDS)]

    running = [dealt.start(*one) for one in arguments]
    for _ in range(NUM_KILLS):
        time.sleep(drawn.uniform(0.1, 0.8))
        victim = drawn.randrange(NUM_SHARDS)
        running[victim].kill()
        running[victim].communicate(timeout=PATIENCE_SECONDS)
        running[victim] = dealt.start(*arguments[victim])
    for process in running:
        told, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, told

    assert dealt.sounds == whole.sounds
    journals = sorted((dealt.project / "outputs" / ".store").glob("journal*"))
    assert [one.name for one in journals] == [f"journal-{n}-of-3.jsonl" for n in (1, 2, 3)]
    # Parsed as whoever reads them does: what a kill cut is no line.
    done = Counter((line["stage"], line["key"]) for path in journals for line in whole_lines(path, "job-done"))
    assert set(done.values()) == {1}
    assert (dealt.project / "outputs" / "report" / "index.html").read_text().count("tune5") > 0
    assert {take["why"] for take in dealt.plan()["takes"]} == {"done"}


def whole_lines(path: Path, event: str) -> list[dict[str, object]]:
    lines = [line for line in path.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
    return [found for found in map(json.loads, lines) if found["event"] == event]


def test_another_split_beside_a_shard_is_refused_in_words(tmp_path: Path) -> None:
    folder = project(tmp_path)
    shards = folder.project / "outputs" / ".store" / "shards"
    shards.mkdir(parents=True)
    with locked(shards / "1.lock", timeout_seconds=0.0):
        told = folder.run("render", "--shard", "2/3", *OPTIONS, code=2)

    assert "shards of another split are writing" in told
    assert "is no shard" in folder.run("render", "--shard", "two", code=2)
