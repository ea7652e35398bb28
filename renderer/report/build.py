"""Store, journal and plan -> the report's value, and the page written from it. Renders nothing, waits for no render."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import chain
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any

from renderer import __version__
from renderer.files import real
from renderer.folders import REPORT_FOLDER
from renderer.plan.reasons import SET, changes_between
from renderer.provenance import Environment, Provenance
from renderer.report.values import (
    Failure,
    FormerTake,
    Outcome,
    Report,
    ReportJob,
    ReportLoad,
    ReportRun,
    ReportSong,
    ReportTake,
)
from renderer.store.disk import write_whole
from renderer.store.journal_lines import (
    JobDoneLine,
    JobFailedLine,
    LoadedLine,
    RunEndedLine,
    TakeDoneLine,
    TakeFailedLine,
)
from renderer.store.takes import PageFacts
from renderer.takes.measure import missing_libraries, stored_measurement
from renderer.takes.measurements import MEASURED_FOLDER, measured_folder
from renderer.takes.peaks import NUM_BINS, fold_peaks
from renderer.takes.recipe import folder_name
from renderer.takes.votes import all_picks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from renderer.artifacts import CotMetas
    from renderer.pipeline.project import Project
    from renderer.pipeline.summary import Summary
    from renderer.plan.jobs import Change, Plan, TakePlan
    from renderer.song import Song, Take
    from renderer.store.journal import JournalEntry
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord
    from renderer.takes.measure import Measurement

_PATHS = re.compile(r"(?<![\w.…/])~?/(?:[^\n`'\"]*?/)*(?P<name>[^\s/`'\":;,)]*)")
_NOTHING = Provenance(notes={}, environment=Environment())
UP = ".."  # from the page's own folder to the outputs
NOTES: Mapping[str, str] = {
    "mini": "Rendered with mini, the embedded sketch model: it shows how renderer works, not how ACE-Step sounds.",
}


@dataclass(slots=True)
class LastRun:
    """What the journal tells of the last run: its jobs, not its lines, which are hundreds of thousands at times."""

    started: datetime | None = None
    """None when nothing has run yet."""
    last: datetime | None = None
    """When it last wrote something down."""
    ended: RunEndedLine | None = None
    """The line that ended it; None while it runs, or when it was cut off."""
    jobs: list[ReportJob] = field(default_factory=list)
    loads: list[ReportLoad] = field(default_factory=list)
    num_worker_restarts: int = 0
    done: set[str] = field(default_factory=set)
    """Takes that it rendered."""
    failed: dict[str, TakeFailedLine] = field(default_factory=dict)
    """Take -> how it failed."""
    shards: set[object] = field(default_factory=set)
    """Those that have begun, of a batch that is rendered in shards."""
    num_shards: object = None

    def goes_on_with(self, started: JournalEntry) -> bool:
        """Whether it is another shard of the same batch that starts there, and not the next run."""
        shard, count = started.fields.get("shard"), started.fields.get("shards")
        return shard is not None and count == self.num_shards and shard not in self.shards


def write_page(project: Project, folder: Path | None = None) -> Path:
    """The report of these takes, written anew, into its own folder or another; returns the page.

    Raises: StoreError, OSError when the outputs folder can't be written.
    """
    from renderer.report.page import write_report  # noqa: PLC0415 - jinja2 only when a page is written

    outputs = project.store.outputs
    if folder is None:
        return write_report(make_report(project), outputs / REPORT_FOLDER)
    up = Path(os.path.relpath(real(outputs), real(folder))).as_posix()
    return write_report(make_report(project, up), folder)


def page_after(project: Project, summary: Summary) -> Path:
    """The report after a run; left as it is when it already shows just these takes and nothing was done.

    Raises: StoreError, OSError when the outputs folder can't be written.
    """
    from renderer.report.page import is_whole  # noqa: PLC0415 - jinja2 only where a page is looked for

    page, mark = project.store.outputs / REPORT_FOLDER / "index.html", shown_by(project.store)
    if project.options.shard:
        # The page shows all takes, and of those of other shards this one doesn't know what became.
        mark.unlink(missing_ok=True)
        return write_page(project)
    shows = _fingerprint(summary.plan)
    if len(summary.kept) == len(summary.plan.takes) and is_whole(page) and _text(mark) == shows:
        return page
    written = write_page(project)
    write_whole(project.store.disk, mark, shows.encode())
    return written


def shown_by(store: Store) -> Path:
    """The file that tells what the page shows; without it the next run writes the page."""
    return store.folder / "page-shows"


def _fingerprint(plan: Plan) -> str:
    """What the page shows once all is done: these versions of these takes, with these votes."""
    picks = all_picks({take.take.song.name: take.take.song for take in plan.takes}.values())
    shown = [
        *sorted((take.name, take.key, take.take.song.title) for take in plan.takes),
        *sorted((n, str(p)) for n, p in picks.items()),
    ]
    return hashlib.sha256(f"{__version__} {shown}".encode()).hexdigest()


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def make_report(project: Project, up: str = UP) -> Report:
    """All that the page shows of these takes, as they are on disk now; `up` leads from its folder to the outputs."""
    run, weights = last_run(project.store), dict[str, str]()
    songs = {take.song.name: take.song.as_written for take in project.takes}
    by_song: dict[str, list[ReportTake]] = {name: [] for name in songs}
    # A plan has changed takes first; the page keeps the specs' order, so that nothing jumps while it is looked at.
    places = {take.name: place for place, take in enumerate(project.takes)}
    for plan in project.plans():
        for take in sorted(plan.takes, key=lambda planned: places[planned.take.name]):
            takes = by_song[take.take.song.name]
            takes.append(_take(take, project.store, run, up, beside=takes[-1] if takes else None))
            weights |= _weights(take)
    return Report(
        songs=tuple(_song(song, by_song[name], project.store.outputs) for name, song in songs.items()),
        run=_run(project, weights, run),
        picks=all_picks(songs.values()),
        notes=tuple(_notes(project, by_song)),
    )


def _notes(project: Project, by_song: Mapping[str, Sequence[ReportTake]]) -> Iterator[str]:
    yield from (NOTES[name] for name in sorted({take.variant.model for take in project.takes}) if name in NOTES)
    told = dict.fromkeys(remark for takes in by_song.values() for take in takes for remark in take.left_out)
    yield from (f"{remark[0].upper()}{remark[1:]}." for remark in told)
    if missing_libraries():
        yield "Tempo, key and loudness are not measured: `pip install 'renderer[measure]'` adds what it takes."


def last_run(store: Store) -> LastRun:
    """What the journal tells from the last run's start on."""
    run = LastRun()
    for entry in store.journal.lines():
        if entry.event == "run-started" and not run.goes_on_with(entry):
            run = LastRun()
        _hear(run, entry)
    return run


def _hear(run: LastRun, entry: JournalEntry) -> None:
    run.last = entry.at
    run.started = run.started or run.last
    seconds = (run.last - run.started).total_seconds()
    run.num_worker_restarts += entry.event == "worker-restarted"
    if entry.event == "run-started" and "shard" in entry.fields:
        run.shards.add(entry.fields["shard"])
        run.num_shards = entry.fields.get("shards")
    match entry.line:
        case JobDoneLine() | JobFailedLine() as job:
            run.jobs.append(_job(job, seconds))
        case LoadedLine() as load:
            run.loads.append(_load(load, seconds))
        case TakeDoneLine(take=take):
            run.done.add(take)
        case TakeFailedLine(take=take) as failed:
            run.failed[take] = failed
        case RunEndedLine() as ended:
            run.ended = _together(run.ended, ended) if run.shards and run.ended else run.ended or ended


def _together(one: RunEndedLine, other: RunEndedLine) -> RunEndedLine:
    """What the shards of a batch read and would have read, in all."""
    summed = Counter(one.loads_song_by_song)
    summed.update(other.loads_song_by_song)
    return replace(other, stopped=one.stopped or other.stopped, loads_song_by_song=dict(summed))


def _song(song: Song, takes: Sequence[ReportTake], outputs: Path) -> ReportSong:
    return ReportSong(
        name=song.name,
        title=song.title,
        caption=song.caption,
        lyrics=song.lyrics,
        sections=song.sections,
        instrumental=song.instrumental,
        metas=song.metas,
        source=_source(song, outputs),
        takes=tuple(takes),
    )


def _content_said(take: Take) -> dict[str, object]:
    """What a song's variants say anew, as it is in this take; lyrics by the first line that is sung."""
    said = sorted({key for variant in take.song.variants for key in variant.written} - {"seeds", "codes"})
    song = take.song
    known = {"caption": song.caption, "instrumental": song.instrumental, **asdict(song.metas)}
    known |= dict.fromkeys(("lyrics", "lyrics_file"), next(chain.from_iterable(one.lines for one in song.sections), ""))
    return {"lyrics" if name == "lyrics_file" else name: known[name] for name in said}


def _source(song: Song, outputs: Path) -> str:
    """The spec as seen from the project; of outputs elsewhere, its folder's name and its own."""
    seen = Path(os.path.relpath(real(song.source), real(outputs.parent)))
    return f"{song.source.absolute().parent.name}/{song.source.name}" if ".." in seen.parts else seen.as_posix()


def _anywhere(text: str) -> str:
    """A message without where things lie on this machine: the page is passed on."""
    return _PATHS.sub(lambda match: f"…/{match['name']}", text)


def _take(plan: TakePlan, store: Store, run: LastRun, up: str, beside: ReportTake | None) -> ReportTake:
    """`beside` is the take before it in the song, whose settings are nearly always the same: they are kept once."""
    heard = [(version, place) for version in store.versions(plan.name) if (place := _place(version, store))]
    record, place = next(((one, at) for one, at in heard if _is_asked(one, plan)), (None, ""))
    failed = run.failed.get(plan.name)
    page = record.page if record else PageFacts()
    provenance = record.provenance if record else _NOTHING
    sounds = stored_measurement(record.digest, measured_folder(store.outputs)) if record else None
    inference = plan.take.variant.inference
    used = {one.name: getattr(inference, one.name) for one in fields(inference)} | dict(
        plan.family.effective(plan.requests)
    )
    used |= _content_said(plan.take)
    settings = {name: _setting(value) for name, value in used.items()}
    shared = beside is not None and beside.variant == plan.take.variant.name and beside.settings == settings
    return ReportTake(
        name=plan.name,
        variant=plan.take.variant.name,
        seed=plan.take.seed,
        outcome=_outcome(plan, failed, run),
        why=_why(plan.changes),
        model=folder_name(plan.take.variant.model),
        lm=folder_name(plan.take.variant.lm) if plan.take.variant.lm else None,
        vae=plan.requests[SET]["vae"],
        based_on=plan.requests[SET]["based_on"],
        settings=beside.settings if beside and shared else settings,
        preview_seconds=plan.preview,
        audio=f"{up}/{place}" if record else None,
        num_bytes=record.num_bytes if record else 0,
        duration_seconds=page.seconds,
        peaks=fold_peaks(page.peaks, NUM_BINS),
        recipe=f"{up}/{place.rpartition('.')[0]}.toml" if record else None,
        key8=plan.key[:8],
        decided=_decided(record),
        prompts={intern(name.replace("_", " ")): intern(text) for name, text in provenance.prompts.items()},
        seconds=provenance.seconds,
        failure=_failure(failed) if failed and not record else None,
        degraded=tuple(map(_anywhere, provenance.degraded)),
        cut=provenance.cut,
        left_out=tuple(map(_anywhere, provenance.left_out)),
        measured=sounds.measured if sounds else None,
        spectrogram=_picture(sounds, up),
        former=tuple(_former(one, f"{up}/{at}", plan, store) for one, at in heard if not _is_asked(one, plan)),
    )


def _picture(sounds: Measurement | None, up: str) -> str | None:
    if sounds is None or sounds.spectrogram is None:
        return None
    return f"{'measured' if up == UP else f'{up}/{MEASURED_FOLDER}'}/{sounds.spectrogram.name}"


def _setting(value: Any) -> str | int | float | bool | None:
    return ", ".join(f"{entry:g}" for entry in value) if isinstance(value, list | tuple) else value


def _outcome(plan: TakePlan, failed: TakeFailedLine | None, run: LastRun) -> Outcome:
    if plan.has_sound:
        return Outcome.RENDERED if plan.name in run.done else Outcome.CACHED
    return Outcome.FAILED if failed and failed.key == plan.key else Outcome.WAITING


def _failure(line: TakeFailedLine) -> Failure:
    return Failure(
        stage=line.stage, message=_anywhere(line.message), why=_anywhere(line.why), help=_anywhere(line.help)
    )


def _decided(record: TakeRecord | None) -> CotMetas | None:
    return record.recipe.decided if record else None


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


def _run(project: Project, weights: Mapping[str, str], run: LastRun) -> ReportRun | None:
    if run.started is None or run.last is None:
        return None
    ended = run.ended
    return ReportRun(
        started=run.started.astimezone().strftime("%Y-%m-%d %H:%M"),
        seconds=ended.seconds if ended else (run.last - run.started).total_seconds(),
        ended=_ending(ended),
        jobs=tuple(run.jobs),
        loads=tuple(run.loads),
        loads_song_by_song=ended.loads_song_by_song if ended else {},
        refused=(ended.refused if ended else None) or {},
        num_worker_restarts=run.num_worker_restarts,
        disk_bytes=_disk_bytes(project.store.outputs),
        device=project.settings.device,
        dtype=project.settings.dtype,
        threads=project.settings.threads,
        versions=project.environment.versions,
        weights=weights,
    )


def _ending(line: RunEndedLine | None) -> str:
    """`finished`, or why it stopped and what it left."""
    if line is None:
        return "still running, or cut off"
    return (line.ending or "interrupted") if line.stopped else "finished"


def _weights(take: TakePlan) -> dict[str, str]:
    return {stage: request["weights"] for stage, request in take.requests.items() if "weights" in request}


def _job(line: JobDoneLine | JobFailedLine, at: float) -> ReportJob:
    """`at` is when it ended, in seconds since the run's start."""
    seconds = line.seconds if isinstance(line, JobDoneLine) else 0.0
    return ReportJob(
        stage=intern(line.stage),
        part=intern(line.part),
        takes=tuple(map(intern, line.takes)),
        start_seconds=max(0.0, at - seconds),
        seconds=seconds,
        failed=isinstance(line, JobFailedLine),
    )


def _load(line: LoadedLine, at: float) -> ReportLoad:
    return ReportLoad(
        component=line.component,
        start_seconds=max(0.0, at - line.seconds),
        seconds=line.seconds,
        num_bytes=line.num_bytes,
    )


def _disk_bytes(outputs: Path) -> int:
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _walk(str(outputs)))


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
            else:
                yield entry
