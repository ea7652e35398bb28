"""What is wrong within the tables of edits; whether their sources are there, `edit_sources.py` knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renderer.facts import MAX_DURATION
from renderer.files import from_home
from renderer.spec.audio_files import audio_faults, sound_length
from renderer.spec.checkpoints import checkpoint_of, default_max_duration
from renderer.spec.edit_sections import seconds_advice
from renderer.spec.error_at import error_at
from renderer.spec.foreign import CALLED_IN_EDITS
from renderer.spec.take_names import names_file, preview_named, take_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from renderer.song import Song
    from renderer.spec.build import CheckedSpec
    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.schema import EditTable
    from renderer.spec.source import KeyPath

BASE_TASKS = frozenset({"extract", "lego", "complete"})
"""What base checkpoints alone were trained for. Source: ace-step/ACE-Step-1.5, docs/en/INFERENCE.md."""
_SAME = {**CALLED_IN_EDITS, "repainting_start": "at", "repainting_end": "at"}
_SPAN = re.compile(r"\s*(-?[0-9.]+)\s*(?:\.\.|-)\s*([0-9.]+)\s*s?\s*")


def edit_faults(song: Song, draft: CheckedSpec) -> Iterator[Diagnostic]:
    """Every error within the tables of edits."""
    longest = {one.name: int(song.max_duration or default_max_duration(one.trained_as)) for one in song.variants}
    for name, table in draft.spec.edits.items():
        yield from _name_faults(draft, name)
        yield from _left_out(draft, name, table)
        yield from _source_form(draft, name, table, longest.get(name, MAX_DURATION))
        yield from _window_faults(draft, name, table)
    for variant in song.variants:
        if variant.edit and variant.edit.task in BASE_TASKS:
            yield from _model_faults(draft, variant.name, variant.trained_as, variant.edit.task)


def _at(draft: CheckedSpec, path: KeyPath, **words: str) -> Diagnostic:
    return error_at(draft.parsed.source, draft.parsed.source.value(path), **words)  # type: ignore[arg-type]


def _name_faults(draft: CheckedSpec, name: str) -> Iterator[Diagnostic]:
    source = draft.parsed.source
    same = next((one for one in draft.spec.variants if one.casefold() == name.casefold()), None)
    if same is not None:
        for path, other in ((("variants", same), f"edit `{name}`"), (("edits", name), f"variant `{same}`")):
            yield error_at(
                source,
                source.key(path),
                code="edit-name-taken",
                message=f"`{path[1]}` names a variant and an edit",
                why=f"there is the {other}, too, and their takes would overwrite each other",
                advice="rename one of them",
            )


def _left_out(draft: CheckedSpec, name: str, table: EditTable) -> Iterator[Diagnostic]:
    source = draft.parsed.source
    for key, advice in _needed(table.task).items():
        others = (other for other, meant in _SAME.items() if meant == key)
        if not any(source.has(("edits", name, one)) for one in (key, *others)):
            yield error_at(
                source,
                source.key(("edits", name)),
                code="edit-incomplete",
                message=f"`{key}` of `[edits.{name}]` is missing",
                advice=f"write {advice}",
            )


def _needed(task: str | None) -> Mapping[str, str]:
    """The keys that an edit can't do without, and what to write."""
    own = {
        "lego": {"track": 'what is added: `track = "drums"`'},
        "extract": {"track": 'what is taken out: `track = "drums"`'},
        "complete": {"tracks": 'what is added: `tracks = ["drums", "bass"]`'},
        "repaint": {"at": 'what is made anew: `at = ["bridge"]`, or in seconds `at = [[2.0, 5.0]]`'},
    }
    return {
        "task": 'one of repaint, cover, …: `task = "repaint"`',
        "src_audio": 'a take or a file: `src_audio = "s2"`',
        **own.get(task or "", {}),
    }


def _source_form(draft: CheckedSpec, name: str, table: EditTable, max_seconds: float) -> Iterator[Diagnostic]:
    written, path = table.src_audio, ("edits", name, "src_audio")
    if written is None:
        return
    if names_file(written) and not written.startswith("take:"):
        folder = draft.project.folder
        yield from audio_faults(draft.parsed, path, written, folder, draft.project.root, max_seconds)
        return
    if take_named(written.removeprefix("take:")) and not written.startswith("take:"):
        return
    if preview_named(written):
        why, advice = "a preview ends early", "name the whole take"
    elif written.startswith("take:"):
        why, advice = "here a take has nothing before its name", f'write `"{written.removeprefix("take:")}"`'
    else:
        why = "a take ends with its seed, a file has a folder or an ending"
        advice = 'write it like `"s2"`, `"wide.s2"`, `"other-song.s2"` or `"audio/demo.wav"`'
    yield _at(
        draft, path, code="edit-source", message=f"`{written}` is no take and no audio file", why=why, advice=advice
    )


def _window_faults(draft: CheckedSpec, name: str, table: EditTable) -> Iterator[Diagnostic]:
    path: KeyPath = ("edits", name, "at")
    one = next((key for key in ("repainting_start", "repainting_end") if getattr(table, key) is not None), None)
    if table.at is not None and one:
        yield _at(
            draft,
            ("edits", name, one),
            code="edit-window-twice",
            message=f"`at` and `{one}` are both there",
            why="only one can say what is made anew",
            advice="keep `at`, which takes several windows",
        )
    for number, window in enumerate(table.at or ()):
        if isinstance(window, str):
            yield from _text_faults(draft, (*path, number), window, table.src_audio)
        elif window[1] <= window[0]:
            yield _no_length(draft, (*path, number), window[0], window[1])
    start, end = table.repainting_start or 0.0, table.repainting_end
    if end is not None and 0 < end <= start:
        yield _no_length(draft, ("edits", name, "repainting_end"), start, end)


def _text_faults(draft: CheckedSpec, path: KeyPath, window: str, source: str | None) -> Iterator[Diagnostic]:
    """Of a window that is a text: a section's name, which only the lyrics of a take tell anything of."""
    if span := _SPAN.fullmatch(window):
        message, why = f"`at` names {window!r} in place of seconds", "a window is a pair of numbers"
        advice = f"write [{span[1]}, {span[2]}] in its place"
    elif source is not None and names_file(source):
        message, why = f"`at` names the section `{window}`", "nothing tells where the sections of a file lie"
        advice = seconds_advice(sound_length(draft.project.folder / from_home(source), draft.project.root))
    else:
        return
    yield _at(draft, path, code="edit-section", message=message, why=why, advice=advice)


def _no_length(draft: CheckedSpec, path: KeyPath, start: float, end: float) -> Diagnostic:
    return _at(
        draft,
        path,
        code="edit-window-empty",
        message=f"the window from {start:g} to {end:g} s has no length",
        why="it ends where it starts" if start == end else "it ends before it starts",
        advice="write its start first",
    )


def _model_faults(draft: CheckedSpec, name: str, model: str, task: str) -> Iterator[Diagnostic]:
    checkpoint = checkpoint_of(model)
    if checkpoint is not None and checkpoint.kind != "base":
        yield _at(
            draft,
            ("edits", name, "task"),
            code="edit-model",
            message=f"model `{model}` can't do `{task}`",
            why="base checkpoints alone were trained for it",
            advice='write `model = "base"` or `model = "xl-base"` in this table',
        )
