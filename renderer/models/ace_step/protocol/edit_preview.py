"""How an edit is made, in words: its source, its windows and masks, how much of the source is held. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.artifacts import Latents, Timestamps
from renderer.errors import StageError
from renderer.facts import LATENT_RATE
from renderer.models.ace_step.protocol.dit_prompt import edit_instruction
from renderer.models.ace_step.protocol.edit_requests import (
    SECTIONS,
    WINDOWED,
    blend_frames,
    caution,
    crossfade_seconds,
    source_seconds,
)
from renderer.models.ace_step.protocol.line_windows import frame_windows
from renderer.models.ace_step.protocol.names import LATENTS, TIMESTAMPS
from renderer.models.ace_step.protocol.requests import LineWindow
from renderer.song import FileSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.models.ace_step.protocol.requests import EditRequest, FrameWindow, LatentsRequest
    from renderer.models.ace_step.protocol.stage_requests import TakeContext
    from renderer.plan.jobs import TakePlan
    from renderer.song import Take, TakeEdit
    from renderer.store.store import Store

_FOLLOWED = {
    "cover": "as its audio codes",
    "repaint": "as it is, with silence in the window",
    "morph": "not: all of it is silence",
}


def source_frames(context: TakeContext, edit: TakeEdit, plan: TakePlan, store: Store) -> int | None:
    """Latent frames of an edit's source: as the store has it, as its spec or file says; None where the LM decides."""
    if isinstance(edit.source, FileSource):
        seconds = source_seconds(context.take, edit, {}, context.limit)
        return None if seconds is None else round(seconds * LATENT_RATE)
    found = (store.get(LATENTS, key) for key in plan.builds_on if store.has(LATENTS, key))
    own = next((one for one in found if isinstance(one, Latents)), None)
    if own is not None:
        return len(own.frames)
    seconds = source_seconds(context.take, edit, context.others, context.limit)
    return None if seconds is None else round(seconds * LATENT_RATE)


def edit_text(context: TakeContext, request: LatentsRequest, plan: TakePlan, store: Store) -> str:
    """`task: repaint`, `window: 62 to 75.5 s (frames 1550 to 1887)`, … line by line."""
    edit, asked = context.take.variant.edit, request.edit
    assert edit is not None, context.take.name  # noqa: S101 - for mypy: edits alone are told of
    assert asked is not None, context.take.name  # noqa: S101 - as above
    told = (
        ("made from", edit.source.path.name if isinstance(edit.source, FileSource) else edit.source.take),
        ("task", asked.task),
        *(("window", one) for one in _windows(asked, context.take, plan, store)),
        ("source followed", _FOLLOWED.get(asked.task, "as it is")),
        ("mask", _mask(asked)),
        *_strengths(asked, request.inference_steps),
        ("reference", context.take.variant.reference_audio and context.take.variant.reference_audio.name),
        ("instruction", edit_instruction(asked)),
    )
    return "\n".join(f"{name}: {text}" for name, text in told if text)


def _mask(asked: EditRequest) -> str:
    if asked.chunk_mask_mode == "explicit" and asked.windows:
        return "1 in the window, 0 around it"
    return "1 everywhere"


def _strengths(asked: EditRequest, steps: int) -> Iterator[tuple[str, str]]:
    if asked.task in WINDOWED and asked.windows:
        sound = "its sound decoded anew" if asked.repaint_mode == "aggressive" else "its samples kept"
        fade = f" and faded over {crossfade_seconds(asked):g} s" if crossfade_seconds(asked) else ""
        held = (
            f"put back in {round(caution(asked) * steps)} of {steps} steps, blended over {blend_frames(asked)} frames"
        )
        yield "around the window", f"{held}, {sound}{fade}"
    if asked.audio_cover_strength < 1.0:
        yield "strength", f"followed in the first {asked.audio_cover_strength:.0%} of the steps, then not"
    if asked.cover_noise_strength > 0.0:
        yield "noise", f"begins {asked.cover_noise_strength:.0%} of the way towards the source"
    if asked.task == "morph":
        first, last = (int(steps * one) for one in (asked.flow_edit_n_min, asked.flow_edit_n_max))
        yield "morphed", f"from step {first} up to {last} of {steps}, {asked.flow_edit_n_avg} draws a step"


def _windows(asked: EditRequest, take: Take, plan: TakePlan, store: Store) -> Iterator[str]:
    found = (store.get(TIMESTAMPS, key) for key in plan.builds_on if store.has(TIMESTAMPS, key))
    timestamps = next((one for one in found if isinstance(one, Timestamps)), None)
    source = take.source
    tags = {one.start: one.numbered_tag for one in source.song.sections} if source else {}
    for window in asked.windows:
        if not isinstance(window, LineWindow):
            yield _seconds(window)
        elif timestamps is None:
            yield f"{tags[window.first]}, where the timestamps of its source will tell"
        else:
            yield f"{tags[window.first]}, {_timed(window, timestamps)}"


def _timed(window: LineWindow, timestamps: Timestamps) -> str:
    try:
        (timed,) = frame_windows([window], {SECTIONS: timestamps})
    except StageError:
        return "which has no time in its source: give the window in seconds"
    return _seconds(timed)


def _seconds(window: FrameWindow) -> str:
    if window.end is None:
        return f"{window.start / LATENT_RATE:g} s to the end (from frame {window.start})"
    start, end = window.start / LATENT_RATE, window.end / LATENT_RATE
    return f"{start:g} to {end:g} s (frames {window.start} to {window.end})"
