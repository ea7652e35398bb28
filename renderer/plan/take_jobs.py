"""What a take's stages are asked -> its jobs with their keys, and what records hold of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renderer.models.family import family
from renderer.plan.jobs import Input, Job, JobSettings
from renderer.plan.keys import both_json, job_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

    from renderer.models.model_files import ModelFiles, PlannedModel, Settings
    from renderer.models.stage_spec import StageSpec

    Foreign = Mapping[str, Mapping[str, Input]]
    """Stage -> input's name -> what it takes from another take."""
    Recorded = Mapping[str, Mapping[str, object]]
    """Stage -> what it was asked and the settings that count, for records and reasons."""


@dataclass(slots=True, kw_only=True)
class JobMaker:
    """Makes jobs take by take. Takes of a variant come one after the other: what they share is keyed for the first."""

    settings: Settings
    _of_sets: dict[ModelFiles, Mapping[str, JobSettings]] = field(default_factory=dict)
    """Set -> part -> what enters its jobs' keys beside their requests."""
    _last: dict[str, tuple[Job, Mapping[str, object]]] = field(default_factory=dict)
    """Stage -> the last job, and what it was asked."""

    def jobs(
        self,
        requests: Mapping[str, DataclassInstance],
        model: PlannedModel,
        *,
        pinned: Mapping[str, str],
        foreign: Foreign,
        take: str,
    ) -> tuple[tuple[Job, ...], Recorded]:
        """A take's jobs, and what their stages are asked; `pinned` are the keys of what stands in a stage's place."""
        files, settings, stages = model.files, self._settings_of(model), family(model.files.family).stages
        keys, jobs, records = dict(pinned), [], {}
        for stage, request in requests.items():
            spec = stages[stage]
            inputs = {name: Input(stage=need, key=keys[need]) for name, need in spec.needs.items() if need in keys}
            inputs |= foreign.get(stage, {})
            job, records[stage] = self._job(spec, request, settings[spec.part], inputs, files=files, take=take)
            keys[stage] = job.key
            jobs.append(job)
        return tuple(jobs), records

    def _job(
        self,
        spec: StageSpec,
        request: DataclassInstance,
        settings: JobSettings,
        inputs: Mapping[str, Input],
        *,
        files: ModelFiles,
        take: str,
    ) -> tuple[Job, Mapping[str, object]]:
        last, record = self._last.get(spec.name, (None, {}))
        # Equal requests aren't enough: 1 equals 1.0, and is written differently.
        if last and last.request is request and last.settings is settings and last.inputs == inputs:
            key = last.key
        else:
            (asked, in_key), own = both_json(request), settings.as_json
            key = job_key(spec.name, spec.version, in_key, own, {name: one.key for name, one in inputs.items()})
            record = {**asked, **own, "version": spec.version}
        job = Job(spec=spec, key=key, request=request, settings=settings, inputs=inputs, files=files, takes=(take,))
        self._last[spec.name] = job, record
        return job, record

    def _settings_of(self, model: PlannedModel) -> Mapping[str, JobSettings]:
        if model.files not in self._of_sets:
            parts = family(model.files.family).parts
            self._of_sets[model.files] = {
                name: JobSettings(
                    weights=model.weights[name], numerics=model.numerics[name], sizes=part.settings(self.settings)
                )
                for name, part in parts.items()
                if name in model.weights
            }
        return self._of_sets[model.files]
