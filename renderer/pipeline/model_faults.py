"""What is wrong with the models that takes name, told where specs name them; all at once, before any is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import ModelError, SpecError
from renderer.spec.error_at import error_at
from renderer.spec.locate import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from renderer.models.model_files import PlannedModel
    from renderer.pipeline.options import Options
    from renderer.song import Take, Variant
    from renderer.spec.diagnostics import Diagnostic

CODE = "model-fault"


def refuse_model_faults(takes: Iterable[Take], model_of: Callable[[Variant], PlannedModel], options: Options) -> None:
    """Look at the model set of every take.

    Raises: SpecError with all that is wrong with sets that specs name, ModelError for one that no spec names.
    """
    if found := model_faults(takes, model_of, options):
        raise SpecError(tuple(dict.fromkeys(found.values())))


def model_faults(
    takes: Iterable[Take], model_of: Callable[[Variant], PlannedModel], options: Options
) -> Mapping[Take, Diagnostic]:
    """What is wrong with sets that specs name: a take of each variant that has one -> its fault.

    Raises: ModelError for one that no spec names.
    """
    variants = {(take.song.source, take.variant.name): take for take in takes}
    found: dict[Take, Diagnostic] = {}
    for take in variants.values():
        try:
            model_of(take.variant)
        except ModelError as error:
            diagnostic = _placed(error, take, options)
            if diagnostic is None:
                raise
            found[take] = diagnostic
    return found


def _placed(error: ModelError, take: Take, options: Options) -> Diagnostic | None:
    """The error as a spec's fault; None where no spec named it, but the command line or nobody."""
    if any(getattr(options, setting, None) is not None for setting in error.settings):
        return None
    place = place_of(take.song.source, take.variant.name, error.settings)
    if place is None:
        return None
    source, path = place
    return error_at(source, source.value(path), code=CODE, message=error.message, why=error.why, advice=error.help)
