"""The schemas and the table of settings -> the pages of all keys of a spec and of `renderer.toml`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from docs.reference.key_entry import entry
from docs.reference.markdown import WRITTEN, codes
from renderer.settings import EditSettings, rows
from renderer.spec.editor_schema import schemas, song_schema

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_TABLES = ("metas", "inference", "output", "pick")
_FIRST = ("title", "caption", "lyrics", "lyrics_file", "instrumental", "seeds")
_OWN_CHAPTER = {*_TABLES, "lora", "variants", "edits"}
_HEAD = """\
# Keys of a spec

A spec is a TOML file in `specs/`: one song. Only `caption` has to be there, and `lyrics`, `lyrics_file` or
`instrumental = true`. `renderer new NAME` writes one with comments; with the schemas beside it
(`renderer schema`) editors complete and check it.

Below each key: what it takes and what holds when it is left out; below a setting of the music or of how it is
made what is made anew when you change it, too ([what that means](../explanation/stages.md)).
"""
_DEFAULTS = """\
# Keys of renderer.toml

`renderer.toml` lies in the specs' folder or in one above it, and gives defaults for all specs there: a spec's own keys
win. It takes the keys of a spec that songs can have in common, and {own} of its own.
"""

_ALBUM = """\
# Keys of album.toml

`album.toml` tells in which order kept takes are sent out together: `renderer new --album TITLE` writes one,
[`renderer album`](commands.md#album) checks and exports it.
"""


def spec_page() -> str:
    """Every key of a spec, table by table."""
    keys = song_schema()["properties"]
    top = {name: keys[name] for name in dict.fromkeys((*_FIRST, *keys)) if name not in _OWN_CHAPTER}
    variant = _only_table(keys["variants"])
    edit = _only_table(keys["edits"])
    own = {name: key for name, key in edit.items() if name not in variant and name not in rows(EditSettings)}
    return (
        WRITTEN
        + _HEAD
        + _chapter("The song", "At the top of the file, before any `[table]`.", top)
        + "".join(_chapter(f"[{name}]", keys[name]["description"], keys[name]["properties"]) for name in _TABLES)
        + _chapter("[[lora]]", keys["lora"]["description"], keys["lora"]["items"]["properties"], prefix="lora.")
        + _chapter("[[lyrics]]", _LYRICS, _sections(keys["lyrics"]), prefix="lyrics.")
        + f"\n## [variants.NAME]\n\n{keys['variants']['description']} {_VARIANTS}\n\n{codes(sorted(variant))}\n"
        + _chapter("[edits.NAME]", f"{keys['edits']['description']} {_edit_words(edit, variant)}", own, prefix="edits.")
        + _chapter("How an edit follows its source", _FOLLOWS, {name: edit[name] for name in rows(EditSettings)})
    )


_LYRICS = "`lyrics` in another form: a list of sections in place of one text."
_VARIANTS = "Each is a table that says only what differs from the song. It takes these keys, all at one level:"
_FOLLOWS = "Of a song's `[edits.NAME]`, too."


def _edit_words(edit: Collection[str], variant: Collection[str]) -> str:
    shared = codes(sorted(name for name in edit if name in variant))
    return f"What its table leaves out is as in the take that it is made from. Beside the keys below it takes {shared}."


def defaults_page() -> str:
    """The keys of `renderer.toml`: its own, then the names of those that specs have, too."""
    keys = json.loads(schemas()["renderer.schema.json"])["properties"]
    of_specs = song_schema()["properties"]
    own = {name: key for name, key in keys.items() if name not in of_specs}
    shared = codes(f"[{name}]" if name in _TABLES else name for name in keys if name in of_specs)
    return (
        WRITTEN
        + _DEFAULTS.format(own="two" if len(own) == 2 else len(own))  # noqa: PLR2004 - the word for it
        + _chapter("Its own", "What a project has once.", own)
        + f"\n## As in a spec\n\n{shared}: [their entries](spec.md).\n"
    )


def album_page() -> str:
    """The keys of `album.toml`."""
    keys = json.loads(schemas()["album.schema.json"])["properties"]
    forms = keys["songs"]["items"]["anyOf"]
    (joined,) = (form["properties"] for form in forms if form["type"] == "object")
    return (
        WRITTEN
        + _ALBUM
        + _chapter("The album", "At the top of the file.", keys)
        + _chapter("One of its songs", "In `songs`, a table in place of a name.", joined, prefix="songs.")
    )


def _chapter(title: str, words: str, keys: Mapping[str, Any], *, prefix: str = "") -> str:
    return f"\n## {title}\n\n{words}\n" + "".join(entry(name, key, prefix=prefix) for name, key in keys.items())


def _only_table(key: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys of the tables that all have the same, whatever they are called."""
    (table,) = key["patternProperties"].values()
    properties: Mapping[str, Any] = table["properties"]
    return properties


def _sections(lyrics: Mapping[str, Any]) -> Mapping[str, Any]:
    forms = lyrics.get("oneOf") or lyrics["anyOf"]
    (properties,) = (form["items"]["properties"] for form in forms if form.get("type") == "array")
    return dict(properties)
