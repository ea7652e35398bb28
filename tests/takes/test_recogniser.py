"""A folder that is to be a recogniser: what it lacks, and what to do, before anything is loaded."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest

from renderer.errors import ModelError, UsageError
from renderer.takes import recogniser
from renderer.takes.recogniser import recogniser_in

if TYPE_CHECKING:
    from pathlib import Path


def write_recogniser(folder: Path) -> Path:
    """As far as anybody looks who doesn't load it."""
    folder.mkdir()
    (folder / "model.bin").write_bytes(struct.pack("<IH", 6, 12) + b"WhisperSpec\0" + b"\1" * 64)
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_recogniser(tmp_path / "whisper")


@pytest.fixture(autouse=True)
def _library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the extra is installed says nothing of folders."""
    monkeypatch.setattr(recogniser, "LIBRARY", "json")


def refused(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        recogniser_in(folder)
    return caught.value


def test_equal_files_are_the_same_recogniser_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    first = recogniser_in(folder)
    moved = folder.rename(tmp_path / "elsewhere")

    assert recogniser_in(moved).digest == first.digest
    (moved / "model.bin").write_bytes((moved / "model.bin").read_bytes() + b"\2")
    assert recogniser_in(moved).digest != first.digest


def test_a_name_of_the_hub_is_no_folder_and_nothing_is_fetched(tmp_path: Path) -> None:
    error = refused(tmp_path / "Systran" / "faster-whisper-small")

    assert "none is downloaded by itself" in error.why
    assert "hf download" in error.help


def test_a_whisper_of_transformers_is_to_be_converted(folder: Path) -> None:
    (folder / "model.bin").unlink()
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper"}))

    error = refused(folder)

    assert "as transformers has it" in error.why
    assert "ct2-transformers-converter" in error.help


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (struct.pack("<IH", 6, 16) + b"TransformerSpec\0", "`model.bin` is a `TransformerSpec`"),
        (b"", "no model of CTranslate2's"),
        (b"\xff" * 200, "no model of CTranslate2's"),
    ],
)
def test_a_model_that_hears_nothing_is_told(folder: Path, content: bytes, why: str) -> None:
    (folder / "model.bin").write_bytes(content)

    assert why in refused(folder).why


def test_a_missing_vocabulary_is_copied_and_not_fetched(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()

    error = refused(folder)

    assert "`tokenizer.json` is missing" in error.message
    assert "isn't fetched" in error.why


def test_without_the_extra_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recogniser, "LIBRARY", "no_such_library_is_here")

    with pytest.raises(UsageError) as caught:
        recogniser_in(folder)

    assert caught.value.help == "pip install 'renderer[asr]'"
