"""Where the user sets what a request holds: a table of the spec, a variant, an option of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.settings import TABLES, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.song import Take

_PLACES: Mapping[str, str] = {
    **{name: f"[{table}]" for table, group in TABLES.items() for name in rows(group)},
    **dict.fromkeys(("format", "recipe"), "[output]"),
    "dtype": "--dtype",
    "lm_slots": "--lm-slots",
}


def place(name: str, take: Take) -> str:
    """The place; empty at the head of the spec, which needs no naming, and for what no one sets by hand."""
    if is_left_out(name, take):
        return ""
    return f"[{'.'.join(take.variant.table)}]" if _in_variant(name, take) else _PLACES.get(name, "")


def is_left_out(name: str, take: Take) -> bool:
    """Whether a setting is nowhere said, so that the checkpoint's own value holds."""
    return getattr(take.variant.inference, name, "") is None


def _in_variant(name: str, take: Take) -> bool:
    """Whether the value is the variant's own and not the song's."""
    if name in take.variant.written or name == "src_audio" or hasattr(take.variant.edit, name):
        return True
    base = take.song.variants[0]
    for own, common in ((take.variant, base), (take.variant.inference, base.inference)):
        if hasattr(own, name) and getattr(own, name) != getattr(common, name):
            return True
    return False
