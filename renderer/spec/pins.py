"""Codes files: audio codes, and the chain of thought they came with, as small text beside a spec; read and written.

```toml
# Audio codes of `night-bus.s7`, pinned by renderer: 750 at 5 Hz, 150 s
version = 1
take = "night-bus.s7"
codes = [51234, 7, …]
[cot]
text = …
```
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Literal

import tomli_w
from pydantic import Field, ValidationError

from renderer.facts import NUM_CODES
from renderer.song import Pinned, PinnedCot
from renderer.spec.diagnostics import Diagnostic
from renderer.spec.error_at import error_at
from renderer.spec.inside import outside
from renderer.spec.schema import Table
from renderer.spec.stand_ins import is_kept_inside, where_kept
from renderer.spec.toml import is_there, read_toml

if TYPE_CHECKING:
    from renderer.spec.build import CheckedSpec

ENDING = ".codes"  # not .toml: it is no spec


class _CotTable(Table):
    text: str
    bpm: int | None = None
    caption: str | None = None
    duration: int | None = None
    keyscale: str | None = None
    language: str | None = None
    timesignature: str | None = None


class _CodesFile(Table):
    version: Literal[1]
    take: str
    caption: str
    codes_key: str
    cot_key: str
    digest: str
    codes: Annotated[list[Annotated[int, Field(ge=0, lt=NUM_CODES)]], Field(min_length=1, max_length=10_000)]
    cot: _CotTable | None = None


def pinned_text(pinned: Pinned) -> str:
    """The file's text."""
    head = {
        "version": 1,
        "take": pinned.take,
        "caption": pinned.caption,
        "codes_key": pinned.codes_key,
        "cot_key": pinned.cot_key,
        "digest": pinned.digest,
    }
    listed = fill(", ".join(str(code) for code in pinned.codes), width=100, initial_indent="  ", subsequent_indent="  ")
    cot = (
        {"cot": {name: value for name, value in asdict(pinned.cot).items() if value is not None}} if pinned.cot else {}
    )
    return (
        f"# Audio codes of `{pinned.take}`, pinned by renderer: {len(pinned.codes)} at 5 Hz, {pinned.seconds:g} s\n"
        f"{tomli_w.dumps(head)}codes = [\n{listed}\n]\n\n{tomli_w.dumps(cot, multiline_strings=True)}"
    )


def parse_pinned(text: str) -> Pinned | None:
    """What a codes file's text holds; None when it is no codes file."""
    try:
        return _pinned(_CodesFile.model_validate(tomllib.loads(text)))
    except (ValueError, RecursionError):  # no TOML, or other TOML
        return None


def pinned_from(value: object) -> Pinned | None:
    """What a recipe tells of pinned codes; None when it is no such thing."""
    try:
        return _pinned(_CodesFile.model_validate({"version": 1, **value})) if isinstance(value, dict) else None
    except (ValidationError, TypeError):
        return None


def read_pinned(draft: CheckedSpec) -> Pinned | Diagnostic | None:
    """What the spec's `codes` names; None when it names nothing."""
    written, source, project = draft.spec.codes, draft.parsed.source, draft.project
    if written is None:
        return None
    path = where_kept(project.folder / written)
    if "\0" in written or not is_kept_inside(path, project.root):
        return outside(draft.parsed, ("codes",), written, project.root)
    if not is_there(path):
        return error_at(
            source,
            source.value(("codes",)),
            code="codes-missing",
            message="the codes file is not there",
            why=f"looked for {path}",
            advice="take `codes` out, and `renderer pin` again",
        )
    parsed = read_toml(path)
    if isinstance(parsed, Diagnostic):
        return parsed
    try:
        file = _CodesFile.model_validate(parsed.values)
    except ValidationError as error:
        first = error.errors()[0]
        return error_at(
            source,
            source.value(("codes",)),
            code="codes-file",
            message="the codes file can't be read",
            why=f"{path.name}: `{'.'.join(str(part) for part in first['loc'])}`: {first['msg'].lower()}",
            advice="take it from git again, or `renderer pin` again",
        )
    return _pinned(file)


def _pinned(file: _CodesFile) -> Pinned:
    return Pinned(
        codes=tuple(file.codes),
        cot=PinnedCot(**file.cot.model_dump()) if file.cot else None,
        take=file.take,
        caption=file.caption,
        codes_key=file.codes_key,
        cot_key=file.cot_key,
        digest=file.digest,
    )
