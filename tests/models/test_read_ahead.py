"""The next part's weights are in memory by the time they are wanted."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest

from renderer.models import read_ahead as module
from renderer.models.catalog.zoo import resolve
from renderer.models.read_ahead import read_ahead
from tests.models.ace_step.layouts import write_bundle
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.model_files import ModelFiles

PAGE = mmap.PAGESIZE


def files_of(folder: Path) -> ModelFiles:
    files = resolve(str(folder)).files
    assert files is not None
    return files


def cached_share(path: Path) -> float:
    """How much of a file the system's cache holds."""
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        size = len(mapped)
        pages = (ctypes.c_ubyte * -(-size // PAGE))()
        window = (ctypes.c_char * size).from_buffer(mapped)
        try:
            assert libc.mincore(ctypes.c_void_p(ctypes.addressof(window)), ctypes.c_size_t(size), pages) == 0
        finally:
            del window
    return sum(page & 1 for page in pages) / len(pages)


@pytest.mark.skipif(sys.platform != "linux", reason="the cache is looked into by a call of Linux")
def test_a_file_that_was_on_disk_only_comes_into_memory(tiny_set: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_set, tmp_path / "set")
    path = tmp_path / "set" / "lm" / "model.safetensors"
    with path.open("ab") as opened:
        opened.write(os.urandom(32 << 20))
        opened.flush()
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if cached_share(path) > 0.5:
        pytest.skip("this file system keeps its files in memory")

    assert read_ahead("lm", files_of(tmp_path / "set")) == path.stat().st_size

    until = time.monotonic() + PATIENCE_SECONDS
    while cached_share(path) < 1 and time.monotonic() < until:
        time.sleep(0.05)
    assert cached_share(path) == 1


def test_each_part_means_its_own_files_in_either_layout(tiny_set: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "bundle", num_shards=3)

    def size(*folders: Path) -> int:
        return sum(path.stat().st_size for folder in folders for path in folder.glob("*.safetensors"))

    original, diffusers = files_of(bundle), files_of(tiny_set)
    assert read_ahead("lm", original) == size(bundle / "acestep-5Hz-lm-1.7B")
    assert read_ahead("vae", original) == read_ahead("vae", diffusers) == size(bundle / "vae")
    assert read_ahead("dit", original) == size(bundle / "acestep-v15-turbo", bundle / "Qwen3-Embedding-0.6B")
    names = ("transformer", "condition_encoder", "audio_tokenizer", "audio_token_detokenizer", "text_encoder")
    assert read_ahead("dit", diffusers) == size(*(tiny_set / name for name in names))
    assert read_ahead("lm", diffusers.with_lm(None)) == 0


def test_where_memory_is_short_nothing_is_read_ahead(tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE", 1e-9)

    assert read_ahead("dit", files_of(tiny_set)) == 0
