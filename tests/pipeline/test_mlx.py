"""A whole render with the LM on MLX, through real workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from safetensors.numpy import load_file

from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.conftest import Songs


pytestmark = pytest.mark.slow


def codes_in(outputs: Path) -> list[list[int]]:
    return [load_file(path)["codes"].tolist() for path in sorted((outputs / ".store" / "codes").rglob("*.safetensors"))]


def test_takes_made_on_mlx_have_torchs_codes_under_keys_of_their_own(songs: Songs, tmp_path: Path) -> None:
    pytest.importorskip("mlx.core")
    spec = songs.write("night-bus")
    codes, keys = [], []
    for device in ("cpu", "mlx"):
        options = Options(outputs=tmp_path / device, device=device, dtype="float32", threads=1, first_seed=True)
        project = Project(select((str(spec),), options).takes, options)
        summary = render(project, listen=lambda _: None)
        assert not summary.failures
        assert len(summary.rendered) == 1
        codes.append(codes_in(tmp_path / device))
        keys.append([take.key for take in summary.plan.takes])

    assert codes[0] == codes[1] != []
    assert keys[0] != keys[1]
