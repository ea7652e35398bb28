"""A window or section of a take, to be made anew -> an `[edits.NAME]` table in its spec; what stands there stays."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import tomli_w

from renderer.errors import SpecError, UsageError
from renderer.facts import MIN_DURATION
from renderer.models.family import stored_kinds
from renderer.spec.near import suggestion
from renderer.spec.section_estimate import estimated_windows, window_inside
from renderer.spec.take_edits import section_window
from renderer.spec.take_names import preview_named
from renderer.spec.toml import Parsed, read_toml
from renderer.store.edits import edit, rehearse
from renderer.store.store import Store
from renderer.takes.spec_changes import errors_after
from renderer.takes.versions import current_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from renderer.song import Song, Take
    from renderer.spec.diagnostics import Diagnostic

NUM_SEEDS = 4  # of those nobody named: people find one in three or four usable
_SECONDS = r"-?(?:\d{1,3}:)?\d{1,4}(?:\.\d{1,6})?"
_NAME = re.compile(r"[^\W\d_]")  # a letter, of any alphabet
_WINDOW = re.compile(rf"\s*({_SECONDS})\s*(?:\.\.|-|\u2013)\s*({_SECONDS})\s*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """The edit that stands in a spec now."""

    spec: Path
    name: str
    takes: tuple[str, ...]
    """What it makes."""
    is_new: bool = True
    """Whether it was written now; else it stood there, word for word."""


def windows_in(texts: Iterable[str]) -> tuple[tuple[float, float] | str, ...]:
    """`62..75`, `1:02..1:15.5`: start and end in seconds; `bridge`, `chorus 2`: a section's name, as it is.

    Raises: UsageError for anything else, and for a window of no length.
    """
    return tuple(text.strip() if _NAME.search(text) else _window(text) for text in texts)


def _window(text: str) -> tuple[float, float]:
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise UsageError(
            f"`{text}` is no window", why="it is two times in seconds", help="write it like 62..75.5, or name a section"
        )
    start, end = _seconds(found[1]), _seconds(found[2])
    if end <= start:
        raise UsageError(f"the window {text} has no length", help="write its start first")
    return start, end


def _seconds(text: str) -> float:
    minutes, _, seconds = text.rpartition(":")
    sign = -1 if minutes.startswith("-") else 1
    return float(seconds) + 60 * int(minutes or 0) if sign > 0 else 60 * int(minutes) - float(seconds)


def fix(
    songs: Sequence[Song],
    take: str,
    windows: Sequence[tuple[float, float] | str],
    *,
    seeds: Sequence[int] | None = None,
    lyrics: str | None = None,
) -> Fixed:
    """Write a repaint of the take into its spec, under a name that is free there, unless the very same stands there.

    Raises: UsageError for a take that no spec asks for and a spec that can't be added to, SpecError where the edit
    would be at fault, StoreError when the spec can't be written.
    """
    source = _source(songs, take)
    song = source.song.as_written
    taken = {one.name.casefold() for one in song.variants}
    name = next(one for one in ("fix", *(f"fix{n}" for n in range(2, len(taken) + 3))) if one not in taken)
    chosen = tuple(seeds) if seeds else _other_seeds(source.seed)
    table: dict[str, object] = {
        "task": "repaint",
        "src_audio": take.removeprefix(f"{song.name}."),
        "at": [one if isinstance(one, str) else list(map(_plain, one)) for one in windows],
        "seeds": list(chosen),
        **({"lyrics": lyrics} if lyrics is not None else {}),
    }
    if same := _same_edit(song.source, table):
        takes = tuple(f"{song.name}.{same}.s{seed}" for seed in chosen)
        return Fixed(spec=song.source, name=same, takes=takes, is_new=False)

    def with_table(text: str) -> str:
        return with_edit(text, name, table)

    rehearse(song.source, with_table)
    if errors := errors_after(song.source, with_table):
        advice = _in_seconds(source, windows, seeds, lyrics)
        raise SpecError([_told_to_type(one, advice) for one in errors])
    edit(song.source, with_table)
    return Fixed(spec=song.source, name=name, takes=tuple(f"{song.name}.{name}.s{seed}" for seed in chosen))


def _told_to_type(error: Diagnostic, advice: str) -> Diagnostic:
    """Of a section that nothing finds, the command with seconds: the spec has no line of it yet."""
    own = error.code == "edit-section" and error.span is None and not error.help.startswith("did you mean")
    return replace(error, help=advice) if own else error


def _in_seconds(
    source: Take, windows: Sequence[tuple[float, float] | str], seeds: Sequence[int] | None, lyrics: str | None
) -> str:
    """`renderer fix puerto.s1 --at 6..12`, its sections by their estimated seconds, and how those were found."""
    length, at, are_estimated = _length(source), list[tuple[float, float]](), False
    for window in windows:
        named = (
            estimated_windows(section_window(window), source.song.sections, length) if isinstance(window, str) else ()
        )
        are_estimated = are_estimated or bool(named)
        at += named or ([window_inside(length)] if isinstance(window, str) else [window])
    command = ["renderer", "fix", source.name, *(word for a, b in at for word in ("--at", f"{a:g}..{b:g}"))]
    command += ["--seeds", ",".join(map(str, seeds))] if seeds else []
    command += ["--lyrics", lyrics] if lyrics is not None else []
    how = "estimated from the layout of its lyrics" if are_estimated else "seconds that lie in it"
    return f"{shlex.join(command)} ({how}; hear it on the page)"


def _length(source: Take) -> float:
    """Seconds of a take as it lies there; unrendered, as its song asks for, or as the shortest has."""
    record = current_version(Store(source.song.outputs, kinds=stored_kinds()), source.name)
    return (record.page.seconds if record else 0.0) or source.song.metas.duration or MIN_DURATION


def _same_edit(spec: Path, table: Mapping[str, object]) -> str:
    """The edit of a spec that makes the very same, as after a run that was killed; empty where there is none."""
    parsed = read_toml(spec)
    edits = parsed.values.get("edits") if isinstance(parsed, Parsed) else None
    return next((name for name, own in edits.items() if own == table), "") if isinstance(edits, dict) else ""


def with_edit(text: str, name: str, table: Mapping[str, object]) -> str:
    """The spec's text with `[edits.NAME]` behind all that stands there.

    Raises: UsageError when that would change anything else.
    """
    gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    changed = f"{text}{gap}[edits.{name}]\n" + "".join(map(_line, table.items()))
    try:
        before, after = tomllib.loads(text), tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        before, after = {}, {}
    if not after or after != {**before, "edits": {**before.get("edits", {}), name: table}}:
        raise UsageError("the spec can't be added to safely", help=f"write `[edits.{name}]` by hand")
    return changed


def _line(entry: tuple[str, object]) -> str:
    key, value = entry
    if isinstance(value, list):
        return f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
    return tomli_w.dumps({key: value}, multiline_strings=True)


def _plain(seconds: float) -> float:
    return int(seconds) if seconds.is_integer() else seconds


def _other_seeds(own: int) -> tuple[int, ...]:
    return tuple(seed for seed in range(1, NUM_SEEDS + 2) if seed != own)[:NUM_SEEDS]


def _source(songs: Sequence[Song], name: str) -> Take:
    known = {take.name: take for song in songs for take in song.possible_takes()}
    if name in known:
        return known[name]
    raise UsageError(
        f"no spec asks for a take `{name}`",
        why="a preview ends early" if preview_named(name) else "its song, its variant and its seed stand in one",
        help=suggestion(name, known, most=3) or "see `renderer status`",
    )
