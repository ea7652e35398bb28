"""picks.toml: which takes a listener keeps, rejects or has a word on; the only place for votes, beside the specs.

```toml
["chihuahua.wide.s7"]
vote = "keep"            # or "reject"
key = "3f2a90c1"         # the version that was heard
note = "the bridge is right"
```
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from renderer.errors import SpecError
from renderer.folders import PICKS_NAME
from renderer.spec.diagnostics import Diagnostic
from renderer.spec.error_at import error_at
from renderer.spec.near import suggestion
from renderer.spec.toml import parsed_toml, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from renderer.spec.source import Source
    from renderer.spec.toml import Parsed

MAX_BYTES = 16 << 20  # a hundred thousand votes with a word on each
KEYS = ("vote", "note", "key")
_FORM = 'write `["song.s0"]`, and `vote = "keep"` in the line below'


def rejection(take: str) -> dict[str, str]:
    """What is told where a take that was rejected is asked for: message, why and advice."""
    return {
        "message": f"`{take}` was rejected",
        "why": f"`{PICKS_NAME}` beside its spec says so",
        "advice": f"take another, or take the vote back: renderer keep --forget {shlex.quote(take)}",
    }


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

    def is_on(self, key: str) -> bool:
        """Whether it is on the version of that key; without a key of its own it is on every one."""
        return key.startswith(self.key)

    def rejects(self, key: str) -> bool:
        """Whether the version of that key is rejected, not a former one."""
        return self.vote is Vote.REJECT and self.is_on(key)


def read_picks(path: Path) -> dict[str, Pick]:
    """Take name -> pick; nothing when the file isn't there.

    Raises: SpecError with everything that is wrong with it.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return {}
    except OSError:
        pass  # a link to itself, for which `exists` says that nothing is there: reading says why
    text = read_text(path, max_bytes=MAX_BYTES)
    if isinstance(text, Diagnostic):
        raise SpecError([text])
    return picks_in(text, path)


def picks_in(text: str, file: Path) -> dict[str, Pick]:
    """The same of a text; `file` is where it lies, for errors.

    Raises: SpecError with everything that is wrong with it.
    """
    parsed = parsed_toml(text, file)
    if isinstance(parsed, Diagnostic):
        raise SpecError([parsed])
    if faults := list(_faults(parsed)):
        raise SpecError(faults)
    return {
        name: Pick(vote=Vote(table.get("vote", "")), note=table.get("note", ""), key=table.get("key", ""))
        for name, table in parsed.values.items()
        if isinstance(table, dict)
    }


def picks_text(text: str, file: Path, picks: Mapping[str, Pick]) -> str:
    """The file's text with these picks put in; other takes, order and comments stay, an empty pick is taken out.

    Raises: SpecError when the file there is no picks file.
    """
    import tomlkit  # noqa: PLC0415 - of the many who read votes, few write any

    picks_in(text, file)
    document = tomlkit.parse(text)
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


def _faults(parsed: Parsed) -> Iterator[Diagnostic]:
    for name, table in parsed.values.items():
        if isinstance(table, dict):
            yield from _faults_of(name, table, parsed.source)
        else:
            yield error_at(
                parsed.source,
                parsed.source.value((name,)),
                code="pick-form",
                message=f"`{name}` is no pick",
                why="a pick is a table, named as its take",
                advice=_FORM,
            )


def _faults_of(name: str, table: Mapping[str, object], source: Source) -> Iterator[Diagnostic]:
    for key, value in table.items():
        if key not in KEYS:
            yield error_at(
                source,
                source.key((name, key)),
                code="unknown-key",
                message=f"a pick has no key `{key}`",
                why=f"it has {', '.join(f'`{known}`' for known in KEYS)}",
                advice=suggestion(key, KEYS),
            )
        elif not isinstance(value, str):
            advice = "put it in quotes"
            yield error_at(
                source, source.value((name, key)), code="pick-form", message=f"`{key}` is no text", advice=advice
            )
        elif key == "vote" and value not in set(Vote):
            yield error_at(
                source,
                source.value((name, key)),
                code="vote-choice",
                message=f"the vote is `{value}`",
                why="it is `keep` or `reject`",
                advice=suggestion(value, (Vote.KEEP, Vote.REJECT)) or "leave it out for a note alone",
            )
