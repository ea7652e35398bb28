"""Which takes a run is of where some are edits of others: their sources are made, too, unless told otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.pipeline.options import Options
    from renderer.song import Take


def takes_for(takes: Sequence[Take], options: Options) -> tuple[Take, ...]:
    """Of these takes those that the options leave: edits alone, or none of them in a preview.

    Where all are edits, the takes that they are made from are previewed in their place; of files there are none.

    Raises: UsageError when no edits are left.
    """
    if options.preview is not None:
        made_anew = {take.name: take for take in takes if take.variant.edit is None}
        roots = {one.name: one for take in takes for one in take.sources if one.variant.edit is None}
        return tuple((made_anew or roots).values())
    if options.only_edits and takes:
        left = tuple(take for take in takes if take.variant.edit)
        if not left:
            raise UsageError("there are no edits among these takes", help="render them without --only-edits")
        return left
    return tuple(takes)


def sources_of(takes: Sequence[Take]) -> tuple[Take, ...]:
    """The takes that these are made from, in the order in which they can be made, as far as they aren't among them."""
    asked = {take.name for take in takes}
    found = {source.name: source for take in takes for source in reversed(take.sources)}
    return tuple(source for name, source in found.items() if name not in asked)


def preview_remarks(takes: Sequence[Take], options: Options) -> tuple[str, ...]:
    """What is told of the edits among these takes where they are previewed."""
    edits = [take for take in takes if take.variant.edit]
    if options.preview is None or not edits:
        return ()
    instead = "previewed is what they are made from; " if len(edits) == len(takes) and takes_for(takes, options) else ""
    left_out = f"{counted(len(edits), 'edit')} left out: what is made from a whole take has no preview"
    return (f"{left_out}; {instead}render without --preview",)
