"""Results -> disk: artifacts into the store, waveforms into audio files with recipe, sidecar and record."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from renderer.artifacts import Codes, Cot, Latents, Waveform
from renderer.errors import StoreError
from renderer.models.family import PART_OF, Stage
from renderer.output.audio import peaks, write_audio
from renderer.output.recipe import make_recipe, recipe_tags, recipe_toml
from renderer.output.report.peaks import encode_peaks
from renderer.run.events import RunEvent, TakeDone
from renderer.song import SAMPLE_RATE
from renderer.store.disk import commit, temp_beside, write_whole
from renderer.store.takes import OLD_FOLDER, TakeRecord, file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.models.family import Settings
    from renderer.plan.jobs import Job, Plan, TakePlan
    from renderer.store.encoding import Stored
    from renderer.store.store import Store


class Keeper:
    """The executor's sink: knows the plan's takes, the store and the writers."""

    def __init__(self, plan: Plan, store: Store, settings: Settings, environment: Mapping[str, Any]) -> None:
        self._takes = {take.name: take for take in plan.takes}
        self._store = store
        self._settings = settings
        self._environment = environment
        self.damaged: list[str] = []
        """Jobs whose inputs were set aside as damaged; planning again makes them anew."""

    def upstream(self, job: Job) -> Mapping[Stage, Artifact]:
        """What the job builds on, read from the store with its digest checked.

        Raises: StoreError when it is gone or damaged.
        """
        return {stage: self._read(stage, key, job.key) for stage, key in job.upstream.items()}

    def keep(self, job: Job, artifact: Artifact) -> Iterator[RunEvent]:
        """Artifacts go into the store, a waveform becomes every take that shares it.

        Raises: StoreError when the disk refuses.
        """
        with _disk_faults(self._store):
            if not isinstance(artifact, Waveform):
                self._store.put(job.stage, job.key, artifact, self._made_by(job))
                return
            for name in job.takes:
                record = self._write_take(self._takes[name], artifact)
                self._store.journal.append("take-done", {"take": name, "key": record.key, "file": record.file})
                yield TakeDone(take=self._takes[name], seconds=artifact.samples.shape[1] / SAMPLE_RATE)

    def restore(self, plan: TakePlan) -> None:
        """Give an earlier version its name back; the one that bears it moves to `old/`.

        Raises: StoreError when the disk refuses.
        """
        record = self._store.take(plan.name, plan.key)
        if record is None:
            raise StoreError(f"`{plan.file}` is gone", help="start again: it is made anew from its latents")
        with _disk_faults(self._store):
            self._make_room(plan, record.digest)
            place = self._store.outputs / record.old_file
            place.replace(self._store.outputs / record.file)
            sidecar = place.with_suffix(".toml")
            if sidecar.exists():
                sidecar.replace((self._store.outputs / record.file).with_suffix(".toml"))
            self._store.journal.append("take-restored", {"take": plan.name, "key": plan.key, "file": record.file})

    def _read(self, stage: Stage, key: str, job_key: str) -> Stored:
        artifact = self._store.get(stage, key)
        if artifact is None:
            self.damaged.append(job_key)
            raise StoreError(f"the {stage} this take builds on is gone or damaged", help="it is made again")
        return artifact

    def _made_by(self, job: Job) -> dict[str, Any]:
        return {
            "stage": str(job.stage),
            "key": job.key,
            "upstream": {str(stage): key for stage, key in job.upstream.items()},
            "settings": dict(job.settings),
            "environment": dict(self._environment),
        }

    def _write_take(self, plan: TakePlan, waveform: Waveform) -> TakeRecord:
        cot, notes = self._story(plan)
        notes["waveform"] = dict(waveform.notes)
        recipe = make_recipe(
            plan.take,
            keys={str(stage): key for stage, key in plan.keys.items()} | {"take": plan.key},
            decided=cot.metas if cot else None,
            weights={str(PART_OF[stage]): plan.requests[str(stage)]["weights"] for stage in plan.keys},
            settings=self._counted(plan),
            versions=self._environment["versions"],
        )
        output = plan.take.song.output
        target = self._store.outputs / plan.file
        temp = temp_beside(target)
        try:
            write_audio(waveform, temp, output.format, recipe_tags(recipe, output.recipe))
            digest, num_bytes = file_digest(temp), temp.stat().st_size
            self._make_room(plan, digest)
            commit(self._store.disk, temp, target, num_bytes=num_bytes)
        except BaseException:
            temp.unlink(missing_ok=True)
            raise
        self._write_sidecar(plan, recipe, notes)
        record = TakeRecord(
            key=plan.key,
            take=plan.name,
            song=plan.take.song.name,
            file=plan.file,
            num_bytes=num_bytes,
            mtime_ns=target.stat().st_mtime_ns,
            digest=digest,
            requests=plan.requests,
            keys={str(stage): key for stage, key in plan.keys.items()},
            environment=self._environment,
            recipe=recipe,
            page={
                "peaks": encode_peaks(peaks(waveform)),
                "seconds": waveform.samples.shape[1] / SAMPLE_RATE,
                "notes": notes,
            },
        )
        self._store.put_take(record)
        return record

    def _story(self, plan: TakePlan) -> tuple[Cot | None, dict[str, Any]]:
        """The chain of thought, and what each stage noted while it made its part."""
        cot: Cot | None = None
        notes: dict[str, Any] = {}
        for stage in (Stage.COT, Stage.CODES, Stage.LATENTS):
            artifact = self._store.get(stage, plan.keys[stage]) if stage in plan.keys else None
            if artifact is None:
                continue
            notes[str(stage)] = dict(artifact.notes)
            if isinstance(artifact, Cot):
                cot = artifact
                notes["cot"]["text"] = artifact.text
            if isinstance(artifact, Codes):
                notes["codes"]["num_codes"] = len(artifact.codes)
            if isinstance(artifact, Latents):
                notes["latents"]["num_frames"] = len(artifact.frames)
        return cot, notes

    def _counted(self, plan: TakePlan) -> dict[str, str | int | float]:
        counted = {"lm_slots": self._settings.lm_slots, "vae_tile": self._settings.vae_tile}
        counted["vae_overlap"] = self._settings.vae_overlap
        dtypes = {f"dtype_{PART_OF[stage]}": plan.requests[str(stage)]["dtype"] for stage in plan.keys}
        return {**counted, **dtypes}

    def _write_sidecar(self, plan: TakePlan, recipe: Mapping[str, Any], notes: Mapping[str, Any]) -> None:
        made = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "take": plan.name,
            **{k: v for k, v in self._environment.items() if k != "versions"},
            "seconds": {stage: noted["seconds"] for stage, noted in notes.items() if "seconds" in noted},
            "noted": {stage: _said(noted) for stage, noted in notes.items()},
        }
        path = (self._store.outputs / plan.file).with_suffix(".toml")
        write_whole(self._store.disk, path, recipe_toml(recipe, prompts=prompts_as_sent(notes), made=made).encode())

    def _make_room(self, plan: TakePlan, digest: str) -> None:
        """Send whatever bears the take's name, in any format, to `old/`: nothing but its equal is ever overwritten."""
        for record in self._store.versions(plan.name):
            place = self._store.outputs / record.file
            if record.key != plan.key and place.exists() and self._store.find(record) == place:
                _move(place, self._store.outputs / record.old_file)
        target = self._store.outputs / plan.file
        if target.exists() and (found := file_digest(target)) != digest:
            # Not what was recorded there: altered by hand, or put there by someone else.
            _move(target, _stray_place(target, found[:8]))


def prompts_as_sent(notes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """`latents_text_prompt` -> text: every prompt that the stages noted."""
    return {
        f"{stage}_{name}": value
        for stage, noted in notes.items()
        for name, value in noted.items()
        if _is_prompt(name) and value is not None
    }


def _is_prompt(name: str) -> bool:
    return name.endswith("prompt")


def _said(noted: Mapping[str, Any]) -> dict[str, Any]:
    """What a stage noted beside prompts and time: metas and who said them, counts, time steps."""
    return {name: value for name, value in noted.items() if not _is_prompt(name) and name != "seconds"}


def _stray_place(target: Path, mark: str) -> Path:
    """Where a file that bears a take's name without being recorded goes."""
    return target.parent / OLD_FOLDER / f"{target.stem}.stray-{mark}{target.suffix}"


def _move(place: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    sidecar = place.with_suffix(".toml")
    place.replace(to)
    if sidecar.exists():
        sidecar.replace(to.with_suffix(".toml"))


@contextmanager
def _disk_faults(store: Store) -> Iterator[None]:
    """Say of the operating system's refusals what they mean and what to do."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "free some space, then start again: it goes on where it stopped",
            errno.EDQUOT: "free some of your quota, then start again: it goes on where it stopped",
            errno.EROFS: "the file system is read-only: remount it or give another folder with --out",
            errno.EACCES: "the folder belongs to someone else: give another with --out",
        }
        raise StoreError(
            f"`{store.outputs}` can't be written",
            why=error.strerror or str(error),
            help=advice.get(error.errno or 0, "check the drive, then start again: it goes on where it stopped"),
        ) from error
