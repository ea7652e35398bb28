"""A folder that the user names -> a recogniser of sung words, or what it lacks. Loads nothing and fetches nothing.

No spec and no `renderer.toml` can name one: what listens to takes changes none, and a project is data of a stranger,
whose files aren't handed to a reader of foreign formats unless the user says so.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import ModelError, UsageError
from renderer.files import is_folder, is_regular, open_regular, read_regular
from renderer.models.catalog.identity import HEAD, fingerprint
from renderer.models.model_files import ReadFile

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = "faster_whisper"
WEIGHTS, VOCABULARY, CONFIG = "model.bin", "tokenizer.json", "config.json"
READ = (WEIGHTS, VOCABULARY, CONFIG, "preprocessor_config.json", "vocabulary.json", "vocabulary.txt")
SPEC = "WhisperSpec"
CONVERT = f"ct2-transformers-converter --model THAT --output_dir NEW --copy_files {VOCABULARY} preprocessor_config.json"
EXAMPLE = "hf download Systran/faster-whisper-small --local-dir FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recogniser:
    """What hears words."""

    folder: Path
    """Absolute."""
    digest: str
    """The head of its files' digest: equal ones hear the same."""


def recogniser_in(folder: Path) -> Recogniser:
    """The recogniser of a folder, its files hashed once.

    Raises: UsageError without `renderer[asr]`, ModelError for a folder that holds none.
    """
    if importlib.util.find_spec(LIBRARY) is None:
        raise UsageError(f"recognising words needs `{LIBRARY}`", help="pip install 'renderer[asr]'")
    if not is_folder(folder):
        raise ModelError(
            f"there is no folder `{folder}`",
            why="a recogniser is a folder on this machine; none is downloaded by itself",
            help=f"bring one: {EXAMPLE}",
        )
    if not is_regular(folder / WEIGHTS):
        raise _without_weights(folder)
    if (spec := _spec(folder / WEIGHTS)) != SPEC:
        raise ModelError(
            f"`{folder}` holds no Whisper",
            why=f"`{WEIGHTS}` is a `{spec}`" if spec else f"`{WEIGHTS}` is no model of CTranslate2's",
            help=f"bring one: {EXAMPLE}",
        )
    if not is_regular(folder / VOCABULARY):
        raise ModelError(
            f"`{VOCABULARY}` is missing in `{folder}`",
            why="it spells the recogniser's words, and isn't fetched from the network",
            help="copy it from the model that this one was converted from",
        )
    found = fingerprint(ReadFile(name=name, path=folder / name) for name in READ if is_regular(folder / name))
    return Recogniser(folder=folder.absolute(), digest=found.digest[:HEAD])


def _without_weights(folder: Path) -> ModelError:
    is_whisper = _model_type(folder) == "whisper"
    return ModelError(
        f"`{folder}` holds no recogniser",
        why=f"it is a Whisper as transformers has it, without `{WEIGHTS}`" if is_whisper else f"`{WEIGHTS}` is missing",
        help=f"convert it: {CONVERT}" if is_whisper else f"bring one: {EXAMPLE}",
    )


def _model_type(folder: Path) -> object:
    try:
        return json.loads(read_regular(folder / CONFIG)).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None


def _spec(weights: Path) -> str:
    """What a file of CTranslate2's says that it is; empty for any other.

    Source: OpenNMT/CTranslate2, python/ctranslate2/specs/model_spec.py
    """
    try:
        with open_regular(weights) as file:
            _version, length = struct.unpack("<IH", file.read(6))
            return file.read(min(length, 100)).rstrip(b"\0").decode("ascii")
    except (OSError, ValueError, struct.error):
        return ""
