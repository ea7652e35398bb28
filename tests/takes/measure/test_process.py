from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from filelock import FileLock
from PIL import Image

from renderer.store.disk import temp_name
from renderer.takes.audio import write_audio
from renderer.takes.measure import SoundFile, measure_files, process, stored_measurement
from renderer.takes.measure.compiled import compile_once
from tests.patience import PATIENCE_SECONDS
from tests.report.songs import music

if TYPE_CHECKING:
    from collections.abc import Callable


def sound_file(path: Path, kind: str = "flac", seconds: float = 5.0) -> SoundFile:
    write_audio(music(1, seconds, bpm=120), path, kind, {})
    return SoundFile(path=path, digest=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.slow
def test_files_are_measured_apart_and_kept_by_their_digest(tmp_path: Path) -> None:
    whole = sound_file(tmp_path / "whole.flac")
    broken = SoundFile(path=tmp_path / "broken.flac", digest="b" * 64)
    broken.path.write_bytes(b"fLaC and then nothing of use")
    kept = tmp_path / "measured"

    found = {one.digest: one for one in measure_files([broken, whole], kept)}

    assert found["b" * 64].measured is None
    assert "LibsndfileError" in found["b" * 64].problem
    measured = found[whole.digest].measured
    assert measured
    assert measured.bpm == pytest.approx(120, rel=0.02)
    assert measured.duration_seconds == 5.0
    assert measured.true_peak_db == pytest.approx(-1.0, abs=0.3)
    with Image.open(found[whole.digest].spectrogram or "") as picture:
        assert (picture.format, picture.size) == ("WEBP", (800, 160))

    whole.path.unlink()
    assert next(measure_files([whole], kept)) == found[whole.digest], "measured again although it was kept"
    assert not list(kept.glob("*.tmp"))


def test_a_damaged_result_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / ("a" * 16 + ".json")).write_text('{"version": 2, "measured": {"bpm"', "utf-8")
    assert stored_measurement("a" * 64, tmp_path) is None


def test_a_measuring_process_that_ends_at_once_is_told_of_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where memory is short; more is asked for than a pipe holds."""
    ends = tmp_path / "python"
    ends.write_text("#!/bin/sh\nexit 7\n")
    ends.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(ends))
    files = [SoundFile(path=tmp_path / f"{number}.flac", digest=f"{number:064x}") for number in range(3_000)]

    found = list(measure_files(files, tmp_path / "measured"))

    assert [one.digest for one in found] == [file.digest for file in files]
    assert {one.problem for one in found} == {"the measuring process ended (7)"}


MEASURING = """
import hashlib, sys
from pathlib import Path
from renderer.takes.measure import SoundFile, measure_files

found = sorted(Path(sys.argv[1]).glob("*.flac"))
files = [SoundFile(path=path, digest=hashlib.sha256(path.name.encode()).hexdigest()) for path in found]
for one in measure_files(files, Path(sys.argv[1]) / "measured"):
    print(one.digest, flush=True)
"""


@pytest.mark.slow
def test_the_measuring_process_ends_with_whoever_asked_for_it(tmp_path: Path) -> None:
    for number in range(30):
        sound_file(tmp_path / f"{number}.flac")
    asking = subprocess.Popen([sys.executable, "-c", MEASURING, str(tmp_path)], stdout=subprocess.PIPE)
    assert asking.stdout
    assert asking.stdout.readline()  # it is at it
    (measuring,) = psutil.Process(asking.pid).children()
    asking.kill()
    asking.wait()
    asking.stdout.close()

    psutil.wait_procs([measuring], timeout=PATIENCE_SECONDS)
    assert not measuring.is_running()
    assert len(list((tmp_path / "measured").glob("*.json"))) < 30


@pytest.mark.slow
def test_a_measuring_process_that_is_ended_amid_its_writing_leaves_nothing_half_written(tmp_path: Path) -> None:
    file, folder = sound_file(tmp_path / "whole.flac", seconds=40.0), tmp_path / "measured"
    me = psutil.Process()

    def end_amid_writing(end: Callable[[], None]) -> None:
        living = [child for child in me.children() if child.status() != psutil.STATUS_ZOMBIE]
        (measuring,) = (child for child in living if "renderer.takes.measure" in child.cmdline())

        def watch() -> None:
            while not list(folder.glob(".tmp-*/*")) and measuring.is_running():
                time.sleep(0.001)
            measuring.suspend()
            held.append({path.name for path in folder.glob("*.*") if path.is_file()})
            end()
            measuring.resume()

        threading.Thread(target=watch).start()

    held: list[set[str]] = []
    (found,) = measure_files([file], folder, end_amid_writing)

    assert held == [set()], "it was ended too late to show anything"
    assert "ended (-15)" in found.problem
    assert not list(folder.iterdir())


def test_what_a_measurement_that_failed_has_left_gets_no_name(tmp_path: Path) -> None:
    def measure(file: SoundFile, folder: Path) -> None:
        (folder / f"{file.digest[:16]}.webp").write_bytes(b"half a picture")
        if file.digest.startswith("a"):
            raise OSError(28, "No space left on device")
        (folder / f"{file.digest[:16]}.json").write_text("{}", "utf-8")

    row = process.MeasureRow(kind=SoundFile, stored=lambda *_: None, measure=measure)
    folder, unfinished = tmp_path / "measured", tmp_path / "measured" / temp_name()
    folder.mkdir()
    with pytest.raises(OSError, match="No space"):
        process._keep(row, SoundFile(path=tmp_path / "a.flac", digest="a" * 64), folder, unfinished)
    process._keep(row, SoundFile(path=tmp_path / "b.flac", digest="b" * 64), folder, unfinished)

    assert {path.name for path in folder.glob("*.*") if path.is_file()} == {f"{'b' * 16}.webp", f"{'b' * 16}.json"}


def test_where_nothing_can_be_kept_each_file_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file where the folder would be", "utf-8")
    files = [SoundFile(path=tmp_path / f"{name}.flac", digest=name * 64) for name in "ab"]

    found = list(measure_files(files, tmp_path / "report" / "measured"))

    assert [one.digest for one in found] == ["a" * 64, "b" * 64]
    assert all("NotADirectoryError" in one.problem for one in found)


COMPILED = """
from renderer.takes.measure.compiled import compile_once
compile_once()
print("compiled", flush=True)
import numpy as np
from renderer.takes.measure.analysis import analyse
from tests.report.songs import music
for sound, rate in ((music(3, 9.0).samples.T, 48_000), (np.zeros((480_000, 1), dtype=np.float32), 44_100)):
    analyse(np.ascontiguousarray(sound), rate)
"""


@pytest.mark.slow
def test_once_compiled_no_sound_makes_numba_touch_its_cache() -> None:
    log = subprocess.run(
        [sys.executable, "-c", COMPILED],
        env={**os.environ, "NUMBA_DEBUG_CACHE": "1"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    first, _, later = log.partition("compiled\n")
    assert "[cache]" in first
    assert "[cache]" not in later


@pytest.mark.slow
def test_a_cache_that_another_process_fills_is_waited_for_and_used(tmp_path: Path) -> None:
    compile_once()  # in this process as in every other one, into the folder that all tests share
    folder = tmp_path / "numba"
    folder.mkdir()
    with FileLock(folder / "lock"):
        compiling = subprocess.Popen(
            [sys.executable, "-c", "from renderer.takes.measure.compiled import compile_once; compile_once()"],
            env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
        )
        waiting = psutil.Process(compiling.pid)
        while str(folder / "lock") not in {file.path for file in waiting.open_files()}:
            assert compiling.poll() is None
            time.sleep(0.05)
        assert not list(folder.rglob("*.nbi"))
        shutil.copytree(
            os.environ["NUMBA_CACHE_DIR"], folder, ignore=shutil.ignore_patterns("lock"), dirs_exist_ok=True
        )
        filled = contents(folder)
        assert compiling.poll() is None
    assert compiling.wait() == 0
    assert any(path.suffix == ".nbi" for path in filled)
    assert contents(folder) == filled, "compiled again although it was there"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*.nb?")}
