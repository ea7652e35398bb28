"""pydantic's errors -> diagnostics in the words of a song spec, at the key or value at fault."""

from __future__ import annotations

import re
from copy import deepcopy
from difflib import SequenceMatcher
from math import isfinite
from typing import TYPE_CHECKING, Any

from renderer.facts import LANGUAGES, MAX_SEED
from renderer.spec.album_schema import AlbumFile, AlbumSongTable
from renderer.spec.edits import moved, new_name, new_value
from renderer.spec.error_at import MAX_FAULTS, error_at
from renderer.spec.foreign import CALLED_HERE, CALLED_IN_EDITS, NOT_SUPPORTED
from renderer.spec.hints import hint
from renderer.spec.near import nearest, same_but_case, suggestion
from renderer.spec.ranges import range_words
from renderer.spec.schema import (
    NOT_OF_EDITS,
    TABLES,
    DefaultsFile,
    EditTable,
    LoraTable,
    LyricsTable,
    SongFile,
    VariantTable,
    table_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from renderer.spec.diagnostics import Diagnostic, Edit
    from renderer.spec.schema import Table
    from renderer.spec.source import KeyPath, Source

_LYRICS_FORMS = {"text", "sections"}  # the tags pydantic puts into the path of a lyrics fault
SURE = 0.84  # likeness of a misspelt key, of at least so many letters, that leaves no doubt
SURE_LENGTH = 5
STAND_IN = "?"
"""For what is missing or at fault, so that the rest can be checked."""
_BESIDE_THE_BASE = {"variants", "edits"}
_OF_EDITS = frozenset(EditTable.model_fields) - frozenset(VariantTable.model_fields)
_UNMISTAKABLE = frozenset(CALLED_IN_EDITS) - {
    "source", "mode", "strength", "noise", "reference", "name", "names", "window", "windows",
}  # fmt: skip
_OTHER_FORMS = {"edit": "`[edits.NAME]`", "voice": "`reference_audio`, above the tables"}
_RANGES = {"greater_than_equal", "less_than_equal", "finite_number"}
_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "string_type": "a text in quotes",
    "list_type": "a list in `[ ]`",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
}

_CALLED_IN_ALBUMS: Mapping[str, str] = {
    "tracks": "songs", "order": "songs", "takes": "songs", "name": "title", "album": "title", "lufs": "loudness",
    "target": "loudness", "year": "date", "picture": "cover", "image": "cover", "reference_audio": "voice",
    "pause": "gap", "gaps": "gap", "silence": "gap", "fade": "fade_out", "take": "song", "track": "song",
}  # fmt: skip
_PASTED = 'lyrics themselves stand in `lyrics = """…"""`, a file of them beside the spec is named in `lyrics_file`'
_NEEDED = frozenset({"title", "caption", "lyrics"})


def diagnostics_of(
    error: ValidationError, source: Source, *, root: type[SongFile | DefaultsFile | AlbumFile]
) -> Iterator[Diagnostic]:
    """One diagnostic for each of pydantic's errors, in the order of the file's keys."""
    for detail in error.errors(include_url=False)[:MAX_FAULTS]:
        yield _diagnostic(detail, source, root)


def without_faults(values: Mapping[str, object], error: ValidationError) -> dict[str, Any]:
    """The values less what is at fault, or with a stand-in where something must be, so that the rest can be checked."""
    patched: dict[str, Any] = deepcopy(dict(values))
    for detail in error.errors(include_url=False, include_input=False):
        path = _key_path(detail["loc"])
        if path[0] == "lyrics_file":
            # The words are there, if not to be had: nothing else is to say that they are missing.
            patched.pop("lyrics_file", None)
            patched.setdefault("lyrics", STAND_IN)
        elif path[0] in _NEEDED or (detail["type"] == "missing" and len(path) == 1):
            patched[str(path[0])] = STAND_IN
        elif path[0] == "seeds" and isinstance(path[-1], int):
            patched["seeds"][path[-1]] = MAX_SEED - path[-1]  # in place: the other seeds keep their positions
        else:
            _take_out(patched, path)
    return patched


def less_faults(values: Mapping[str, object], error: ValidationError) -> dict[str, Any]:
    """The values without what is at fault."""
    patched = deepcopy(dict(values))
    for detail in error.errors(include_url=False, include_input=False):
        if detail["type"] != "missing" or len(detail["loc"]) > 1:
            _take_out(patched, _key_path(detail["loc"]))
    return patched


def album_without_faults(values: Mapping[str, object], error: ValidationError) -> dict[str, Any]:
    """An album's values less what is at fault; songs keep their places, with a stand-in where one can't be read."""
    patched: dict[str, Any] = {"title": STAND_IN, "songs": [STAND_IN], **deepcopy(dict(values))}
    for detail in error.errors(include_url=False, include_input=False):
        path = _key_path(detail["loc"])
        if path[0] == "title" and len(path) == 1:
            patched["title"] = STAND_IN
        elif path[0] == "songs" and len(path) == 1:
            patched["songs"] = [STAND_IN]
        elif path[0] == "songs" and (len(path) == 2 or path[2] == "song"):  # noqa: PLR2004 - a place, its key
            patched["songs"][path[1]] = STAND_IN
        elif path[0] == "songs" and isinstance(patched["songs"][path[1]], dict):
            patched["songs"][path[1]].pop(path[2], None)
        else:
            patched.pop(str(path[0]), None)
    return patched


def _take_out(values: Any, path: KeyPath) -> None:
    """Remove what stands at `path`; of a list at fault, the whole list."""
    named = next((position for position, part in enumerate(path) if isinstance(part, int)), len(path))
    *above, last = path[:named]
    for part in above:
        values = values.get(part) if isinstance(values, dict) else None
    if isinstance(values, dict):
        values.pop(last, None)


def _diagnostic(detail: ErrorDetails, source: Source, root: type[Table]) -> Diagnostic:
    path = _key_path(detail["loc"])
    key = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
    name = key.replace("_", "-")
    kind, written = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return _unknown_in_album(source, path) if root is AlbumFile else _unknown(source, path, root)
    if kind == "missing":
        return _missing(source, path)
    if detail["loc"][-1] == "[key]":
        return error_at(
            source,
            source.key(path),
            code="variant-name",
            message=f"`{path[-1]}` can't name {'an edit' if path[0] == 'edits' else 'a variant'}",
            why="it becomes part of file names: letters, digits, `-` and `_`",
        )
    # Of a list, what is said about the whole of it fits no single value.
    told = hint(key if isinstance(path[-1], str) or written == -1 else "", kind, written)
    edits = new_value(source, path, told.toml) if told.toml is not None else ()
    if kind in _RANGES:
        return error_at(
            source,
            source.value(path),
            code=f"{name}-range",
            message=f"`{key}` is {_shown(written)}",
            why=_range(path, root),
            advice=told.advice,
            edits=edits,
        )
    if kind in _TYPES:
        return error_at(
            source,
            source.value(path),
            code=f"{name}-type",
            message=f"`{key}` is {_type_of(written)}",
            why=f"it takes {_TYPES[kind]}",
            advice=told.advice,
            edits=edits,
        )
    fault = _by_kind(kind, key, name, written, detail)
    if kind == "literal_error" and (same := same_but_case(str(written), _choices(detail))):
        edits = new_value(source, path, f'"{same}"')
    return error_at(source, source.value(path), **{"advice": told.advice, **fault}, edits=edits)


def _by_kind(kind: str, key: str, name: str, written: Any, detail: ErrorDetails) -> dict[str, str]:
    if kind == "literal_error" and key == "vocal_language":
        return {
            "code": "vocal-language-choice",
            "message": f"`vocal_language` is {_shown(written)}",
            "why": f"it is none of ACE-Step's {len(LANGUAGES)} language codes",
        }
    if kind == "literal_error":
        expected = str(detail.get("ctx", {}).get("expected", "")).replace("'", "`")
        return {
            "code": f"{name}-choice",
            "message": f"`{key}` is {_shown(written)}",
            "why": f"it takes {expected}",
            "advice": suggestion(str(written), _choices(detail)),
        }
    if kind == "empty":
        return {"code": f"{name}-empty", "message": f"`{key}` is empty", "why": "there is nothing to go by"}
    if kind in {"too_short", "too_long", "string_too_long"}:
        return {
            "code": f"{name}-length",
            "message": f"`{key}` is too {'short' if kind == 'too_short' else 'long'}",
            "why": _length(detail),
        }
    code = {"form": f"{name}-form", "order": f"{name}-order", "count": f"{name}-count"}.get(kind, f"{name}-choice")
    own = {"advice": _PASTED} if key == "lyrics_file" else {}
    return {"code": code, "message": f"`{key}` is {_shown(written)}", "why": detail["msg"], **own}


def _choices(detail: ErrorDetails) -> list[str]:
    expected = str(detail.get("ctx", {}).get("expected", ""))
    return [choice for choice in expected.split("'") if choice.replace("-", "").replace("_", "").isalnum()]


def _length(detail: ErrorDetails) -> str:
    limits = detail.get("ctx", {})
    if "min_length" in limits:
        return f"at least {limits['min_length']} is needed"
    return f"it takes at most {limits.get('max_length')}"


def _key_path(loc: tuple[int | str, ...]) -> KeyPath:
    """Pydantic's path less what isn't in the file."""
    path = loc[:-1] if loc[-1] == "[key]" else loc
    if (at := _lyrics_at(path)) is not None and len(path) > at + 1 and path[at + 1] in _LYRICS_FORMS:
        return (*path[: at + 1], *path[at + 2 :])
    if path[:1] == ("edits",) and path[2:3] == ("at",) and len(path) > 4:  # noqa: PLR2004 - a window, its form
        return (*path[:4], *path[5:])
    if path[:1] == ("songs",) and len(path) > 2:  # noqa: PLR2004 - a place in an album, its form
        return (*path[:2], *path[3:])
    return path


def _lyrics_at(path: KeyPath) -> int | None:
    """Where in a path the key `lyrics` stands, of a song or of a variant; None where it doesn't."""
    at = 2 if path and path[0] in _BESIDE_THE_BASE else 0
    return at if len(path) > at and path[at] == "lyrics" else None


def _missing(source: Source, path: KeyPath) -> Diagnostic:
    number = next((part for part in path if isinstance(part, int)), None)
    where = "" if number is None else f" of {_table_name(path)} number {number + 1}"
    advice = {"caption": 'write `caption = "…"`: genre, instruments, mood, voice'}.get(str(path[-1]), "")
    return error_at(
        source, source.key(path), code="missing-key", message=f"`{path[-1]}`{where} is missing", advice=advice
    )


def _unknown(source: Source, path: KeyPath, root: type[Table]) -> Diagnostic:
    key = str(path[-1])
    if told := _about_edits(source, path, root):
        return told
    if _is_the_songs(path, root):
        return _of_all_variants(source, path)
    if key in root.model_fields and len(path) > 1:
        inside = is_table(source, path)
        return error_at(
            source,
            source.key(path),
            code="key-in-wrong-table",
            message=f"`{key}` stands in {_table_name(path)}",
            why="a dot in a `[table]` line puts it inside another"
            if inside
            else "TOML gives every key below a `[table]` line to that table",
            advice=f"write `[{key}]`" if inside else "move it above the first line that begins with `[`",
            edits=() if inside else moved(source, path, (), key),
        )
    home = table_of(key)
    if home:
        return error_at(
            source,
            source.key(path),
            code="key-in-wrong-table",
            message=f"`{key}` stands {'in ' + _table_name(path) if len(path) > 1 else 'outside its table'}",
            why=f"it belongs to `[{home}]`",
            advice=_once(source, (home, key), f"write it below `[{home}]`"),
            edits=moved(source, path, (home,), key),
        )
    if key in NOT_SUPPORTED:
        return error_at(
            source,
            source.key(path),
            code="unsupported-key",
            message=f"ACE-Step's `{key}` is not supported here",
            why=NOT_SUPPORTED[key],
            advice="take it out",
        )
    place = _table_name(path) if len(path) > 1 else ("a spec" if root is SongFile else "`renderer.toml`")
    elsewhere = _belongs_elsewhere(key, root)
    advice, edits = ("", ()) if elsewhere else _meant(source, path, root)
    return error_at(
        source,
        source.key(path),
        code="unknown-key",
        message=f"`{key}` is unknown" if not elsewhere else f"`{key}` has no place here",
        why=elsewhere or f"no key of {place}",
        advice=advice,
        edits=edits,
    )


def _unknown_in_album(source: Source, path: KeyPath) -> Diagnostic:
    key, own = str(path[-1]), tuple(_table(path, AlbumFile).model_fields)
    called = _CALLED_IN_ALBUMS.get(key.lower(), "")
    of_songs = key in SongFile.model_fields or table_of(key) is not None
    advice = f"here it is `{called}`" if called in own else suggestion(key, own)
    if key == "caption" and len(path) == 1:
        advice = "if the file is a song's spec, give it another name: `album.toml` is an album"
    return error_at(
        source,
        source.key(path),
        code="unknown-key",
        message=f"`{key}` is unknown",
        why="it belongs to a song's spec" if of_songs and called not in own else "no key of an album",
        advice=advice,
    )


def _about_edits(source: Source, path: KeyPath, root: type[Table]) -> Diagnostic | None:
    """A key that an edit can't have, one that only an edit has, or one that is called otherwise in it."""
    key, inside = str(path[-1]), path[0] == "edits" and len(path) == 3  # noqa: PLR2004 - `edits`, its name, the key
    called = CALLED_HERE.get(key.lower(), key)
    if inside and called in NOT_OF_EDITS:
        return error_at(
            source,
            source.key(path),
            code="edit-key",
            message=f"`{key}` has no place in an edit",
            why="an edit is as long as its source" if called == "duration" else "the LM never runs for an edit",
            advice="take it out",
        )
    meant = CALLED_IN_EDITS.get(key.lower())
    if meant == "repaint_strength" and "cover" in _written(source, (*path[:-1], "task")):
        meant = "audio_cover_strength"
    if inside and meant is not None:
        told = _called(source, path, meant, root)
        advice, edits = told or ("", ())
        return error_at(
            source,
            source.key(path),
            code="unknown-key",
            message=f"`{key}` is unknown",
            why=f"no key of {_table_name(path)}",
            advice=advice,
            edits=edits,
        )
    if inside or root is not SongFile:
        return None
    form = _OTHER_FORMS.get(key) if len(path) == 1 and is_table(source, path) else None
    if form is None and key not in _OF_EDITS and key.lower() not in _UNMISTAKABLE:
        return None
    name = meant if meant and key not in _OF_EDITS else key
    return error_at(
        source,
        source.key(path),
        code="key-in-wrong-table",
        message=f"`{key}` stands {'in ' + _table_name(path) if len(path) > 1 else 'outside its table'}",
        why="what is made from a take or a file is an edit, in a table of its own",
        advice=f"here it is {form}" if form else f"write `{name}` below `[edits.NAME]`",
    )


def _written(source: Source, path: KeyPath) -> str:
    place = source.value_range(path)
    return source.text[place[0] : place[1]] if place else ""


def _is_the_songs(path: KeyPath, root: type[Table]) -> bool:
    """Whether a key in a variant's table is one that only a song has, by its name here or another."""
    if path[0] not in _BESIDE_THE_BASE or len(path) != 3:  # noqa: PLR2004 - `variants`, the variant's name, the key
        return False
    key = CALLED_HERE.get(str(path[-1]).lower(), str(path[-1]))
    return key not in _table(path, root).model_fields and (key in root.model_fields or bool(table_of(key)))


def _of_all_variants(source: Source, path: KeyPath) -> Diagnostic:
    """A song's key in a variant's table. What it was to be there isn't certain: moved, it would change every take."""
    key, variant = str(path[-1]), _table_name(path)
    called = CALLED_HERE.get(key.lower(), key)
    home = f"below `[{table_of(called)}]`" if table_of(called) else "above the first line that begins with `[`"
    place = f"as `[{key}]`" if is_table(source, path) else home
    what = "it" if called == key else f"`{called}`"
    why, advice = "all variants of a song have it in common", f"write {what} {place} for all, or in another spec"
    if key in TABLES and key != "output":
        why, advice = "a variant's settings stand in its table itself", f"write its keys below {variant}"
    return error_at(
        source,
        source.key(path),
        code="key-in-wrong-table",
        message=f"`{key}` stands in {variant}",
        why=why,
        advice=advice,
    )


def _meant(source: Source, path: KeyPath, root: type[Table]) -> tuple[str, tuple[Edit, ...]]:
    """What a key that is unknown was to be, and the changes that make it so where it is certain."""
    key, own = str(path[-1]), tuple(_table(path, root).model_fields)
    if is_table(source, path):
        near = nearest(key, (*own, "lora"))
        return (f"did you mean `{near}`?", _renamed(source, path, near, own)) if near else ("", ())
    if called := CALLED_HERE.get(key.lower()):
        told = _called(source, path, called, root)
        if told is not None:
            return told
    if near := _respelt(key, own) or nearest(key, own):
        return f"did you mean `{near}`?", _renamed(source, path, near, own)
    return _meant_elsewhere(source, path, root)


def _called(source: Source, path: KeyPath, called: str, root: type[Table]) -> tuple[str, tuple[Edit, ...]] | None:
    """Where a key is written that has another name here."""
    if called in _table(path, root).model_fields:
        return _once(source, (*path[:-1], called), f"here it is `{called}`"), new_name(source, path, called)
    if home := table_of(called):
        advice = _once(source, (home, called), f"here it is `{called}` below `[{home}]`")
        return advice, moved(source, path, (home,), called)
    if called in root.model_fields:
        return _once(source, (called,), f"here it is `{called}`, above the tables"), moved(source, path, (), called)
    return None


def _once(source: Source, target: KeyPath, advice: str) -> str:
    """The advice to write a key at `target`, or not to where it is written there already."""
    return f"{advice}, where one stands already: keep one of them" if source.has(target) else advice


def _meant_elsewhere(source: Source, path: KeyPath, root: type[Table]) -> tuple[str, tuple[Edit, ...]]:
    """A key that is misspelt and stands in the wrong table."""
    key = str(path[-1])
    homes = {name: table for table, model in TABLES.items() for name in model.model_fields}
    near = _respelt(key, homes) or nearest(
        key, (*homes, *root.model_fields), cutoff=0.75 if len(key) >= SURE_LENGTH else 0.65
    )
    if near in homes:
        sure = path[0] not in _BESIDE_THE_BASE and _is_sure(
            key, near, (*homes, *root.model_fields)
        )  # see `_of_all_variants`
        edits = moved(source, path, (homes[near],), near) if sure else ()
        return f"did you mean `{near}` below `[{homes[near]}]`?", edits
    return (f"did you mean `{near}`, above the tables?", ()) if near else ("", ())


def is_table(source: Source, path: KeyPath) -> bool:
    """Whether a table's header is written at `path`, and no value."""
    return source.key_range(path) is not None and source.value_range(path) is None


def _renamed(source: Source, path: KeyPath, name: str, known: Iterable[str]) -> tuple[Edit, ...]:
    return new_name(source, path, name) if _is_sure(str(path[-1]), name, known) else ()


def _is_sure(written: str, meant: str, known: Iterable[str]) -> bool:
    """Whether the one is the other misspelt, no word of its own, and nothing else that is known is as near."""
    if _letters(written) == _letters(meant):
        return True
    if len(meant) < SURE_LENGTH:
        return False
    near = {name: _likeness(written, name) for name in known}
    return near.get(meant, 0.0) >= SURE and all(
        likeness < near[meant] for name, likeness in near.items() if name != meant
    )


def _likeness(written: str, name: str) -> float:
    """How alike two keys are, of 1.0; two letters that changed places count as one slip."""
    small = written.lower()
    swapped = (small[:at] + small[at + 1] + small[at] + small[at + 2 :] for at in range(len(small) - 1))
    if len(small) == len(name) and name in swapped:
        return 1 - 1 / (2 * len(name))
    return SequenceMatcher(None, small, name).ratio()


def _respelt(key: str, known: Iterable[str]) -> str:
    """`vocalLanguage`, `Vocal-Language` as `vocal_language`."""
    return next((name for name in known if _letters(name) == _letters(key)), "")


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _belongs_elsewhere(key: str, root: type[Table]) -> str:
    if root is SongFile and key in DefaultsFile.model_fields:
        return "it belongs to `renderer.toml`, for all specs at once"
    if root is DefaultsFile and key in SongFile.model_fields:
        return "it belongs to each spec; `renderer.toml` gives defaults"
    return ""


def _table(path: KeyPath, root: type[Table]) -> type[Table]:
    """The model of the table that the key at `path` stands in."""
    if len(path) == 1:
        return root
    if root is AlbumFile:
        return AlbumSongTable
    if "lora" in path[:-1]:
        return LoraTable
    if _lyrics_at(path[:-1]) is not None:
        return LyricsTable
    if path[0] in _BESIDE_THE_BASE:
        return VariantTable if path[0] == "variants" else EditTable
    return TABLES.get(str(path[0]), root)


def _table_name(path: KeyPath) -> str:
    if _lyrics_at(path) is not None or "lora" in path[:-1] or path[0] == "songs":
        return f"`[[{'.'.join(str(part) for part in path[:-1] if isinstance(part, str))}]]`"
    return f"`[{'.'.join(map(str, path[:-1]))}]`"


def _range(path: KeyPath, root: type[Table]) -> str:
    named = tuple(part for part in path if isinstance(part, str))
    field = _table(path if isinstance(path[-1], str) else path[:-1], root).model_fields.get(named[-1])
    return f"it takes {range_words(field)}" if field is not None else ""


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if abs(value) < 1e15 or isinstance(value, float) else "a very large number"  # noqa: PLR2004
    text = value if isinstance(value, str) else repr(value)
    return f"`{text}`" if len(text) <= 40 else f"`{text[:39]}…`"  # noqa: PLR2004 - the line below shows the rest


def _type_of(value: Any) -> str:
    if isinstance(value, bool) or (isinstance(value, float) and not isfinite(value)):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    names = {str: "a text", int: "a number", float: "a number with a fraction"}
    return names.get(type(value), "a date or time")
