"""Which takes a run is of where some are edits of others: their sources are made, too, unless told otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.pipeline.options import Options
    from renderer.song import Take


def takes_for(takes: Sequence[Take], options: Options) -> tuple[Take, ...]:
    """Of these takes those that the options leave: edits alone, or none of them in a preview.

    Raises: UsageError when nothing is left.
    """
    if options.preview is not None and takes:
        left = tuple(take for take in takes if take.variant.edit is None)
        if not left:
            raise UsageError(
                f"`{takes[0].name}` is an edit, of which there is no preview",
                why="it is made from a whole take",
                help="render it without --preview",
            )
        return left
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
