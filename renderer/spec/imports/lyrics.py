"""What is sung, as foreign files have it: words, the name of a file with the words, nothing, or nobody's singing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from renderer.errors import UsageError
from renderer.files import is_regular, real
from renderer.spec.build import MAX_LYRICS_BYTES
from renderer.spec.diagnostics import Diagnostic
from renderer.spec.inside import is_inside
from renderer.spec.lyrics import is_instrumental, unified
from renderer.spec.toml import read_text

if TYPE_CHECKING:
    from pathlib import Path

NO_WORDS = "it came without lyrics and is not instrumental: `lyrics` is empty; write the words"
"""What an import says of a song that is sung without words."""
COMMENT = "# No lyrics came with this song. Write them here, or `instrumental = true` in place of this line."
"""What stands above the empty lyrics in its spec."""

_NAMES_A_FILE = re.compile(r"(?:~|\.{0,2})[/\\].*|[a-z]:\\.*|.*\.(?:txt|lrc|md|lyrics?)", re.IGNORECASE)
_MAX_NAME = 300  # characters; longer lines are words
_WRITTEN_BY_THE_LM = "generate"


def of_command_line(lyrics: Any, file: Path) -> tuple[Any, str]:
    """The lyrics that ACE-Step's command line would take, where a file's name stands for what is in it.

    Gives them, and why there are none: the LM was to write them, or the file isn't in the folder of `file`.
    """
    written = lyrics.strip() if isinstance(lyrics, str) else ""
    if not written or "\n" in written or len(written) > _MAX_NAME:
        return lyrics, ""
    if written == _WRITTEN_BY_THE_LM:
        return "", "no LM writes lyrics here"
    folder = file.absolute().parent
    try:
        inside = is_inside(folder / written, real(folder))
        is_there = inside and is_regular(folder / written)
    except (OSError, ValueError):  # no name that a file could have
        return lyrics, ""
    if is_there:
        text = read_text(folder / written, max_bytes=MAX_LYRICS_BYTES)
        return ("", f"`{written}`: {text.message}") if isinstance(text, Diagnostic) else (text, "")
    if not _NAMES_A_FILE.fullmatch(written):
        return lyrics, ""
    return "", f"`{written}` is " + ("not there" if inside else f"outside the folder of `{file.name}`")


def settled(lyrics: Any, *, instrumental: bool) -> tuple[dict[str, object], str]:
    """The keys that say what is sung, exactly one of them, and why the lyrics are not carried over.

    Raises: UsageError for lyrics that are no text.
    """
    if not isinstance(lyrics, str):
        raise UsageError("the lyrics are no text", why=f"they are {kind(lyrics)}")
    text = unified(lyrics)
    if is_instrumental(text):
        return {"instrumental": True}, ""
    if instrumental:
        return {"instrumental": True}, "`instrumental` is true, so nobody sings them" if text else ""
    return {"lyrics": text + "\n" if text else ""}, ""


def kind(value: object) -> str:
    """What a value that is of another kind than expected is called."""
    if value is None:
        return "`null`"
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a date or time")
