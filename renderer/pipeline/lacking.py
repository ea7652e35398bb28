"""Finished takes of a song -> which scores they lack, of those that the song's renders can give them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.artifacts import PlanScore, Timestamps
from renderer.errors import RendererError
from renderer.models.family import family

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.artifacts import Artifact
    from renderer.models.model_files import PlannedModel
    from renderer.song import Song, Take, Variant
    from renderer.takes.take_scores import TakeScores


def lacking(
    song: Song, scores: Mapping[str, TakeScores], model_of: Callable[[Variant], PlannedModel]
) -> dict[str, int]:
    """`plan scores`, `timestamps`, `measurements` -> how many takes have none, though they could.

    Nothing gives plan scores to a take that the LM wrote no plan for, or timestamps to one of a model without heads
    that follow the lyrics, and a render makes only what the spec still asks for.
    """
    unknown = {name for name, one in scores.items() if one.plan is None or one.alignment is None}
    takes = {take.name: take for take in replace(song, scores_plans=True).takes() if take.name in unknown}
    given = {name: _kinds(take, model_of) for name, take in takes.items()}
    found = {
        "plan scores": sum(scores[name].plan is None and PlanScore in kinds for name, kinds in given.items()),
        "timestamps": sum(
            scores[name].alignment is None and takes[name].song.has_words and Timestamps in kinds
            for name, kinds in given.items()
        ),
        "measurements": sum(not one.is_measured for one in scores.values()),
    }
    return {name: number for name, number in found.items() if number}


def _kinds(take: Take, model_of: Callable[[Variant], PlannedModel]) -> frozenset[type[Artifact]]:
    """What the take's stages give; nothing where it can't be rendered as things are."""
    # How the LM is held is a matter of the device, not of what it can score.
    inference = replace(take.variant.inference, lm_quantization="none")
    try:
        model = model_of(replace(take.variant, inference=inference))
        own = family(model.files.family)
        asked = own.asker(None, {source.name: source for source in take.sources})(take, model)
    except RendererError:
        return frozenset()
    return frozenset(own.stages[stage].artifact for stage in asked.stages)
