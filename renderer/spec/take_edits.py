"""An edit's table -> TakeEdit, with stand-ins for what is at fault."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_args

from renderer.files import from_home
from renderer.settings import CotUse, LmPhases, LmSampling
from renderer.song import FileSource, SectionWindow, TakeEdit, TakeSource, Task, Window
from renderer.spec.take_names import names_file, own_take, song_name, take_name
from renderer.spec.values import edit_settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from renderer.settings import Inference
    from renderer.spec.build import CheckedSpec
    from renderer.spec.schema import EditTable

_OFF: Mapping[str, object] = {
    "thinking": False,
    "use_cot_metas": False,
    "use_cot_caption": False,
    "use_cot_language": False,
}
_WINDOWED = frozenset({"repaint", "lego"})
_TAG = re.compile(r"(.+?)(?:\s+([1-9][0-9]{0,3}))?", re.DOTALL)
_MORPH = (
    "flow_edit_source_caption",
    "flow_edit_source_lyrics",
    "flow_edit_n_min",
    "flow_edit_n_max",
    "flow_edit_n_avg",
)
READ_BY: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("at", "repainting_start", "repainting_end", "chunk_mask_mode"), _WINDOWED),
    **dict.fromkeys(("repaint_mode", "repaint_strength"), _WINDOWED),
    **dict.fromkeys(("audio_cover_strength", "cover_noise_strength"), frozenset(get_args(Task)) - {"morph"}),
    "track": frozenset({"extract", "lego"}),
    "tracks": frozenset({"complete"}),
    **dict.fromkeys(_MORPH, frozenset({"morph"})),
}
"""An edit's key -> the tasks that read it; a key that isn't there all do."""


def without_lm(inference: Inference) -> Inference:
    """The settings of an edit, for which the LM never runs: its own are as nobody set them."""
    known_good: dict[str, Any] = {
        one.name: one.default for group in (LmSampling, CotUse, LmPhases) for one in fields(group)
    }
    return replace(inference, **{**known_good, **_OFF})


def take_edit(draft: CheckedSpec, name: str) -> TakeEdit:
    """The edit, with stand-ins for what is at fault."""
    table = draft.spec.edits[name]
    settings: dict[str, Any] = edit_settings_of(table)
    task = table.task or "repaint"
    return TakeEdit(
        task=task,
        source=_source(draft, table.src_audio or ""),
        at=tuple(_windows(table)) if task in _WINDOWED else (),
        track=table.track,
        tracks=tuple(table.tracks or ()),
        **settings,
    )


def _source(draft: CheckedSpec, written: str) -> TakeSource | FileSource:
    if names_file(written):
        return FileSource(path=draft.project.folder / from_home(written))
    song = song_name(draft.parsed.source.path)
    own = own_take(written, {*draft.spec.variants, *draft.spec.edits}, song)
    return TakeSource(take=take_name(song, *own) if own else written)


def section_window(written: str) -> SectionWindow:
    """`bridge`, `[Chorus 2]`: the section that is named."""
    found = _TAG.fullmatch(written.strip().strip("[]"))
    tag, number = (found[1], found[2]) if found else (written, None)
    return SectionWindow(tag=tag, number=int(number) if number else None)


def _windows(table: EditTable) -> Iterator[Window | SectionWindow]:
    for one in table.at or ():
        if isinstance(one, str):
            yield section_window(one)
        else:
            yield Window(start=one[0], end=one[1])
    if table.repainting_start is not None or table.repainting_end is not None:
        end = table.repainting_end
        yield Window(start=table.repainting_start or 0.0, end=end if end is not None and end > 0 else None)
