"""An edit on disk -> what of it was made anew, and the file that it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.facts import LATENT_RATE, SAMPLE_RATE, SAMPLES_PER_LATENT
from renderer.song import Window
from renderer.takes.measure.values import SoundFile, SoundPair

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.plan.jobs import TakePlan
    from renderer.song import TakeEdit
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord

Seconds = tuple[float, float]


def made_windows(record: TakeRecord) -> tuple[Seconds, ...]:
    """What the run made anew, in seconds of the edit; nothing where that is all of it."""
    windows = (notes.others.get("windows") for notes in record.page.notes.values())
    found = next((one for one in windows if isinstance(one, list)), [])
    return tuple((start / LATENT_RATE, min(end / LATENT_RATE, record.page.seconds)) for start, end in found)


def asked_windows(edit: TakeEdit, seconds: float) -> tuple[Seconds, ...]:
    """What is to be made anew, in seconds of the edit, as far as the spec says it in seconds; `seconds` is its end."""
    lead = lead_seconds(edit)
    windows = [one for one in edit.at if isinstance(one, Window)]
    return tuple((one.start + lead, seconds if one.end is None else one.end + lead) for one in windows)


def lead_seconds(edit: TakeEdit) -> float:
    """How much later than in its source everything is in an edit: whole latent frames, where a window begins before 0.

    See `models/ace_step/vae/splice.py`.
    """
    first = min((int(one.start * SAMPLE_RATE) for one in edit.at if isinstance(one, Window)), default=0)
    return -min(0, first // SAMPLES_PER_LATENT) * SAMPLES_PER_LATENT / SAMPLE_RATE


def pair_of(plan: TakePlan, store: Store) -> SoundPair | None:
    """The edit's file and that of the very version it was made from; None unless both are there as they are asked.

    Of an edit without windows, too: all of it is made anew, and there is nothing to compare.
    """
    edit, source = plan.take.variant.edit, plan.take.source
    made = store.located(plan.name, plan.key) if edit and source and plan.has_sound else None
    if edit is None or source is None or made is None or not made_windows(made[0]):
        return None
    built_on = set(plan.builds_on)
    versions = (one for one in store.versions(source.name) if not built_on.isdisjoint(one.keys.values()))
    places = ((one, place) for one in versions if (place := store.find(one)) is not None)
    found = next(places, None)
    if found is None:
        return None
    return SoundPair(
        edit=_file(*made), source=_file(*found), windows=made_windows(made[0]), lead_seconds=lead_seconds(edit)
    )


def _file(record: TakeRecord, path: Path) -> SoundFile:
    return SoundFile(path=path, digest=record.digest)
