"""Results -> disk: artifacts into the store, waveforms into audio files with recipe, sidecar and record."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Self

from renderer.artifacts import Cot, Timestamps, Waveform
from renderer.errors import InputLost, StoreError
from renderer.facts import SAMPLE_RATE
from renderer.models.numerics import words_of
from renderer.plan.make import score_in
from renderer.plan.reasons import SET
from renderer.provenance import Origin, Provenance
from renderer.run.events import RunEvent, TakeDone
from renderer.run.sink import PendingWrite
from renderer.store.disk_faults import disk_faults
from renderer.store.journal_lines import TakeDoneLine
from renderer.store.takes import PageFacts, TakeRecord
from renderer.takes.audio import read_sound
from renderer.takes.audio_writers import AudioWriterPool
from renderer.takes.lrc import add_lrc, add_result, has_lrc
from renderer.takes.recipe import make_recipe, recipe_tags
from renderer.takes.retag import retag
from renderer.takes.sidecar import make_sidecar
from renderer.takes.sung_facts import sung_facts_text
from renderer.takes.timed_text import lrc_text
from renderer.takes.versions import put_version, restore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from renderer.artifacts import Artifact, CotMetas
    from renderer.models.model_files import Settings
    from renderer.plan.jobs import Input, Job, Plan, TakePlan
    from renderer.plan.picking import PlanPick
    from renderer.provenance import Environment, Notes
    from renderer.store.recipe import Recipe
    from renderer.store.store import Store
    from renderer.store.takes import Requests
    from renderer.takes.audio_writers import PendingFile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A take whose audio is being written."""

    plan: TakePlan
    recipe: Recipe
    provenance: Provenance
    seconds: float
    """Of sound."""
    lrc: bytes | None
    """What lies beside it, where the timestamps were there before the sound."""
    sung: str
    """What the page tells of those; empty without."""
    file: Future[PendingFile]


class ResultWriter:
    """The executor's sink: knows the plan's takes, the store and the writers; a context manager."""

    def __init__(
        self, plan: Plan, store: Store, settings: Settings, environment: Environment, num_workers: int = 1
    ) -> None:
        self._takes = {take.name: take for take in plan.takes}
        self._pinned = {key: artifact for take in plan.takes for key, artifact in take.pinned.items()}
        self._store = store
        self._settings = settings
        self._environment = environment
        self._pool = AudioWriterPool(store.disk, settings.device, num_workers)
        self._chosen: dict[PlanPick, frozenset[str]] = {}
        self.damaged: set[str] = set()
        """Takes whose inputs were set aside as damaged; planning them again makes those anew."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    @property
    def spool_folder(self) -> Path:
        """The store's own, whose temporary files are cleared by whoever holds the lock next."""
        return self._store.folder

    def upstream(self, job: Job) -> Mapping[str, Artifact]:
        """What the job builds on, read from the store with its digest checked.

        Raises: InputLost when it is gone or damaged, StoreError when the folder can't be read.
        """
        self._store.require_there()
        with disk_faults(self._store):
            if job.spec.gives_sound:
                self._require_story(job)
            return {name: self._input(one, job) for name, one in job.inputs.items()}

    def is_picked(self, job: Job) -> bool:
        """Whether the job is for a take whose plan scored well enough; decided once, by what is in the store."""
        for pick in job.picks:
            if pick not in self._chosen:
                self._chosen[pick] = pick.chosen(partial(score_in, self._store))
        return any(not self._chosen[pick].isdisjoint(job.takes) for pick in job.picks)

    @property
    def left_out(self) -> frozenset[str]:
        """The takes that aren't finished, of what is decided so far."""
        return frozenset(name for pick, chosen in self._chosen.items() for name in pick.takes if name not in chosen)

    def write(self, job: Job, artifact: Artifact) -> PendingWrite:
        """Artifacts go into the store, a waveform becomes every take that shares it.

        Raises: InputLost when what belongs to a take is damaged, StoreError when the disk refuses.
        """
        if not isinstance(artifact, Waveform):
            return PendingWrite(finish=partial(self._put, job, artifact))
        self._store.require_there()
        with disk_faults(self._store):
            own = [self._takes[name] for name in job.takes if job.key in self._takes[name].keys.values()]
            begun = [self._begin_take(take, artifact) for take in own]
        return PendingWrite(
            finish=partial(self._name_takes, begun),
            waits_for=tuple(take.file for take in begun),
            num_bytes=artifact.samples.nbytes,
        )

    def restore(self, plan: TakePlan) -> None:
        """Give a former version its name back; the one that bears it moves to `old/`.

        Raises: StoreError when the disk refuses.
        """
        record = self._store.take(plan.name, plan.key)
        if record is None:
            raise StoreError(f"`{plan.file}` is gone", help="start again: it is made anew from its latents")
        with disk_faults(self._store):
            restore(self._store, record)
            self._store.journal.append("take-restored", {"take": plan.name, "key": plan.key, "file": record.file})

    def retag(self, plan: TakePlan) -> bool:
        """Write a take's tags anew; False when its audio is damaged: it is then set aside, to be made again.

        Raises: StoreError when the disk refuses.
        """
        with disk_faults(self._store):
            record = retag(self._store, plan)
            if record is None:
                self.damaged.add(plan.name)
                return False
            self._store.journal.append("take-retagged", {"take": plan.name, "key": plan.key, "file": record.file})
        return True

    def _require_story(self, job: Job) -> None:
        """What stages decided is told in the audio's tags, so it must be there before there is audio."""
        for name in job.takes:
            for stage, key in self._takes[name].keys.items():
                if self._takes[name].family.stages[stage].told_in_tags:
                    self._read(stage, key, job)

    def _input(self, one: Input, job: Job) -> Artifact:
        """An artifact, or another take's sound, which is its audio file."""
        owner = next((take for take in self._takes.values() if take.keys.get(take.sound) == one.key), None)
        if owner is None or one.stage != owner.sound:
            return self._read(one.stage, one.key, job)
        found = self._store.located(owner.name, owner.key)
        if found is None:
            raise self._lost(one.stage, (owner.name, *job.takes))
        return read_sound(found[1])

    def _read(self, stage: str, key: str, job: Job) -> Artifact:
        artifact = self._find(stage, key)
        if artifact is None:
            raise self._lost(stage, job.takes)
        return artifact

    def _find(self, stage: str, key: str) -> Artifact | None:
        return self._pinned.get(key) or self._store.get(stage, key)

    def _lost(self, stage: str, takes: Sequence[str]) -> InputLost:
        self.damaged.update(takes)
        return InputLost(f"the {stage} this take builds on is gone or damaged", help="it is made again")

    def _origin(self, job: Job) -> Origin:
        return Origin(
            stage=str(job.stage),
            key=job.key,
            upstream={str(stage): key for stage, key in job.upstream.items()},
            settings=job.settings.as_json,
            environment=self._environment,
        )

    def _put(self, job: Job, artifact: Artifact) -> Iterator[RunEvent]:
        self._store.require_there()
        with disk_faults(self._store):
            # Before the artifact: cut off in between, it isn't there, and is made and put beside the sound again.
            for take in map(self._takes.__getitem__, job.takes if job.spec.wanted else ()):
                if take.keys.get(job.stage) == job.key:  # not of an edit that asks when its source's sections are
                    self._add_beside(take, job.stage, artifact)
            self._store.put(job.stage, job.key, artifact, self._origin(job))
        return iter(())

    def complete(self, plan: TakePlan) -> bool:
        """Tell beside a finished take of what it wants and is there; False where nothing was to do.

        Raises: StoreError when the disk refuses.
        """
        with disk_faults(self._store):
            wanted = [stage for stage in plan.keys if plan.family.stages[stage].wanted]
            found = [(stage, self._find(stage, plan.keys[stage])) for stage in wanted]
            added = [self._add_beside(plan, stage, one) for stage, one in found if one is not None]
            return any(added)

    def _add_beside(self, plan: TakePlan, stage: str, artifact: Artifact) -> bool:
        """Beside the audio, where that is there already and doesn't have it."""
        record = self._store.take(plan.name, plan.key)
        if record is None or self._store.find(record) != self._store.outputs / plan.file:
            return False
        if isinstance(artifact, Timestamps):
            if has_lrc(self._store, record):
                return False
            add_lrc(self._store, record, stage, plan.keys[stage], artifact)
            return True
        if record.keys.get(stage) == plan.keys[stage] and stage in record.page.notes:
            return False
        add_result(self._store, record, stage, plan.keys[stage], artifact)
        return True

    def _begin_take(self, plan: TakePlan, waveform: Waveform) -> _Begun:
        """What is told of a take, gathered now, and its audio file, which is written meanwhile."""
        cot, timestamps, notes = self._story(plan)
        provenance = Provenance(notes={**notes, plan.sound: waveform.notes}, environment=self._environment)
        recipe = self._recipe(plan, cot.metas if cot else None, provenance)
        output = plan.take.song.output
        tags = recipe_tags(recipe, output.recipe, plan.family.note)
        return _Begun(
            plan=plan,
            recipe=recipe,
            provenance=provenance,
            seconds=waveform.samples.shape[1] / SAMPLE_RATE,
            lrc=lrc_text(timestamps).encode() if timestamps else None,
            sung=sung_facts_text(timestamps) if timestamps else "",
            file=self._pool.begin(waveform, self._store.outputs / plan.file, output.format, tags),
        )

    def _name_takes(self, begun: Sequence[_Begun]) -> Iterator[RunEvent]:
        """Give the audio files their names as they are done; each is on disk before it is told."""
        for take in begun:
            self._store.require_there()
            with disk_faults(self._store):
                record = self._name_take(take)
                self._store.journal.add(TakeDoneLine(take=record.take, key=record.key, file=record.file))
            yield TakeDone(take=take.plan, seconds=take.seconds, remarks=take.provenance.remarks)

    def _name_take(self, take: _Begun) -> TakeRecord:
        with _named(take.plan):
            file = take.file.result()
        try:
            made = datetime.now(UTC).isoformat(timespec="seconds")
            sidecar = make_sidecar(take.plan.name, take.recipe, take.provenance, made)
            record = self._record(take, file, sidecar)
            put_version(self._store, record, file.temp, sidecar, take.lrc)
        finally:
            self._pool.forget(file.temp)
        self.complete(take.plan)  # what another worker made meanwhile
        return record

    def _record(self, take: _Begun, file: PendingFile, sidecar: bytes) -> TakeRecord:
        plan = take.plan
        return TakeRecord(
            key=plan.key,
            take=plan.name,
            song=plan.take.song.name,
            file=plan.file,
            num_bytes=file.num_bytes,
            mtime_ns=file.mtime_ns,
            digest=file.digest,
            sidecar_digest=hashlib.sha256(sidecar).hexdigest(),
            lrc_digest=hashlib.sha256(take.lrc).hexdigest() if take.lrc is not None else "",
            requests=plan.requests,
            keys={str(stage): key for stage, key in plan.keys.items()},
            environment=self._environment,
            recipe=take.recipe,
            page=PageFacts(peaks=file.peaks, seconds=take.seconds, notes=take.provenance.notes, sung=take.sung),
        )

    def _recipe(self, plan: TakePlan, decided: CotMetas | None, provenance: Provenance) -> Recipe:
        requests = {stage: plan.requests[str(stage)] for stage in plan.keys if str(stage) in plan.requests}
        libraries = {"renderer", *plan.family.libraries}
        return make_recipe(
            plan.take,
            keys={str(stage): key for stage, key in plan.keys.items()} | {"take": plan.key},
            decided=decided,
            weights={str(plan.family.stages[stage].part): request["weights"] for stage, request in requests.items()},
            settings=self._counted(plan, requests),
            versions={one: version for one, version in self._environment.versions.items() if one in libraries},
            effective=plan.family.effective(requests),
            vae=plan.requests[SET]["vae"],
            degraded=provenance.degraded,
            cut=provenance.cut,
        )

    def _story(self, plan: TakePlan) -> tuple[Cot | None, Timestamps | None, dict[str, Notes]]:
        """The chain of thought, the timestamps, and what each stage noted while it made its part."""
        cot: Cot | None = None
        timestamps: Timestamps | None = None
        notes: dict[str, Notes] = {}
        for stage, key in plan.keys.items():
            spec = plan.family.stages[stage]
            artifact = None if spec.gives_sound else self._find(stage, key)
            if artifact is not None:
                cot = artifact if isinstance(artifact, Cot) else cot
                timestamps = artifact if isinstance(artifact, Timestamps) else timestamps
                notes[stage] = artifact.take_notes
            elif spec.told_in_tags:
                raise self._lost(stage, (plan.name,))
        return cot, timestamps, notes

    def _counted(self, plan: TakePlan, requests: Requests) -> dict[str, str | int | float]:
        parts = plan.family.parts
        counted: dict[str, str | int | float] = {
            name: value for part in parts.values() for name, value in part.settings(self._settings).items()
        }
        if plan.preview:
            counted["preview"] = plan.preview
        dtypes = {f"dtype_{plan.family.stages[stage].part}": words_of(request) for stage, request in requests.items()}
        return {**counted, **dtypes}


@contextmanager
def _named(plan: TakePlan) -> Iterator[None]:
    """Tell of a file that couldn't be written under the name it was to have."""
    try:
        yield
    except StoreError as error:
        raise StoreError(
            f"`{plan.file}` can't be written",
            why=error.why or error.message,
            help="free some space or check the drive, then start again: it goes on where it stopped",
        ) from error
