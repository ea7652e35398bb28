from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from renderer.run.sleep_inhibitor import no_idle_sleep
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_mac_is_kept_awake_as_long_as_a_run_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = tmp_path / "said"
    program = tmp_path / "caffeinate"
    program.write_text(f'#!/bin/sh\necho "$$ $@" > {said}.new && mv {said}.new {said}\nexec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with no_idle_sleep("darwin"):
        until = time.monotonic() + PATIENCE_SECONDS
        while not said.exists() and time.monotonic() < until:
            time.sleep(0.01)
        pid, *arguments = said.read_text().split()
        assert arguments == ["-i", "-w", str(os.getpid())]
        os.kill(int(pid), 0)

    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return
    raise AssertionError("it outlives the run")


def test_elsewhere_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = tmp_path / "said"
    program = tmp_path / "caffeinate"
    program.write_text(f"#!/bin/sh\ntouch {said}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with no_idle_sleep("linux"):
        pass

    assert not said.exists()
