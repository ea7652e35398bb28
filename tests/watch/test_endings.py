"""However a watch ends, nothing of it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.watch.conftest import Songs, all_end

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_a_watch_whose_lines_nobody_reads_any_more_ends_with_its_render_and_its_worker(
    tmp_path: Path, tiny_set: Path
) -> None:
    songs = Songs(tmp_path / "project", tiny_set)
    songs.write("lang", duration=120)
    command = [sys.executable, "-m", "renderer", "watch", "--no-measure", "--device", "cpu", "--threads", "1"]
    with (
        (tmp_path / "errors").open("wb") as errors,
        subprocess.Popen(
            command,
            cwd=songs.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        ) as watch,
    ):
        assert watch.stdout
        assert any(b" latents: " in line for line in watch.stdout)
        children = psutil.Process(watch.pid).children(recursive=True)
        watch.stdout.close()
        try:
            watch.wait(PATIENCE_SECONDS)
        finally:
            watch.kill()

    assert "Traceback" not in (tmp_path / "errors").read_text("utf-8")
    assert children
    assert all_end(children)
    assert not list(songs.outputs.rglob("*.flac"))
