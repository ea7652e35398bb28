"""A key of ACE-Step's -> the key of a spec that means the same, its value in that key's type; or why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from renderer.errors import UsageError
from renderer.spec.foreign import CALLED_HERE, NEUTRAL, NOT_SUPPORTED
from renderer.spec.imports import lyrics, names, values
from renderer.spec.imports.codes import codes_in
from renderer.spec.imports.draft import SpecDraft, field_of
from renderer.spec.imports.entry import Field
from renderer.spec.schema import SongFile

COT = "cot_"
"""What ACE-Step puts before the key of what its LM decided."""
_NOTHING = frozenset({"", "n/a", "auto", "none", "null", "random"})  # what the interfaces write for "not given"
_TEXTS = frozenset({"caption", "title", "lyrics", "lm_negative_prompt"})  # where those would be words
_COUNTED = frozenset({"bpm", "duration"})  # where 0 and below leave it open
# Of the machine or the session, not of the song.
_NOT_THE_SONGS = frozenset(
    {
        "save_dir", "checkpoint_dir", "project_root", "backend", "lm_backend", "vocal_path", "output_dir",
        "output_path", "log_level", "use_flash_attention", "quantization", "compile_model", "saved_at",
        "timestamp", "generation_time", "audio_path", "download_source", "cache_dir", "use_tiled_decode",
        "session_artifact_file", "session_artifact_kind", "stream", "modalities", "file", "status", "env",
        "create_time", "code", "task_id", "wave", "stage", "progress", "progress_text",
    }
)  # fmt: skip
OwnWay = Callable[[Field, SpecDraft, Path], None]
_AS_HERE: Mapping[str, Callable[[Any], Any]] = {
    "bpm": values.tempo,
    "duration": values.seconds,
    "keyscale": values.keyscale,
    "timesignature": values.timesignature,
    "vocal_language": values.language,
    "timesteps": values.times,
}


def carry(field: Field, draft: SpecDraft, file: Path) -> None:
    """Put a foreign key into the draft, or list it there.

    Raises: UsageError where no song can be made with it.
    """
    key = _called(field)
    if _says_nothing(key, field.value):
        return
    own_way = _OWN_WAYS.get(key)
    if own_way is not None:
        own_way(field, draft, file)
    elif field_of(key) is not None:
        put(key, field, draft)
    elif key.startswith(COT) and key in NOT_SUPPORTED:
        draft.decided[_without_cot(key)] = field
    else:
        leave(key, field, draft)


def put(key: str, field: Field, draft: SpecDraft) -> None:
    """Put a value into a table of the draft, in the type that its key takes there."""
    kind = field_of(key)
    value = _AS_HERE[key](field.value) if key in _AS_HERE else field.value
    if key in _COUNTED and isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
        return
    if key == "bpm" and isinstance(value, float) and math.isfinite(value):
        draft.leave(field, f"tempos are whole: {value:g} is taken as {int(value)}, as ACE-Step takes it")
        value = int(value)
    draft.put(key, value if kind is None else values.in_type(kind, value), field)


def leave(key: str, field: Field, draft: SpecDraft) -> None:
    """List a key that a spec doesn't have, unless its value asks for nothing else than what is done here."""
    if key in NOT_SUPPORTED:
        if not _is_neutral(key, field.value):
            draft.leave(field, NOT_SUPPORTED[key])
    elif key in _NOT_THE_SONGS:
        draft.leave(field, "it is the machine's, not the song's")
    elif key in SongFile.model_fields:
        draft.leave(field, "imports leave this key of a spec to you")
    else:
        draft.leave(field, "no key of a spec")


def _called(field: Field) -> str:
    """What a foreign key is called here; a few mean one thing with yes or no and another with words."""
    if isinstance(values.truth(field.value), bool):
        if field.name == "format":
            return "use_format"
        if field.name in {"cot_caption", "cot_language"}:
            return f"use_{field.name}"
    return CALLED_HERE.get(field.name, field.name)


def _without_cot(key: str) -> str:
    name = key.removeprefix(COT)
    return CALLED_HERE.get(name, name)


def _says_nothing(key: str, value: Any) -> bool:
    """Whether a value is ACE-Step's way to leave something open."""
    if value is None or value in ([], {}):
        return True
    if _without_cot(key) == "vocal_language" and isinstance(value, str | list):
        word = values.language(value)
        return word == "unknown" or (isinstance(word, str) and word.strip().lower() in _NOTHING)
    if isinstance(value, str):
        word = value.strip().lower()
        return not word or (word in _NOTHING and key not in _TEXTS)
    return False


def _is_neutral(key: str, value: Any) -> bool:
    """Whether ACE-Step does with that value what is done here."""
    if isinstance(value, list | dict):
        return False
    neutral = NEUTRAL.get(key, (False,))
    meant = (
        (value.strip(), value.strip().lower(), values.number(value), values.truth(value))
        if isinstance(value, str)
        else (value,)
    )
    return any(one in neutral for one in meant)


def _caption(field: Field, draft: SpecDraft, _: Path) -> None:
    said = field.value
    if isinstance(said, list) and all(isinstance(one, str) for one in said):
        said = ", ".join(one.strip() for one in said)
    if not isinstance(said, str):
        raise UsageError("the caption is no text", why=f"`{field.key}` is {lyrics.kind(said)}")
    draft.put("caption", said.strip(), field)


def _title(field: Field, draft: SpecDraft, _: Path) -> None:
    draft.put("title", field.value.strip() if isinstance(field.value, str) else field.value, field)


def _lyrics(field: Field, draft: SpecDraft, file: Path) -> None:
    sung, reason = field.value, ""
    if file.suffix.lower() == ".toml":
        sung, reason = lyrics.of_command_line(sung, file)
    if reason:
        draft.leave(field, reason)
    else:
        draft.put("lyrics", sung, field)


def _instrumental(field: Field, draft: SpecDraft, _: Path) -> None:
    said = values.truth(field.value)
    if isinstance(said, bool):
        draft.put("instrumental", said, field)
    else:
        draft.leave(field, "it is neither true nor false")


def _checkpoint(key: str, named: Callable[[Any], str | None]) -> OwnWay:
    def carry(field: Field, draft: SpecDraft, _: Path) -> None:
        known = named(field.value)
        if known is None or key not in SongFile.model_fields:
            draft.leave(field, "paths and unknown models are not carried over")
        else:
            draft.put(key, known, field)

    return carry


def _seeds(field: Field, draft: SpecDraft, _: Path) -> None:
    seeds, reason = names.seeds_in(field.value)
    if seeds:
        draft.put("seeds", seeds, field)
    if reason:
        draft.leave(field, reason)


def _codes(field: Field, draft: SpecDraft, _: Path) -> None:
    codes, reason = codes_in(field.value)
    if reason:
        draft.leave(field, reason)
    elif draft.codes and draft.codes != codes:
        draft.leave(field, "there are other codes before these")
    else:
        draft.codes = codes


_OWN_WAYS: Mapping[str, OwnWay] = {
    "caption": _caption,
    "title": _title,
    "lyrics": _lyrics,
    "instrumental": _instrumental,
    "model": _checkpoint("model", names.model_named),
    "lm": _checkpoint("lm", names.lm_named),
    "vae": _checkpoint("vae", names.vae_named),
    "seeds": _seeds,
    "audio_codes": _codes,
    "audio_code_string": _codes,
    "codes": _codes,
}
"""Keys that go their own way into a spec."""
