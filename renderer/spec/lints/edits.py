"""Lints of edits: keys that their task doesn't read, the source's own seed, windows that reach beyond the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.song import TakeSource, Window
from renderer.spec.findings import Finding, Mark
from renderer.spec.take_edits import READ_BY
from renderer.spec.take_names import take_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.song import TakeEdit, Variant
    from renderer.spec.lints.subject import Subject


def _edits(subject: Subject) -> Iterator[tuple[Variant, TakeEdit]]:
    yield from ((variant, variant.edit) for variant in subject.song.variants if variant.edit)


def edit_unused(subject: Subject) -> Iterator[Finding]:
    """A key that an edit's task doesn't read."""
    for variant, edit in _edits(subject):
        written = subject.draft.spec.edits[variant.name].model_fields_set
        for key in (one for one in READ_BY if one in written and edit.task not in READ_BY[one]):
            others = ", ".join(f"`{task}`" for task in sorted(READ_BY[key]))
            yield Finding(
                path=(*variant.table, key),
                message=f"`{key}` has no effect",
                why=f"`{edit.task}` doesn't read it, {others} {'does' if len(READ_BY[key]) == 1 else 'do'}",
                mark=Mark.KEY,
            )
        if (
            edit.task in READ_BY["repaint_strength"]
            and edit.repaint_mode != "balanced"
            and "repaint_strength" in written
        ):
            yield Finding(
                path=(*variant.table, "repaint_strength"),
                message="`repaint_strength` has no effect",
                why=f"`{edit.repaint_mode}` is as strong as it is",
                mark=Mark.KEY,
            )


def repaint_same_seed(subject: Subject) -> Iterator[Finding]:
    """A repaint from the noise that its source was made from."""
    for variant, edit in _edits(subject):
        named = take_named(edit.source.take) if isinstance(edit.source, TakeSource) else None
        seeds = subject.song.as_in(variant).seeds
        if edit.task == "repaint" and named and named[1] in seeds:
            own = subject.draft.spec.edits[variant.name].seeds
            yield Finding(
                path=(*variant.table, "seeds", own.index(named[1])) if own else (*variant.table, "src_audio"),
                message=f"seed {named[1]} is the source's own",
                why="from the same noise it comes out much as it was",
                help="write other `seeds` in this table",
            )


def edit_outpaints(subject: Subject) -> Iterator[Finding]:
    """A window that reaches beyond its source, and makes it longer."""
    for variant, edit in _edits(subject):
        for number, window in enumerate(edit.at):
            if not isinstance(window, Window) or edit.task != "repaint":
                continue
            length = _length(subject, edit)
            if window.start < 0 or (length and window.end and window.end > length):
                in_list = subject.draft.spec.edits[variant.name].at is not None
                key = "repainting_start" if window.start < 0 else "repainting_end"
                yield Finding(
                    path=(*variant.table, *(("at", number) if in_list else (key,))),
                    message="the window reaches beyond its source",
                    why="it begins before it" if window.start < 0 else f"which is {length:g} s long",
                    help="what is there is made anew, and the take is longer",
                )


def _length(subject: Subject, edit: TakeEdit) -> float | None:
    """Seconds of a source of this song, where the spec says them."""
    song = subject.song
    if not isinstance(edit.source, TakeSource) or not edit.source.take.startswith(f"{song.name}."):
        return None
    name = edit.source.take.partition(".")[2].rpartition(".")[0]
    of = next((one for one in song.variants if one.name == name), None)
    if of is None or of.edit:
        return None
    metas = song.as_in(of).metas
    return metas.duration
