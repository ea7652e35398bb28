from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Waveform
from renderer.errors import StoreError
from renderer.facts import SAMPLE_RATE
from renderer.formats.table import FORMATS
from renderer.store.disk import RealDisk
from renderer.store.takes import file_digest
from renderer.takes.audio import encode_audio
from renderer.takes.audio_writers import AudioWriterPool
from renderer.takes.read_back import SPAN_FRAMES
from tests.store.disks import FailingDisk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TAGS = {"title": "Ñandú", "renderer_recipe": '{"a":1}' * 900}
LOSSLESS = [name for name, row in FORMATS.items() if row.lossless]


def noise(num_frames: int) -> Waveform:
    return Waveform(samples=np.random.default_rng(5).uniform(-1, 1, (2, num_frames)).astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOSSLESS)
def test_damage_is_found_wherever_the_threads_that_read_back_meet(tmp_path: Path, kind: str) -> None:
    num_frames = 2 * SPAN_FRAMES + SAMPLE_RATE
    encoded = encode_audio(noise(num_frames), tmp_path / "take", kind, {})
    whole = encoded.path.read_bytes()
    seams = [len(whole) * part * SPAN_FRAMES // num_frames for part in (1, 2)]
    places = [len(whole) // 10, *(seam + step for seam in seams for step in (-9_000, 0, 9_000)), len(whole) - 2_000]
    damaged = {f"byte-{at}": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in places}
    cut_off = {f"cut-{at}": whole[:at] for at in places[::3]}
    with ThreadPoolExecutor(3) as threads:
        encoded.read_back(threads.map)()
        for name, content in (damaged | cut_off).items():
            # Each by a name of its own: a thread may still be at the one before.
            (tmp_path / name).write_bytes(content)
            with pytest.raises(StoreError, match=r"not what was written|could not write"):
                replace(encoded, path=tmp_path / name).read_back(threads.map)()


@pytest.mark.parametrize("kind", LOSSLESS)
@pytest.mark.parametrize("num_frames", [SPAN_FRAMES - 1, SPAN_FRAMES, SPAN_FRAMES + 1])
def test_a_sound_of_another_length_is_no_match(tmp_path: Path, kind: str, num_frames: int) -> None:
    sound = noise(num_frames)
    encoded = encode_audio(sound, tmp_path / "take", kind, {})
    encoded.read_back(map)()
    for other in (sound.samples[:, :-1], np.pad(sound.samples, ((0, 0), (0, 1)))):
        encode_audio(Waveform(samples=other), tmp_path / "take", kind, {})
        with pytest.raises(StoreError, match="frames read back"):
            encoded.read_back(map)()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_pending_file_is_told_with_the_size_time_and_digest_of_what_lies_there(tmp_path: Path, kind: str) -> None:
    pool = AudioWriterPool(RealDisk(), "cpu")
    begun = [pool.begin(noise(SAMPLE_RATE), tmp_path / f"{name}.{kind}", kind, TAGS) for name in "abcde"]
    for one in begun:
        file = one.result()
        found = file.temp.stat()
        assert (file.num_bytes, file.mtime_ns) == (found.st_size, found.st_mtime_ns)
        assert file.digest == file_digest(file.temp)
    pool.close()
    assert not list(tmp_path.iterdir())


def test_what_the_drive_did_not_take_is_not_told_as_written(tmp_path: Path) -> None:
    pool = AudioWriterPool(FailingDisk(errno.EIO, first=0, last=99), "cpu")
    # The folder is there, so the first thing asked of the disk is to flush the file.
    with pytest.raises(OSError, match="Input/output"):
        pool.begin(noise(SAMPLE_RATE), tmp_path / "take.flac", "flac", TAGS).result()
    pool.close()
    assert not list(tmp_path.iterdir())


def test_a_file_that_came_out_damaged_is_not_told_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = FORMATS["flac"].tagger()

    def damage(path: Path, tags: Mapping[str, str]) -> None:
        tagger.tag(path, tags)
        content = path.read_bytes()
        path.write_bytes(content[:-9_000] + bytes([content[-9_000] ^ 1]) + content[-8_999:])

    damaging = SimpleNamespace(tag=damage, sound=tagger.sound)
    monkeypatch.setitem(FORMATS, "flac", replace(FORMATS["flac"], tagger=lambda: damaging))  # type: ignore[arg-type]
    pool = AudioWriterPool(RealDisk(), "cpu")
    with pytest.raises(StoreError, match=r"not what was written|could not write"):
        pool.begin(noise(SAMPLE_RATE), tmp_path / "take.flac", "flac", TAGS).result()
    pool.close()
    assert not list(tmp_path.iterdir())
