"""Fingerprints follow the bytes that a part reads, and cost one reading."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renderer.models.ace_step.stages import FAMILY
from renderer.models.catalog import identity
from renderer.models.catalog.zoo import resolve
from renderer.store.takes import file_digest

if TYPE_CHECKING:
    from renderer.models.model_files import ModelFiles


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tiny_set: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_set, tmp_path / "set")
    return tmp_path / "set"


def files_of(folder: Path) -> ModelFiles:
    files = resolve(str(folder)).files
    assert files is not None
    return files


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("vae/diffusion_pytorch_model.safetensors", "vae"),
        ("lm/model.safetensors", "lm"),
        ("lm/tokenizer.json", "lm"),
        ("transformer/diffusion_pytorch_model.safetensors", "dit"),
        ("tokenizer/tokenizer.json", "dit"),
        ("text_encoder/model.safetensors", "dit"),
    ],
)
def test_a_changed_byte_changes_the_part_that_reads_it_and_no_other(folder: Path, name: str, part: str) -> None:
    before = identity.identity(files_of(folder))
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)

    after = identity.identity(files_of(folder))

    changed = {found for found in FAMILY.parts if before[found] != after[found]}
    # The encoder is the VAE's other half, in the same file.
    assert changed == ({part, "encoder"} if part == "vae" else {part})


def test_the_same_files_elsewhere_are_the_same_weights(folder: Path, tiny_set: Path) -> None:
    assert identity.identity(files_of(folder)) == identity.identity(files_of(tiny_set))


def test_a_set_without_an_lm_has_no_fingerprint_for_one(folder: Path) -> None:
    assert "lm" not in identity.identity(files_of(folder).with_lm(None))


def test_a_file_is_read_once_and_then_remembered(folder: Path) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    first = identity.identity(files_of(folder))
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    # The same size and time: nothing says that it changed, so it isn't read again.
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert identity.identity(files_of(folder)) == first


def test_a_file_of_the_hubs_cache_is_taken_at_its_name(folder: Path, tmp_path: Path) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    expected = identity.identity(files_of(folder))
    blob = tmp_path / "blobs" / file_digest(path)
    blob.parent.mkdir()
    path.rename(blob)
    path.symlink_to(blob)
    assert identity.identity(files_of(folder)) == expected

    # Never opened: its name is its digest.
    blob.write_bytes(b"")
    assert identity.identity(files_of(folder)) == expected


def test_a_memory_that_can_not_be_kept_only_costs_hashing_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = identity.identity(files_of(folder))
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert identity.identity(files_of(folder)) == first


def test_the_memory_leaves_no_half_written_file_behind(folder: Path, tmp_path: Path) -> None:
    identity.identity(files_of(folder))

    assert [path.name for path in (tmp_path / "cache" / "renderer").iterdir()] == ["digests.json"]


def test_a_torn_memory_only_costs_hashing_again(folder: Path, tmp_path: Path) -> None:
    first = identity.identity(files_of(folder))
    (tmp_path / "cache" / "renderer" / "digests.json").write_text("{")

    assert identity.identity(files_of(folder)) == first


def test_files_that_are_gone_are_forgotten_once_there_are_many(folder: Path, tmp_path: Path) -> None:
    memory = tmp_path / "cache" / "renderer" / "digests.json"
    memory.parent.mkdir(parents=True)
    memory.write_text(json.dumps({str(tmp_path / f"gone{n}"): [1, 1, "0"] for n in range(identity.MOST_REMEMBERED)}))

    identity.identity(files_of(folder))

    kept = json.loads(memory.read_text("utf-8"))
    assert kept
    assert all(Path(path).exists() for path in kept)
