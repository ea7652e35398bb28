"""Whether a folder is all there follows from what its parts read, and from nothing else in it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from renderer.models.ace_step.checkpoints.reads import files_in
from renderer.models.catalog import hub
from tests.models.ace_step.damage import make_page
from tests.models.ace_step.layouts import write_bundle

if TYPE_CHECKING:
    from pathlib import Path

SIDE_FILE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + b"\xff\xb0" * 40


@pytest.fixture
def folders(tiny_set: Path, tmp_path: Path) -> list[Path]:
    """Every kind of folder that is fetched or named as one."""
    bundle = write_bundle(tiny_set, tmp_path / "bundle", num_shards=3)
    whole = write_bundle(tiny_set, tmp_path / "whole")
    shutil.copytree(tiny_set, tmp_path / "pipeline")
    return [*sorted(bundle.iterdir()), whole / "acestep-v15-turbo", tmp_path / "pipeline"]


def test_without_any_of_its_files_a_folder_is_not_complete(folders: list[Path]) -> None:
    tried = 0
    for folder in folders:
        assert hub.is_complete(folder), folder
        for one in files_in(folder):
            content = one.path.read_bytes()
            one.path.unlink()
            # An LM's template may lie in its tokenizer's settings.
            assert not hub.is_complete(folder) or one.name == "chat_template.jinja", one
            one.path.write_bytes(content)
            tried += 1
    assert tried > 30


def test_what_else_lies_there_makes_no_folder_incomplete(folders: list[Path]) -> None:
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            path.with_name(f"._{path.name}").write_bytes(SIDE_FILE)
        (folder / "old.safetensors.index.json").write_text('{"weight_map": {"x": "gone.safetensors"}}')
        (folder / ".DS_Store").write_bytes(SIDE_FILE)
        assert hub.is_complete(folder), folder


def test_a_broken_config_or_index_is_not_complete(folders: list[Path]) -> None:
    (dit,) = (folder for folder in folders if (folder / "model.safetensors.index.json").exists())
    for name in ("model.safetensors.index.json", "config.json"):
        make_page(dit / name)
        assert not hub.is_complete(dit)
