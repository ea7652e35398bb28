"""Windows by section -> frames and samples, by the timestamps of the take that they are of. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from renderer.errors import StageError
from renderer.facts import LATENT_RATE, SAMPLES_PER_LATENT
from renderer.models.ace_step.protocol.edit_requests import SECTIONS
from renderer.models.ace_step.protocol.requests import FrameWindow, LineWindow, SampleWindow
from renderer.spec.section_windows import line_window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from renderer.artifacts import Artifact, Timestamps


def frame_windows(
    windows: Sequence[FrameWindow | LineWindow], upstream: Mapping[str, Artifact]
) -> tuple[FrameWindow, ...]:
    """An edit's windows, those by section found in what it builds on.

    Raises: StageError for a section that has no time in the source.
    """
    return tuple(_frames(one, upstream, SECTIONS) if isinstance(one, LineWindow) else one for one in windows)


def sample_windows(
    windows: Sequence[SampleWindow | LineWindow], upstream: Mapping[str, Artifact], sections: str
) -> tuple[SampleWindow, ...]:
    """The same in samples; `sections` is the input that holds the timestamps.

    Raises: StageError for a section that has no time in the source.
    """
    return tuple(_samples(one, upstream, sections) if isinstance(one, LineWindow) else one for one in windows)


def _samples(window: LineWindow, upstream: Mapping[str, Artifact], sections: str) -> SampleWindow:
    # Whole frames: the sound is cut where the latents are.
    found = _frames(window, upstream, sections)
    end = None if found.end is None else found.end * SAMPLES_PER_LATENT
    return SampleWindow(start=found.start * SAMPLES_PER_LATENT, end=end)


def _frames(window: LineWindow, upstream: Mapping[str, Artifact], sections: str) -> FrameWindow:
    timestamps = cast("Timestamps", upstream[sections])
    seconds = line_window(timestamps, window.first, window.below)
    # Times are those of the DiT's patches, two frames each, as far as floats can tell.
    first, last = (round(one * LATENT_RATE) for one in seconds or (0.0, 0.0))
    if first == last:
        raise StageError(
            f"nothing tells when line {window.first + 1} of its source's lyrics is sung",
            why="the timestamps of its source have no time for that section",
            help="give the window in seconds: `at = [[2.0, 5.0]]`",
        )
    # To the source's very end, which its last patch may pass by a frame.
    return FrameWindow(start=first, end=last if seconds and seconds[1] < timestamps.seconds else None)
