"""Whether the sections that an edit's windows name are in the lyrics of the take that it is made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from renderer.song import SectionWindow
from renderer.spec.checkpoints import checkpoint_of
from renderer.spec.near import suggestion
from renderer.spec.section_estimate import estimated_windows, window_inside
from renderer.spec.section_windows import section_names, sections_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.song import Song, TakeEdit, Variant

_MOST_NAMED = 6


def seconds_advice(seconds: float | None) -> str:
    """To name seconds, as they may lie in a source of that length; None where nobody knows it."""
    return f"write its seconds: {_at([window_inside(seconds)])}"


def _at(windows: Sequence[tuple[float, float]]) -> str:
    return f"`at = {json.dumps(windows)}`"


def unknown_sections(edit: TakeEdit, source: Song, of: Variant) -> Iterator[tuple[int, str, str, str]]:
    """Those that nothing can find in a source, a song as it is in its variant: place in `at`, what, why, advice."""
    for place, window in enumerate(edit.at):
        if isinstance(window, SectionWindow) and (told := _fault(window, source, of)):
            yield (place, *told)


def _fault(window: SectionWindow, source: Song, of: Variant) -> tuple[str, str, str] | None:
    message = f"`at` names the section `{window.name}`"
    checkpoint = checkpoint_of(of.trained_as)
    if not source.has_words:
        return (
            message,
            f"`{edit_source(source, of)}` has no words, which tell where its sections lie",
            _seconds(window, source, of),
        )
    if not sections_named(window.tag, window.number, source.sections):
        names = section_names(source.sections)
        listed = ", ".join(f"`{one}`" for one in names[:_MOST_NAMED])
        why = f"`{edit_source(source, of)}` has {listed or 'none'}"
        return (
            f"there is no section `{window.name}`",
            why,
            suggestion(window.name, names) or _seconds(window, source, of),
        )
    if checkpoint is not None and not checkpoint.tells_when:
        why = f"the attention of `{of.trained_as}` doesn't tell where that lies in the sound"
        return message, why, _seconds(window, source, of)
    return None


def _seconds(window: SectionWindow, source: Song, of: Variant) -> str:
    """To name seconds: about those of the section where the song's length is asked for."""
    length = source.metas.duration if of.edit is None else None  # an edit is as long as its own source
    about = estimated_windows(window, source.sections, length) if length else ()
    return (
        f"write its seconds: estimated from the layout of the lyrics, {_at(about)}" if about else seconds_advice(length)
    )


def edit_source(source: Song, of: Variant) -> str:
    """`night-bus.wide`: a song in a variant, as its takes are called."""
    return ".".join(filter(None, (source.name, of.name)))
