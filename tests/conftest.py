"""What every test may ask for: the smallest model set of the real classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `tiny` model set; read it, never write to it."""
    from tests.mini_factory.build import build_set

    folder = tmp_path_factory.mktemp("models") / "tiny"
    build_set(folder, "tiny")
    return folder
