"""ACE-Step's own files -> specs: example JSON, saved generation parameters, the CLI's TOML. The input is not trusted.

Takes text, gives a spec's values and a list of what could not be carried over; touches no other file.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomli_w
from pydantic import ValidationError

from renderer.errors import UsageError
from renderer.spec.checkpoints import CHECKPOINTS, LMS
from renderer.spec.faults import without_faults
from renderer.spec.foreign import CALLED_HERE, NOT_SUPPORTED
from renderer.spec.lyrics import is_instrumental, unified
from renderer.spec.schema import InferenceTable, MetasTable, OutputTable, SongFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

    from renderer.spec.schema import Table

MAX_BYTES = 1024 * 1024
_TABLES: Mapping[str, type[Table]] = {"metas": MetasTable, "inference": InferenceTable, "output": OutputTable}
_NOTHING = frozenset({"", "n/a", "auto", "none", "random"})  # what the interfaces write for "not given"
_WRAPPERS = ("params", "generation_params", "parameters", "config", "generation_config")
_MODEL_PREFIX = "acestep-v15-"
_LM_PREFIX = "acestep-5Hz-lm-"
# Of the machine or the session, not of the song.
_NOT_THE_SONGS = frozenset(
    {
        "save_dir", "checkpoint_dir", "project_root", "backend", "lm_backend", "vocal_path", "output_dir",
        "output_path", "log_level", "use_flash_attention", "quantization", "compile_model", "lora_path", "saved_at",
        "timestamp", "generation_time", "audio_path", "download_source", "cache_dir",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A key that was not carried over, and why."""

    key: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A spec made from a foreign file."""

    values: Mapping[str, Any]
    left_out: tuple[LeftOut, ...]

    def text(self, schema: str | None) -> str:
        """The spec as TOML, lyrics over several lines; `schema` is the path to the schema, for editors."""
        head = f"#:schema {schema}\n" if schema else ""
        return head + tomli_w.dumps(self.values, multiline_strings=True)


def read_foreign(text: str, *, name: str) -> tuple[Imported, ...]:
    """The specs that a JSON or TOML text holds: one, or one for each entry of a JSON list.

    Raises: UsageError when it is neither, or holds no song.
    """
    values = _parsed(text, name)
    entries = values if isinstance(values, list) else [values]
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(
            f"`{name}` holds no generation parameters", why="a table of them, or a list of tables, is expected"
        )
    return tuple(_imported(entry, name) for entry in entries)


def _parsed(text: str, name: str) -> Any:
    try:
        return tomllib.loads(text) if name.lower().endswith(".toml") else json.loads(text)
    except RecursionError as error:
        raise UsageError(f"`{name}` can't be read", why="it is nested too deeply") from error
    except ValueError as error:
        raise UsageError(f"`{name}` can't be read", why=str(error)) from error


def _imported(entry: Mapping[str, Any], name: str) -> Imported:
    values: dict[str, Any] = {}
    left_out: list[LeftOut] = []
    for key, value in _flat(entry):
        reason = _carry(str(key), value, values)
        if reason:
            left_out.append(LeftOut(key=str(key), why=reason))
    _settle_lyrics(values)
    if not values.get("caption"):
        raise UsageError(f"`{name}` holds no caption", why="without one there is nothing to make a song from")
    sound, faults = _sound(values)
    return Imported(values=_ordered(sound), left_out=(*left_out, *faults))


def _flat(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keys, with those of the wrappers that some versions put round them."""
    for key, value in entry.items():
        if key in _WRAPPERS and isinstance(value, dict):
            yield from value.items()
        else:
            yield key, value


def _carry(key: str, value: Any, values: dict[str, Any]) -> str:
    """Put a foreign key into the spec; the reason why not, or nothing."""
    if _says_nothing(key, value):
        return ""
    if key in NOT_SUPPORTED or key in _NOT_THE_SONGS:
        return NOT_SUPPORTED.get(key, "it is the machine's, not the song's")
    known = CALLED_HERE.get(key, key)
    if known in {"model", "lm", "seeds"}:
        return _carry_seeds(value, values) if known == "seeds" else _carry_model(known, value, values)
    table = next((name for name, model in _TABLES.items() if known in model.model_fields), None)
    if table is not None:
        values.setdefault(table, {}).setdefault(known, _as_written_here(known, value))
        return ""
    if known in {"caption", "title", "lyrics", "instrumental"}:
        values.setdefault(known, value)
        return ""
    return "no key of a spec"


def _says_nothing(key: str, value: Any) -> bool:
    """Whether a value is upstream's way to leave something open, or to leave out what is not offered here."""
    if value is None or value in ([], {}):
        return True
    if isinstance(value, str):
        return value.strip().lower() in _NOTHING and key not in {"lyrics", "lyric"}
    if key in NOT_SUPPORTED:
        return value in (False, -1)
    return CALLED_HERE.get(key, key) in MetasTable.model_fields and value in (-1, 0)


def _carry_model(known: str, value: Any, values: dict[str, Any]) -> str:
    prefix, names = (_MODEL_PREFIX, tuple(CHECKPOINTS)) if known == "model" else (_LM_PREFIX, LMS)
    name = str(value).removeprefix(prefix)
    if name not in names:
        return "paths and unknown models are not carried over"
    values[known] = name
    return ""


def _carry_seeds(value: Any, values: dict[str, Any]) -> str:
    listed = value if isinstance(value, list) else str(value).split(",")
    try:
        seeds = [int(seed) for seed in listed]
    except (TypeError, ValueError):
        return "no list of seeds"
    if any(seed < 0 for seed in seeds):
        return "" if seeds == [-1] else "a random seed can't be rendered again"
    values["seeds"] = list(dict.fromkeys(seeds))
    return ""


def _as_written_here(key: str, value: Any) -> Any:
    """A value in the type a spec has for it; what can't be brought there is left to the check."""
    if key in {"bpm", "inference_steps", "lm_top_k"} and isinstance(value, float) and value.is_integer():
        return int(value)
    if key == "timesteps" and isinstance(value, str):
        try:
            return [float(time) for time in value.strip("[] ").split(",") if float(time) > 0]
        except ValueError:
            return value
    if isinstance(value, str) and key in {"bpm", "duration"}:
        number = value.strip().removesuffix("s")
        return int(number) if number.isdecimal() else value
    if key == "timesignature":
        return str(value)
    return value


def _settle_lyrics(values: dict[str, Any]) -> None:
    """Words, or `instrumental = true`: never both, never neither.

    Raises: UsageError for lyrics that are no text.
    """
    lyrics = values.pop("lyrics", "")
    instrumental = values.pop("instrumental", False) is True
    if not isinstance(lyrics, str):
        raise UsageError("the lyrics are no text", why=f"they are {type(lyrics).__name__}")
    text = unified(lyrics)
    if instrumental or not text or is_instrumental(text):
        values["instrumental"] = True
    else:
        values["lyrics"] = text + "\n"
    if isinstance(values.get("caption"), str):
        values["caption"] = values["caption"].strip()


def _sound(values: dict[str, Any]) -> tuple[dict[str, Any], list[LeftOut]]:
    """The values less those that a spec can't have.

    Raises: UsageError when the caption is one of them.
    """
    try:
        SongFile.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        left_out = [LeftOut(key=str(_key(one)), why=f"{str(one['input'])[:60]!r} is no value for it") for one in faults]
        at_fault = {one["loc"][0] for one in faults}
        if "caption" in at_fault:
            raise UsageError("the caption is no text", why=left_out[0].why) from error
        whole = {"seeds"} & at_fault
        return {key: value for key, value in without_faults(values, error).items() if key not in whole}, left_out
    return values, []


def _key(fault: ErrorDetails) -> str | int:
    return next(part for part in reversed(fault["loc"]) if isinstance(part, str))


def _ordered(values: Mapping[str, Any]) -> dict[str, Any]:
    """As a reader wants them: words first, tables last."""
    first = [key for key in ("title", "model", "lm", "caption", "instrumental", "lyrics", "seeds") if key in values]
    return {**{key: values[key] for key in first}, **{key: values[key] for key in _TABLES if values.get(key)}}
