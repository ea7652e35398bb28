"""Plan, records and measurements of a song -> what the page shows of it, as it is on disk now."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any

from renderer.files import real
from renderer.folders import MEASURED_FOLDER
from renderer.plan.jobs import Why
from renderer.plan.reasons import SET, changes_between
from renderer.provenance import Environment, Provenance
from renderer.report.section_marks import estimated_marks
from renderer.report.sung import Sung, sung
from renderer.report.values import Failure, FormerTake, MadeFrom, Outcome, ReportLyrics, ReportSong, ReportTake
from renderer.settings import EditSettings
from renderer.song import SectionWindow, TakeSource
from renderer.store.takes import PageFacts
from renderer.takes.edited import asked_windows, lead_seconds, made_windows, pair_of
from renderer.takes.measure import stored_difference, stored_measurement, stored_word_errors
from renderer.takes.measurements import measured_folder
from renderer.takes.peaks import NUM_BINS, fold_peaks
from renderer.takes.ranking import SCORES, ranked
from renderer.takes.recipe import edit_told, folder_name
from renderer.takes.sung_facts import sung_facts
from renderer.takes.take_scores import take_scores

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from renderer.plan.jobs import Change, TakePlan
    from renderer.report.last_run import LastRun
    from renderer.song import Song, Take
    from renderer.store.journal_lines import TakeFailedLine
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord
    from renderer.takes.measure import Measurement
    from renderer.takes.ranking import RankedTake
    from renderer.takes.take_scores import TakeScores

_PATHS = re.compile(r"(?<![\w.…/])~?/(?:[^\n`'\"]*?/)*(?P<name>[^\s/`'\":;,)]*)")
_NOTHING = Provenance(notes={}, environment=Environment())
UP = ".."  # from the page's own folder to the outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the takes of a page lie, and what runs told of them."""

    store: Store
    run: LastRun
    up: str = UP
    """The way from the page's folder to the outputs."""
    not_in_specs: frozenset[str] = frozenset()
    """Takes whose seeds the command line gave: no spec asks for them."""


def make_song(
    song: Song, plans: Sequence[TakePlan], around: Surroundings, only_heard: Collection[str] = ()
) -> ReportSong:
    """A song with these of its takes, less those of `only_heard` of which nothing lies on disk."""
    takes: list[ReportTake] = []
    scores: dict[str, TakeScores] = {}
    for plan in plans:
        take, record = _take(plan, around, beside=takes[-1] if takes else None)
        if take.audio is not None or take.name not in only_heard:
            takes.append(take)
        if record and plan.preview is None:
            scores[plan.name] = take_scores(record, around.store)
    return ReportSong(
        name=song.name,
        title=song.title,
        caption=song.caption,
        lyrics=song.lyrics,
        sections=song.sections,
        instrumental=song.instrumental,
        metas=song.metas,
        source=seen_from_project(song.source, around.store.outputs),
        takes=_in_ranks(takes, scores),
    )


def _sung(plan: TakePlan, record: TakeRecord | None, around: Surroundings) -> Sung:
    facts = sung_facts(record, around.store) if record else None
    return sung(facts, plan, is_in_spec=plan.name not in around.not_in_specs)


def _in_ranks(takes: Iterable[ReportTake], scores: Mapping[str, TakeScores]) -> tuple[ReportTake, ...]:
    """The takes with their places among those that can be heard, where anything tells several apart."""
    places = {one.name: one for one in ranked(scores)} if len(scores) > 1 else {}
    counting = {reason.name for place in places.values() for reason in place.reasons if reason.counts}
    by = tuple(row.name for row in SCORES if row.name in counting)
    return tuple(_in_rank(take, places[take.name], by) if by and take.name in places else take for take in takes)


def _in_rank(take: ReportTake, place: RankedTake, by: tuple[str, ...]) -> ReportTake:
    return replace(
        take,
        rank=place.rank,
        ranked_by=by,
        speaks_for=tuple(reason.text for reason in place.speaks_for),
        speaks_against=tuple(reason.text for reason in place.speaks_against),
        unscored=place.unscored,
    )


def _lyrics(song: Song) -> ReportLyrics:
    return ReportLyrics(text=song.lyrics, sections=song.sections, instrumental=song.instrumental)


def _made_from(plan: TakePlan, record: TakeRecord | None, store: Store) -> MadeFrom | None:
    edit = plan.take.variant.edit
    if edit is None:
        return None
    pair = pair_of(plan, store)
    return MadeFrom(
        task=edit.task,
        source=edit.source.take if isinstance(edit.source, TakeSource) else edit.source.path.name,
        is_take=isinstance(edit.source, TakeSource),
        chain=tuple(source.name for source in plan.take.sources),
        windows=made_windows(record) if record else asked_windows(edit, plan.seconds),
        asked=tuple(one.name for one in edit.at if isinstance(one, SectionWindow)),
        keeps_the_rest=edit.repaint_mode != "aggressive",
        lead_seconds=lead_seconds(edit),
        difference=stored_difference(pair.name, measured_folder(store.outputs)) if pair else None,
    )


def _content_said(take: Take) -> dict[str, object]:
    """What a song's variants say anew, as it is in this take; lyrics by the first line that is sung."""
    said = sorted({key for variant in take.song.variants for key in variant.written} - {"seeds", "codes"})
    song = take.song
    known = {"caption": song.caption, "instrumental": song.instrumental, **asdict(song.metas)}
    known |= dict.fromkeys(("lyrics", "lyrics_file"), next(chain.from_iterable(one.lines for one in song.sections), ""))
    return {"lyrics" if name == "lyrics_file" else name: known[name] for name in said}


def _edit_said(take: Take) -> dict[str, object]:
    """How an edit follows its source, where that isn't the usual way."""
    told = edit_told(take) or {}
    return {
        name: told[name]
        for name in ("task_type", "track_name", *(one.name for one in fields(EditSettings)))
        if name in told
    }


def seen_from_project(file: Path, outputs: Path) -> str:
    """A file of the project as seen from it; of outputs elsewhere, its folder's name and its own."""
    seen = Path(os.path.relpath(real(file), real(outputs.parent)))
    return f"{file.absolute().parent.name}/{file.name}" if ".." in seen.parts else seen.as_posix()


def without_places(text: str) -> str:
    """A message without where things lie on this machine: the page is passed on."""
    return _PATHS.sub(lambda match: f"…/{match['name']}", text)


def _take(plan: TakePlan, around: Surroundings, beside: ReportTake | None) -> tuple[ReportTake, TakeRecord | None]:
    """A take with the record of what plays.

    `beside` is the take before it in the song, whose settings are nearly always the same: they are kept once.
    """
    store, run, up = around.store, around.run, around.up
    versions = [(version, place) for version in store.versions(plan.name) if (place := _place(version, store))]
    record, place = _playable(versions, plan)
    failed = run.failed.get(plan.name)
    page = record.page if record else PageFacts()
    provenance = record.provenance if record else _NOTHING
    sounds = stored_measurement(record.digest, measured_folder(store.outputs)) if record else None
    inference = plan.take.variant.inference
    used = {one.name: getattr(inference, one.name) for one in fields(inference)} | dict(
        plan.family.effective(plan.requests)
    )
    used |= _content_said(plan.take) | _edit_said(plan.take)
    settings = {name: _setting(value) for name, value in used.items()}
    heard, song = _sung(plan, record, around), plan.take.song
    shared = beside is not None and beside.variant == plan.take.variant.name and beside.settings == settings
    take = ReportTake(
        name=plan.name,
        variant=plan.take.variant.name,
        seed=plan.take.seed,
        outcome=_outcome(plan, failed),
        why=_why(plan.changes),
        model=folder_name(plan.take.variant.model),
        lm=folder_name(plan.take.variant.lm) if plan.take.variant.lm else None,
        vae=plan.requests[SET]["vae"],
        based_on=plan.requests[SET]["based_on"],
        metas=song.metas,
        caption=song.caption if song.caption != song.as_written.caption else None,
        lyrics=_lyrics(song) if _lyrics(song) != _lyrics(song.as_written) else None,
        made_from=_made_from(plan, record, store),
        settings=beside.settings if beside and shared else settings,
        preview_seconds=plan.preview,
        audio=f"{up}/{place}" if record else None,
        made_at=record.mtime_ns / 1e9 if record else 0.0,
        # Of a preview, what the whole song's layout would be says little.
        marks=heard.marks or (estimated_marks(song.sections, page.seconds) if plan.preview is None else ()),
        marks_estimated=not heard.marks,
        words=heard.words,
        times=heard.times,
        lyrics_score=heard.score,
        skipped=heard.skipped,
        advice=heard.advice,
        num_bytes=record.num_bytes if record else 0,
        duration_seconds=page.seconds,
        peaks=fold_peaks(page.peaks, NUM_BINS),
        recipe=f"{up}/{place.rpartition('.')[0]}.toml" if record else None,
        key8=record.mark if record else plan.key[:8],
        decided=record.recipe.decided if record else None,
        prompts={intern(name.replace("_", " ")): intern(text) for name, text in provenance.prompts.items()},
        seconds=provenance.seconds,
        failure=_failure(failed) if failed and _outcome(plan, failed) is Outcome.FAILED else None,
        degraded=tuple(map(without_places, provenance.degraded)),
        cut=provenance.cut,
        left_out=tuple(map(without_places, provenance.left_out)),
        measured=sounds.measured if sounds else None,
        word_errors=stored_word_errors(record.digest, measured_folder(store.outputs)) if record else None,
        spectrogram=_picture(sounds, up),
        former=tuple(_former(one, f"{up}/{at}", plan, store) for one, at in versions if one is not record),
    )
    return take, record


def _playable(versions: Sequence[tuple[TakeRecord, str]], plan: TakePlan) -> tuple[TakeRecord | None, str]:
    """The version asked for; while it is made again the one that bears the take's name, else the newest."""
    asked = (pair for pair in versions if _is_asked(pair[0], plan))
    named = (pair for pair in versions if pair[1] == pair[0].file)
    return next(asked, None) or next(named, None) or next(iter(versions), (None, ""))


def _picture(sounds: Measurement | None, up: str) -> str | None:
    if sounds is None or sounds.spectrogram is None:
        return None
    return f"{'measured' if up == UP else f'{up}/{MEASURED_FOLDER}'}/{sounds.spectrogram.name}"


def _setting(value: Any) -> str | int | float | bool | None:
    return ", ".join(f"{entry:g}" for entry in value) if isinstance(value, list | tuple) else value


def _outcome(plan: TakePlan, failed: TakeFailedLine | None) -> Outcome:
    if plan.has_sound:
        return Outcome.DONE
    if plan.why is Why.NOT_PICKED:
        return Outcome.NOT_PICKED
    return Outcome.FAILED if failed and failed.key == plan.key else Outcome.WAITING


def _failure(line: TakeFailedLine) -> Failure:
    return Failure(
        stage=line.stage,
        message=without_places(line.message),
        why=without_places(line.why),
        help=without_places(line.help),
    )


def _is_asked(version: TakeRecord, plan: TakePlan) -> bool:
    return version.key == plan.key and not version.remade


def _place(version: TakeRecord, store: Store) -> str:
    """Where a version's audio lies, below the outputs folder; empty when it is gone."""
    place = store.find(version)
    return place.relative_to(store.outputs).as_posix() if place else ""


def _former(version: TakeRecord, audio: str, plan: TakePlan, store: Store) -> FormerTake:
    sounds = stored_measurement(version.digest, measured_folder(store.outputs))
    return FormerTake(
        key8=version.mark,
        audio=audio,
        changes=_why(changes_between(version.requests, plan.requests, plan.take, plan.family)),
        duration_seconds=version.page.seconds,
        peaks=version.page.peaks,
        loudness_lufs=sounds.measured.loudness_lufs if sounds and sounds.measured else None,
    )


def _why(changes: Iterable[Change]) -> str:
    return ", ".join(change.text for change in changes)
