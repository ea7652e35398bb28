"""An edit -> what its stages are asked: windows in frames, what it is spliced from, which tasks a checkpoint can do.

Windows by section stay lines of the source's lyrics: when those are sung is known once the source is there.

Source: ace-step/ACE-Step-1.5, acestep/core/generation/handler (padding_utils.py, conditioning_masks.py, task_utils.py).
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.facts import SAMPLE_RATE, SAMPLES_PER_LATENT
from renderer.models.ace_step.protocol.names import LATENTS, TIMESTAMPS
from renderer.models.ace_step.protocol.requests import (
    EditRequest,
    FrameWindow,
    LineWindow,
    NamedSound,
    SampleWindow,
    SourceRequest,
    Splice,
    SpliceRequest,
)
from renderer.models.ace_step.protocol.sound_files import look_at
from renderer.models.take_requests import TakeStage
from renderer.settings import EditSettings
from renderer.song import FileSource, TakeSource, Window
from renderer.spec.section_windows import sections_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.song import SectionWindow, Take, TakeEdit

BASE_TASKS = ("extract", "lego", "complete")
WINDOWED = ("repaint", "lego")
CROSSFADE_FRAMES = 25  # outside of each edge, where the source is held most
_CROSSFADE = 0.05  # seconds, of what is most careful
# What of the settings acts on which task; elsewhere they are asked at their defaults.
_ACTING: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(WINDOWED, ("repaint_mode", "repaint_strength", "chunk_mask_mode")),
    "morph": tuple(field.name for field in fields(EditSettings) if field.name.startswith("flow_edit")),
}
SECTIONS = "sections"
"""The input that tells when a source's sections are."""
_STRENGTHS = ("audio_cover_strength", "cover_noise_strength")


def refuse_unfit_task(take: Take, edit: TakeEdit, kind: str) -> None:
    """Raises: UsageError for what the checkpoint wasn't taught, and for windows of tasks that have none."""
    if edit.task in BASE_TASKS and kind != "base":
        raise UsageError(
            f"`{take.name}` asks a {kind} checkpoint to {edit.task}",
            why="only base checkpoints were taught that",
            help='set `model = "base"` for it',
        )
    if edit.at and edit.task not in WINDOWED:
        raise UsageError(f"`{take.name}` has windows", why=f"{edit.task} works on the whole source", help="drop `at`")
    for window in _in_seconds(edit):
        if window.end is not None and window.end <= window.start:
            raise UsageError(f"`{take.name}` has a window of no length: {window.start:g} to {window.end:g} s")


def names_sections(edit: TakeEdit) -> bool:
    """Whether its windows are known once its source's timestamps are."""
    return edit.task in WINDOWED and len(_in_seconds(edit)) < len(edit.at)


def _in_seconds(edit: TakeEdit) -> tuple[Window, ...]:
    return tuple(one for one in edit.at if isinstance(one, Window))


def _lines_of(take: Take, section: SectionWindow) -> tuple[LineWindow, ...]:
    """All sections that are meant, in the order in which they are sung.

    Raises: UsageError where the source has none of that name, or is a file.
    """
    source = take.source
    sections = source.song.sections if source else ()
    places = sections_named(section.tag, section.number, sections)
    if not places:
        where = f"`{source.name}` has no such section" if source else "nothing tells where a file's sections are"
        raise UsageError(f"`{take.name}` names `{section.name}`", why=where, help="give seconds: `at = [[2.0, 5.0]]`")
    belows = [*(one.start for one in sections[1:]), None]
    return tuple(LineWindow(first=sections[place].start, below=belows[place]) for place in places)


def seconds_of(take: Take, others: Mapping[str, Take] | None, limit: float) -> float | None:
    """How long a take will be; None where the LM decides, or nobody says what the other takes are.

    Raises: UsageError for a source that can't be one.
    """
    edit = take.variant.edit
    if edit is None:
        return take.song.metas.duration
    own = source_seconds(take, edit, others, limit)
    if own is None:
        return None
    windows = _in_seconds(edit)
    before = max((-window.start for window in windows if window.start < 0), default=0.0)
    end = max((window.end for window in windows if window.end is not None), default=0.0)
    return before + max(own, end)


def source_seconds(take: Take, edit: TakeEdit, others: Mapping[str, Take] | None, limit: float) -> float | None:
    """How long an edit's source is; None where the LM decides, or nobody says what the other takes are.

    Raises: UsageError for a source that can't be one.
    """
    if isinstance(edit.source, FileSource):
        return look_at(edit.source.path, limit).seconds
    return None if others is None else seconds_of(other(take, edit.source, others), others, limit)


def other(take: Take, source: TakeSource, others: Mapping[str, Take]) -> Take:
    """The take that an edit starts from.

    Raises: UsageError where it isn't there.
    """
    if source.take not in others:
        raise UsageError(f"`{take.name}` is made from `{source.take}`, which isn't there", help="name its spec, too")
    return others[source.take]


def source_request(edit: TakeEdit, file: NamedSound) -> SourceRequest:
    """Of the VAE's encoder, silence around the file where a window reaches beyond it."""
    windows = _in_seconds(edit)
    before = max((-window.start for window in windows), default=0.0)
    after = max((window.end - file.seconds for window in windows if window.end is not None), default=0.0)
    return SourceRequest(file=file, before=_samples(max(0.0, before)), after=_samples(max(0.0, after)))


def edit_request(take: Take, edit: TakeEdit, file: NamedSound | None) -> EditRequest:
    """Of the DiT; what doesn't act on the task is at its default."""
    acting = _ACTING.get(edit.task, ()) + (() if edit.task == "morph" else _STRENGTHS)
    if edit.task in WINDOWED and not edit.at:
        acting = _STRENGTHS
    elif edit.repaint_mode != "balanced":
        acting = tuple(name for name in acting if name != "repaint_strength")
    moved = _moved(take, edit, file)
    return EditRequest(
        task=edit.task,
        windows=tuple(
            FrameWindow(start=_frames(one.start), end=None if one.end is None else _frames(one.end))
            if isinstance(one, Window)
            else one
            for one in moved
        ),
        tracks=edit.tracks if edit.task == "complete" else (edit.track,) if edit.track else (),
        **{name: getattr(edit, name) for name in acting},
    )


def is_spliced(take: Take) -> bool:
    """Whether a take keeps its source's samples outside of its windows."""
    edit = take.variant.edit
    return edit is not None and edit.task in WINDOWED and bool(edit.at) and edit.repaint_mode != "aggressive"


def splice_request(
    take: Take, others: Mapping[str, Take], limit: float
) -> tuple[SpliceRequest, Mapping[str, TakeStage]]:
    """What a take's sound is spliced from, and what of other takes is needed for it, by the inputs' names.

    Raises: UsageError for a source that can't be one, or whose latents another VAE decodes.
    """
    links, inputs, one, name = [], dict[str, TakeStage](), take, LATENTS
    while is_spliced(one) and (edit := one.variant.edit) is not None:
        file = look_at(edit.source.path, limit) if isinstance(edit.source, FileSource) else None
        sections = f"{SECTIONS}{name.removeprefix(LATENTS)}" if names_sections(edit) else ""
        links.append(_splice(one, edit, file, name, sections))
        if file is not None or isinstance(edit.source, FileSource):
            return SpliceRequest(links=tuple(reversed(links)), file=file), inputs
        source = other(one, edit.source, others)
        if sections:
            inputs[sections] = TakeStage(take=source.name, stage=TIMESTAMPS)
        _refuse_other_vae(one, source)
        name = f"{LATENTS}_{len(links)}" if is_spliced(source) else "origin"
        inputs[name] = TakeStage(take=source.name, stage=LATENTS)
        one = source
    return SpliceRequest(links=tuple(reversed(links)), duration=seconds_of(one, others, limit)), inputs


def _splice(take: Take, edit: TakeEdit, file: NamedSound | None, latents: str, sections: str) -> Splice:
    padded = source_request(edit, file) if file else None
    return Splice(
        latents=latents,
        windows=tuple(
            SampleWindow(start=_samples(one.start), end=None if one.end is None else _samples(one.end))
            if isinstance(one, Window)
            else one
            for one in _moved(take, edit, file)
        ),
        crossfade=_samples(crossfade_seconds(edit)),
        before=padded.before if padded else 0,
        after=padded.after if padded else 0,
        sections=sections,
    )


def caution(edit: EditSettings) -> float:
    """The share of steps, and of the widest ramp, with which the source is held around a window."""
    if edit.repaint_mode == "balanced":
        return 1.0 - edit.repaint_strength
    return {"aggressive": 0.0, "conservative": 1.0}[edit.repaint_mode]


def blend_frames(edit: EditSettings) -> int:
    """Latent frames outside of each edge over which the window fades into the source."""
    return round(CROSSFADE_FRAMES * caution(edit))


def crossfade_seconds(edit: EditSettings) -> float:
    """Seconds of sound outside of each edge over which it does."""
    return _CROSSFADE * caution(edit)


def _refuse_other_vae(take: Take, source: Take) -> None:
    if take.variant.vae != source.variant.vae:
        raise UsageError(
            f"`{take.name}` keeps the sound of `{source.name}`, which another VAE decodes",
            why=f"{take.variant.vae or 'its own'} is not {source.variant.vae or 'its own'}",
            help="give both the same `vae`",
        )


def _moved(take: Take, edit: TakeEdit, file: NamedSound | None) -> tuple[Window | LineWindow, ...]:
    """The windows in a file's own time once silence is put before it; those of a take move when its latents are there.

    Raises: UsageError for sections that the source hasn't.
    """
    found = [(one,) if isinstance(one, Window) else _lines_of(take, one) for one in edit.at]
    if file is None:
        return tuple(one for windows in found for one in windows)
    windows = _in_seconds(edit)
    before = max(0.0, *(-window.start for window in windows)) if windows else 0.0
    ends = [file.seconds if window.end is None else window.end for window in windows]
    return tuple(
        replace(window, start=window.start + before, end=end + before)
        for window, end in zip(windows, ends, strict=True)
    )


def _samples(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


def _frames(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE // SAMPLES_PER_LATENT)
