"""Figures of a machine -> what to set, and how long its renders will take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.models.bench.record import BenchLoad, BenchPace, BenchRecord
from renderer.run.expected import LEAST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from renderer.models.bench.figures import BenchFigure
    from renderer.models.model_files import Settings
    from renderer.pipeline.bench_tasks import BenchSubject
    from renderer.plan.jobs import Job

GAIN = 1.1
"""How much faster something has to be to be suggested."""
IN_THE_KEY = "in the key: takes made so are others"


def as_set(subject: BenchSubject, figures: Sequence[BenchFigure], settings: Settings) -> tuple[BenchFigure, ...]:
    """Those of a part as it runs by these settings, that have a number."""
    tiles = (None, (settings.vae_tile, settings.vae_overlap))
    mine = (one for one in figures if one.part == subject.part and one.dtype == subject.dtype(settings))
    known = (None, *subject.slots(settings))
    return tuple(one for one in mine if one.tile in tiles and one.slots in known and one.seconds is not None)


def suggestions(every: Sequence[BenchSubject], figures: Sequence[BenchFigure], settings: Settings) -> Iterator[str]:
    """What would be faster here by a tenth or more, in words."""
    for one in every:
        own = [figure for figure in figures if figure.part == one.part and figure.seconds and figure.total]
        now = as_set(one, own, settings)
        yield from _slots(own, now)
        yield from _tiles(own, now)
    yield from _dtype(every, figures, settings)


def record(every: Sequence[BenchSubject], figures: Sequence[BenchFigure], settings: Settings) -> BenchRecord:
    """What is kept of them."""
    paces, loads = [], []
    for one in every:
        now = {figure.what: figure for figure in as_set(one, figures, settings)}
        weights = one.jobs[0].settings.weights
        if (load := now.pop("load", None)) and load.seconds:
            loads.append(BenchLoad(weights=weights, seconds=load.seconds))
        known = ((job, now.get(job.stage) or _alike(job, now.values())) for job in one.jobs)
        paces += [BenchPace(stage=job.stage, weights=weights, pace=_pace(job, found)) for job, found in known if found]
    return BenchRecord(paces=tuple(paces), loads=tuple(loads))


def _alike(job: Job, figures: Iterable[BenchFigure]) -> BenchFigure | None:
    """Of a stage that ends where it will, another of its part's in the same units."""
    return next(iter(figures), None) if job.spec.cost.total_is_limit else None


def _pace(job: Job, figure: BenchFigure) -> float:
    """Seconds that a second of song occupies a slot."""
    cost = job.spec.cost
    usual = cost.usual_units if cost.total_is_limit else cost.units(job.request)
    units = usual or figure.total or 1.0
    return (figure.seconds or 0.0) * units / max(LEAST_SECONDS, job.asked_seconds)


def _slots(own: Sequence[BenchFigure], now: Sequence[BenchFigure]) -> Iterator[str]:
    """Of a part that works on several songs at once: how many."""
    current = next((one for one in now if one.slots), None)
    if current is None or not current.slots:
        return
    alike = [one for one in own if (one.what, one.dtype) == (current.what, current.dtype)]
    rates = {one.slots: one.slots / one.seconds for one in alike if one.slots and one.seconds}
    # Of those that are about as fast, the one that takes least memory.
    best = min(slots for slots, rate in rates.items() if rate * GAIN >= max(rates.values()))
    gain = rates[best] / rates[current.slots]
    if gain >= GAIN:
        yield f"--lm-slots {best}: {gain:.1f} × the songs of {current.slots} in the same time ({IN_THE_KEY})"


def _tiles(own: Sequence[BenchFigure], now: Sequence[BenchFigure]) -> Iterator[str]:
    current = next((one.tile for one in now if one.tile), None)
    if current is None:
        return
    whole = {one.tile: one.seconds * one.total for one in own if one.tile and one.seconds and one.total}
    best = min(whole, key=lambda tile: whole[tile])
    gain = whole[current] / whole[best]
    if gain >= GAIN:
        yield f"--vae-tile {best[0]} --vae-overlap {best[1]}: {gain:.1f} × as fast ({IN_THE_KEY})"


def _dtype(every: Sequence[BenchSubject], figures: Sequence[BenchFigure], settings: Settings) -> Iterator[str]:
    """The dtype in which all parts that were measured in both take less time for a song."""
    seconds: dict[str, float] = {}
    for one in every:
        slots = (None, *one.slots(settings))
        mine = [fig for fig in figures if fig.part == one.part and fig.slots in slots and fig.seconds and fig.total]
        stages = {fig.what for fig in mine}
        both = [{fig.dtype: fig for fig in mine if fig.what == stage and fig.tile is None} for stage in stages]
        for by_dtype in (found for found in both if len(found) > 1):
            for dtype, fig in by_dtype.items():
                whole = (fig.seconds or 0.0) * (fig.total or 0.0) / (fig.slots or 1)
                seconds[dtype] = seconds.get(dtype, 0.0) + whole
    if len(seconds) < 2:  # noqa: PLR2004 - nothing to choose from
        return
    best, worst = sorted(seconds, key=lambda dtype: seconds[dtype])[:2]
    gain = seconds[worst] / seconds[best]
    if gain >= GAIN and any(one.dtype(settings) != best for one in every if not one.tiled):
        yield f"--dtype {best}: {gain:.1f} × as fast as {worst} ({IN_THE_KEY})"
