"""A take without timestamps -> whether a render could give it any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.spec.checkpoints import checkpoint_of
from renderer.spec.take_names import preview_named

if TYPE_CHECKING:
    from renderer.song import Song


def never_timed(name: str, song: Song) -> str:
    """Why no render gives a take, or the one that a preview is the beginning of, timestamps; empty where one may."""
    whole = whole_take(name)
    take = next((take for take in song.possible_takes() if take.name == whole), None)
    if not (take.song if take else song).has_words:
        return f"nothing is sung in `{song.name}`"
    if take is None:
        return ""
    checkpoint = checkpoint_of(take.variant.trained_as)
    is_deaf = checkpoint is not None and not checkpoint.tells_when
    return f"the attention of `{take.variant.trained_as}` doesn't tell when words are sung" if is_deaf else ""


def whole_take(name: str) -> str:
    """The take that a preview is the beginning of."""
    preview = preview_named(name)
    return preview[0] if preview else name
