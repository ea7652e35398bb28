"""Specs with faults -> their texts with what is certain put right, and files written so. Sung words stay."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renderer.errors import StoreError
from renderer.spec.diagnostics import Diagnostic
from renderer.spec.edits import applied
from renderer.spec.inside import is_inside
from renderer.spec.load import load_songs
from renderer.spec.lyrics import parse, unified
from renderer.spec.project import Overrides, SpecFolders
from renderer.spec.toml import MAX_BYTES, Parsed, instead_of, parsed_toml, read_text
from renderer.store.edits import edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ROUNDS = 60  # a fault mended may show the next; each round mends at least one
_SUNG = ("caption", "title", "lyrics")  # whose words stay letter for letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A file and its text with the changes that are certain."""

    path: Path
    """As the specs' paths were spelt."""
    before: str
    """Line ends unified, without a byte-order mark."""
    after: str
    codes: tuple[str, ...]
    """Of what was mended, in the order it was."""


@dataclass(slots=True)
class _Texts:
    """Files in the making, by their real paths."""

    after: dict[Path, str] = field(default_factory=dict)
    before: dict[Path, str] = field(default_factory=dict)
    spelt: dict[Path, Path] = field(default_factory=dict)
    codes: dict[Path, list[str]] = field(default_factory=dict)


def mend(paths: Sequence[str | Path], *, model: str | None) -> tuple[Mended, ...]:
    """What the specs at `paths`, their lyric files and their `renderer.toml` become; writes nothing.

    Files outside of their project are left alone, links included.
    Raises: UsageError where a path doesn't exist.
    """
    texts = _Texts()
    for _ in range(_ROUNDS):
        with instead_of(texts.after):
            found = load_songs(paths, model=model).diagnostics
        by_file: dict[Path, list[Diagnostic]] = {}
        for one in found:
            if one.edits and one.file is not None and _is_ours(one.file):
                by_file.setdefault(one.file, []).append(one)
        changed = [_mend_file(file, faults, texts) for file, faults in by_file.items()]
        if not any(changed):
            break
    return tuple(
        Mended(path=texts.spelt[real], before=texts.before[real], after=after, codes=tuple(texts.codes[real]))
        for real, after in texts.after.items()
    )


def write(mended: Mended) -> None:
    """Put the text into its file, whole or not at all; line ends, byte-order mark, mode and links stay.

    Raises: StoreError when the file is read-only, can't be written or was changed meanwhile.
    """

    def change(text: str) -> str:
        if text != mended.before:
            raise StoreError(f"`{mended.path}` was changed meanwhile", why="by another program", help="try again")
        return mended.after

    edit(mended.path, change)


def diff(mended: Mended) -> Iterator[str]:
    """The changes line by line, as `diff -u` and git show them."""
    yield from difflib.unified_diff(
        mended.before.splitlines(), mended.after.splitlines(), str(mended.path), str(mended.path), lineterm=""
    )


def _is_ours(file: Path) -> bool:
    """Whether the file lies in its project, with its links followed."""
    return is_inside(file, SpecFolders(Overrides()).of(file.parent.resolve()).root)


def _mend_file(file: Path, faults: Sequence[Diagnostic], texts: _Texts) -> bool:
    """Make the changes of one file, all at once, or the first that can be made alone; whether there was one."""
    real = file.resolve()
    with instead_of(texts.after):
        text = read_text(file, max_bytes=MAX_BYTES)
    if isinstance(text, Diagnostic):
        return False
    for chosen in (faults, *([one] for one in faults)):
        after = applied(text, [edit for one in chosen for edit in one.edits])
        if after != text and _is_safe(file, text, after):
            texts.before.setdefault(real, text)
            texts.spelt.setdefault(real, file)
            texts.after[real] = after
            texts.codes.setdefault(real, []).extend(one.code for one in chosen)
            return True
    return False


def _is_safe(file: Path, before: str, after: str) -> bool:
    """Whether the file can be read as well as before, and the same words are sung."""
    if file.suffix != ".toml":
        return _words(before) == _words(after)
    old, new = parsed_toml(before, file), parsed_toml(after, file)
    if isinstance(old, Diagnostic):
        return True
    return isinstance(new, Parsed) and all(
        _said(old.values[key]) == _said(new.values[key]) for key in _SUNG if key in old.values and key in new.values
    )


def _said(text: object) -> object:
    """What of a text, or of lyrics, has to stay."""
    return _words_of_sections(text) if isinstance(text, list) else _words(text) if isinstance(text, str) else text


def _words_of_sections(lyrics: object) -> list[list[str]]:
    sections = lyrics if isinstance(lyrics, list) else []
    return [_words(str(section.get("text", ""))) for section in sections if isinstance(section, dict)]


def _words(text: str) -> list[str]:
    """What is sung, line by line: neither headings nor blank lines."""
    return [line for section in parse(unified(text)) for line in section.lines if line.strip()]
