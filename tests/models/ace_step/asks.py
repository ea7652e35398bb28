"""Requests for the stages' tests, and a listener for the LM's."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from renderer.models.ace_step.lm.part import load_lm
from renderer.models.ace_step.protocol.requests import CodesRequest, CotRequest, LatentsRequest
from renderer.models.ace_step.stages import FAMILY
from renderer.models.family import runner_of
from renderer.models.model_files import ModelFiles, Settings
from renderer.models.stage_job import Failed, StageJob
from renderer.settings import DitSettings, LmSampling, Metas, neutral_values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from renderer.artifacts import Cot
    from renderer.models.ace_step.lm.part import LmPart
    from renderer.models.stage_job import LoadedPart

SAMPLING = LmSampling(
    lm_temperature=0.85,
    lm_cfg_scale=2.0,
    lm_top_k=0,
    lm_top_p=0.9,
    lm_repetition_penalty=1.0,
    lm_negative_prompt="NO USER INPUT",
    use_constrained_decoding=True,
)
ALONE = replace(SAMPLING, lm_cfg_scale=1.0, lm_negative_prompt="")
"""As a chain of thought is asked for: without guidance."""
OPEN = Metas()
GIVEN = Metas(bpm=120, keyscale="A minor", timesignature="4", duration=10)


@dataclass
class Heard:
    """Remembers what a stage told, cancels what it is told to."""

    counts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    cancel_after: dict[str, int] = field(default_factory=dict)
    components: list[str] = field(default_factory=list)

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        assert unit == "tokens"
        self.counts.setdefault(job_id, []).append((done, total))

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        assert seconds > 0
        assert num_bytes > 0
        self.components.append(component)

    def cancelled(self, job_id: str) -> bool:
        return len(self.counts.get(job_id, ())) >= self.cancel_after.get(job_id, 10**9)


def cot_request(seed: int = 1, *, sampling: LmSampling = ALONE, **changes: object) -> CotRequest:
    asked = CotRequest(
        **asdict(replace(sampling, lm_seed=seed)),
        caption="a calm piano, warm and slow",
        lyrics="[verse]\nla la la",
        metas=OPEN,
        use_cot_caption=True,
        use_cot_language=True,
        max_duration=60,
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def codes_request(seed: int = 1, *, sampling: LmSampling = SAMPLING, **changes: object) -> CodesRequest:
    asked = CodesRequest(
        **asdict(sampling),
        caption="a calm piano, warm and slow",
        lyrics="[verse]\nla la la",
        metas=GIVEN,
        max_duration=60,
        preview=None,
        seed=seed,
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def latents_request(seed: int = 7, **changes: object) -> LatentsRequest:
    """As a turbo checkpoint is asked, without DCW."""
    settings = neutral_values(DitSettings) | {"inference_steps": 8, "shift": 3.0}
    asked = LatentsRequest(
        **settings,
        caption="synthwave, female vocal",
        lyrics="[Verse]\nHello",
        metas=replace(GIVEN, vocal_language="en"),
        use_cot_caption=True,
        use_cot_language=True,
        max_duration=60,
        seed=seed,
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def job(name: str, request: CotRequest | CodesRequest, cot: Cot | None = None) -> StageJob:
    return StageJob(id=name, request=request, upstream={} if cot is None else {"cot": cot})


def load(
    tiny_set: Path,
    *,
    slots: int = 4,
    dtype: str = "float32",
    device: str = "cpu",
    quantisation: str | None = None,
    heard: Heard | None = None,
) -> LmPart:
    files = ModelFiles(
        family="ace_step",
        name="tiny",
        kind="turbo",
        layout="diffusers",
        dit=str(tiny_set),
        vae=str(tiny_set),
        text_encoder=str(tiny_set),
        lm=str(tiny_set / "lm"),
        lm_quantization=quantisation,
    )
    settings = Settings(device=device, dtype=dtype, threads=1, lm_slots=slots, vae_tile=512, vae_overlap=64)
    return load_lm(files, settings, heard or Heard())


def results(lm: LoadedPart, stage: str, jobs: Sequence[StageJob], heard: Heard | None = None) -> dict[str, object]:
    """Artifacts by job, `Failed` for those that failed."""
    found = runner_of(FAMILY.stages[stage])(lm, jobs, heard or Heard())
    return {result.id: result if isinstance(result, Failed) else result.artifact for result in found}
