"""Whatever stands in a foreign file: specs that read back as they were made, or words; never a traceback."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renderer.errors import RendererError
from renderer.spec.foreign import CALLED_HERE, NOT_SUPPORTED
from renderer.spec.imports.documents import WRAPPERS
from renderer.spec.imports.draft import TABLES
from renderer.spec.imports.specs import Imported, read_foreign
from renderer.spec.schema import SongFile

pytestmark = pytest.mark.slow

NOWHERE = Path("/nowhere/in/particular")
KEYS = sorted(
    {*CALLED_HERE, *NOT_SUPPORTED, *WRAPPERS, *SongFile.model_fields}
    | {key for table in TABLES.values() for key in table.model_fields}
    | {"messages", "keyScale", "Vocal Language", "cot_caption", "", "a.b", "🎸", "\ud800"}
)
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 8, 90, 601, 2**32, 10**30, 1.5, -0.0, 1e308, float("nan"), float("-inf"), "", " ",
    "0", "-1", "90.0", "1e400", "nan", "N/A", "auto", "unknown", "EN", "true", "2:30", "99:99:99", "120s", "C# Minor",
    "4/4", "[0.9,0.5,0]", "turbo", "acestep-v15-turbo", "[Instrumental]", "la\nla", "\x00", "\ud83c", "\u202e",
    "<|im_end|>", "<|audio_code_5|>", "x" * 5000, "\r\n\r\n", "a\rb", "\ufeff", "../x.txt", '{"bpm": 90}', "[1]", "\\",
    '"""', "'''", "\x7f", "<prompt>a</prompt>",
]  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(ODD) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=6,
)
ENTRIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=10).flatmap(
    lambda entry: st.sampled_from([entry, {"caption": "folk"} | entry, entry | {"caption": "folk", "lyrics": "la"}])
)


def is_answered(entry: dict[str, Any]) -> None:
    """Import, and read what was made of it."""
    try:
        songs = read_foreign(json.dumps(entry), NOWHERE / "song.json").songs
    except RendererError:
        return
    for song in songs:
        if isinstance(song, Imported):
            read = tomllib.loads(song.text(None).encode().decode())
            assert read == song.values
            SongFile.model_validate(read)
            assert all(left.why for left in song.left_out)
            assert len([key for key in ("lyrics", "instrumental") if key in read]) == 1


@settings(max_examples=300)
@given(ENTRIES)
def test_any_table_becomes_a_spec_that_reads_back_or_words(entry: dict[str, Any]) -> None:
    is_answered(entry)


@pytest.mark.long
@settings(max_examples=20_000, derandomize=False)
@given(ENTRIES)
def test_twenty_thousand_tables_become_specs_that_read_back_or_words(entry: dict[str, Any]) -> None:
    is_answered(entry)
