"""A recipe's spec as a stranger may have written it -> one that can be a spec here, and what was left out of it.

Audio files are passed on, and so is what their tags say: nothing in them may lead to a file on this machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w
from pydantic import ValidationError

from renderer.errors import UsageError
from renderer.spec.checkpoints import CHECKPOINTS, LMS, VAES
from renderer.spec.families import MODELS
from renderer.spec.faults import diagnostics_of, less_faults
from renderer.spec.schema import SongFile
from renderer.spec.source import Source

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

NAMES: Mapping[str, Container[str]] = {"model": MODELS, "based_on": CHECKPOINTS, "lm": LMS, "vae": VAES}
_FILES = ("lyrics_file", "codes", "reference_audio")  # a recipe of ours holds the words and the codes themselves
_ROUNDS = 3  # what is left may be at fault without what was taken out


def song_of(written: Mapping[str, object], file: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The spec less its paths and what no spec may say; and a note for each of them.

    Raises: UsageError when no song is left.
    """
    spec, notes = _without_paths(written, "")
    if isinstance(spec.get("variants"), dict):
        for name, table in spec["variants"].items():
            if isinstance(table, dict):
                spec["variants"] = spec["variants"] | {name: (kept := _without_paths(table, f"variants.{name}."))[0]}
                notes += kept[1]
    for _ in range(_ROUNDS):
        try:
            SongFile.model_validate(spec)
        except ValidationError as error:
            source = Source(path=file, text=tomli_w.dumps(spec))
            faults = list(diagnostics_of(error, source, root=SongFile))
            spec = less_faults(spec, error)
            notes += [f"left out: {one.message}" + (f", {one.why}" if one.why else "") for one in faults]
        else:
            return spec, tuple(notes)
    raise UsageError(f"the recipe of `{file.name}` holds no song", why="; ".join(notes[-3:]))


def _without_paths(table: Mapping[str, object], where: str) -> tuple[dict[str, Any], list[str]]:
    paths = {key: table[key] for key in _FILES if key in table}
    if where:  # what the song itself names is told apart: it may have been a folder of its maker's
        paths |= {key: table[key] for key, known in NAMES.items() if _names_a_path(table.get(key), known)}
    notes = [
        f"left out `{where}{key}`, which was `{value}`: a path in somebody's recipe is not followed"
        for key, value in paths.items()
    ]
    kept = {key: value for key, value in table.items() if key not in paths}
    if isinstance(adapters := kept.get("lora"), list):
        kept["lora"] = [one for one in adapters if not _leads_away(one)]
        notes += [
            f"left out the adapter `{one['path']}` of `{where}lora`: a path in somebody's recipe is not followed"
            for one in adapters
            if _leads_away(one)
        ]
    return kept, notes


def _names_a_path(value: object, known: Container[str]) -> bool:
    return isinstance(value, str) and value not in known


def _leads_away(adapter: object) -> bool:
    """Whether it names another folder than one beside the spec."""
    path = adapter.get("path") if isinstance(adapter, dict) else None
    return isinstance(path, str) and (path != Path(path).name or "\\" in path or path.startswith("~") or path == "..")
