"""Sound on its way from worker to parent: whole, never more of it lying there than allowed, and nothing left behind."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Waveform
from renderer.models.stage_job import Done
from renderer.run.spool import LARGE_BYTES, MOST_SPOOLED_BYTES, Spool, SpoolWriter, fetch
from renderer.run.wire import frame, receive, write
from renderer.store.disk import is_temp
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

SHUT = 0.2  # long enough to see that something waits


def sound(num_bytes: int) -> memoryview:
    return np.random.default_rng(num_bytes).integers(0, 256, num_bytes, np.uint8).data


def test_a_sound_arrives_bit_for_bit_and_its_file_is_gone(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).standard_normal((2, 300_000)).astype(np.float32)
    pipe = io.BytesIO()

    write(pipe, frame(Done(id="k", artifact=Waveform(samples=samples))), SpoolWriter(Spool(tmp_path).stem))
    assert len(pipe.getvalue()) < 1_000
    (file,) = tmp_path.iterdir()
    assert is_temp(file.name)
    pipe.seek(0)
    found = receive(pipe)

    assert isinstance(found, Done)
    assert isinstance(found.artifact, Waveform)
    assert found.artifact.samples.tobytes() == samples.tobytes()
    found.artifact.samples[0, 0] = 1.0
    assert list(tmp_path.iterdir()) == []


def test_what_is_small_goes_by_the_pipe(tmp_path: Path) -> None:
    assert SpoolWriter(Spool(tmp_path).stem).put(sound(LARGE_BYTES - 1)) is None
    assert list(tmp_path.iterdir()) == []


def test_the_next_sound_waits_until_one_before_was_fetched(tmp_path: Path) -> None:
    writer, third = SpoolWriter(Spool(tmp_path).stem), threading.Event()
    files = [writer.put(sound(MOST_SPOOLED_BYTES // 2)) for _ in range(2)]

    def put_one_more() -> None:
        files.append(writer.put(sound(LARGE_BYTES)))
        third.set()

    threading.Thread(target=put_one_more, daemon=True).start()
    assert not third.wait(SHUT)
    assert files[0]
    fetch(files[0], memoryview(bytearray(MOST_SPOOLED_BYTES // 2)))

    assert third.wait(PATIENCE_SECONDS)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_takes_no_files_costs_time_and_no_sound(tmp_path: Path) -> None:
    samples = np.ones((2, 300_000), np.float32)
    pipe = io.BytesIO()

    write(pipe, frame(Done(id="k", artifact=Waveform(samples=samples))), SpoolWriter(Spool(tmp_path / "gone").stem))
    pipe.seek(0)
    found = receive(pipe)

    assert isinstance(found, Done)
    assert isinstance(found.artifact, Waveform)
    assert found.artifact.samples.tobytes() == samples.tobytes()


def test_what_a_dead_worker_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    dead, living = Spool(tmp_path), Spool(tmp_path)
    SpoolWriter(dead.stem).put(sound(LARGE_BYTES))
    kept = SpoolWriter(living.stem).put(sound(LARGE_BYTES))

    dead.clear()

    assert [str(path) for path in tmp_path.iterdir()] == [kept]


def test_a_sound_cut_short_is_no_sound(tmp_path: Path) -> None:
    file = SpoolWriter(Spool(tmp_path).stem).put(sound(LARGE_BYTES))
    assert file
    os.truncate(file, LARGE_BYTES // 2)

    with pytest.raises(OSError, match="holds"):
        fetch(file, memoryview(bytearray(LARGE_BYTES)))
