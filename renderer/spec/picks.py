"""picks.toml: which takes a listener keeps, rejects or has a word on; the only place for votes, beside the specs.

```toml
["chihuahua.wide.s7"]
vote = "keep"            # or "reject"
key = "3f2a90c1"         # the version that was heard
note = "the bridge is right"
```
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from renderer.errors import UsageError
from renderer.files import read_regular, what_to_do, why_refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tomlkit import TOMLDocument

_FORM = '`["song.s0"]`, and `vote = "keep"` in the line below'


class Vote(StrEnum):
    """What a listener decided."""

    KEEP = "keep"
    REJECT = "reject"
    NONE = ""
    """Only noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A listener's word on a take."""

    vote: Vote = Vote.NONE
    note: str = ""
    key: str = ""
    """Head of the key of the version that was heard."""


def read_picks(path: Path) -> dict[str, Pick]:
    """Take name -> pick; nothing when the file isn't there.

    Raises: UsageError when it holds something else.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise UsageError(f"`{path}` can't be read", why=str(error), help="mend it or move it away") from error
    except OSError as error:
        help = what_to_do(error) or "mend it or move it away"  # noqa: A001 - the word the errors use
        raise UsageError(f"`{path}` can't be read", why=why_refused(error), help=help) from error
    return picks_in(text, str(path))


def picks_in(text: str, file: str) -> dict[str, Pick]:
    """The same of a text; `file` is where it lies, for errors.

    Raises: UsageError when it holds something else.
    """
    return {name: _pick(file, name, table) for name, table in _document(text, file).unwrap().items()}


def picks_text(text: str, file: str, picks: Mapping[str, Pick]) -> str:
    """The file's text with these picks put in; other takes, order and comments stay, an empty pick is taken out.

    Raises: UsageError when the file there is no picks file.
    """
    document = _document(text, file)
    for name, pick in picks.items():
        fields = {"vote": str(pick.vote), "key": pick.key, "note": pick.note}
        if not (pick.vote or pick.note):
            document.pop(name, None)
        elif name in document:
            _update(document[name], fields)
        else:
            document[name] = {field: text for field, text in fields.items() if text}
    return tomlkit.dumps(document)


def _update(table: Any, fields: Mapping[str, str]) -> None:
    for field, text in fields.items():
        if text:
            table[field] = text
        else:
            table.pop(field, None)


def _document(text: str, file: str) -> TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise UsageError(f"`{file}` can't be read", why=str(error), help="mend it or move it away") from error


def _pick(file: str, name: str, table: object) -> Pick:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise UsageError(f"`{file}`: `{name}` is no pick", why="a pick is a table of texts", help=_FORM)
    if unknown := set(table) - {"vote", "note", "key"}:
        raise UsageError(f"`{file}`: `{name}` has an unknown key `{min(unknown)}`")
    if table.get("vote", "") not in set(Vote):
        raise UsageError(f'`{file}`: the vote on `{name}` is "{table["vote"]}"', why="it is `keep` or `reject`")
    return Pick(vote=Vote(table.get("vote", "")), note=table.get("note", ""), key=table.get("key", ""))
