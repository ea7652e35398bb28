"""The 5 Hz LM, resident: loads it and runs its stages for a whole list of jobs at once."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from renderer.errors import ModelError, StageError
from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.causal_lm import load_causal_lm
from renderer.models.ace_step.checkpoints.checks import check_codebooks
from renderer.models.ace_step.checkpoints.on_disk import read_lm
from renderer.models.ace_step.jobs import Abandoned, run_alone, value_alone
from renderer.models.ace_step.lm import sampling
from renderer.models.ace_step.lm.apart_rows import ApartRows
from renderer.models.ace_step.lm.decoder import ResidentLm, TorchRows
from renderer.models.ace_step.lm.engine import decode_all
from renderer.models.ace_step.lm.pass_spec import PAIR
from renderer.models.ace_step.lm.phases import CodesPhase, CotPhase
from renderer.models.ace_step.lm.plan_score import PlanJudge
from renderer.models.ace_step.lm.prefill import ApartPrompts, EagerPrompts, Prefill, RecordedPrompts
from renderer.models.ace_step.lm.teacher_forcing import EagerTexts
from renderer.models.ace_step.protocol.tokens import load_tokens
from renderer.models.kernels import attention
from renderer.models.kernels.cuda_graph import cuda_graph, eager
from renderer.models.kernels.decode_attention import PaddedDecode, VarlenDecode
from renderer.models.kernels.elementwise import elementwise
from renderer.models.kernels.packed_linear import pack_layers
from renderer.models.kernels.qwen3 import fuse
from renderer.models.stage_job import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from renderer.artifacts import PlanScore
    from renderer.models.ace_step.lm.decode_request import DecodeRequest, DecodeResult
    from renderer.models.ace_step.lm.decoder import LoadedLm, MakeRows
    from renderer.models.ace_step.lm.phases import Phase, PreparedJob
    from renderer.models.ace_step.lm.prefill import PromptForward
    from renderer.models.ace_step.lm.sampling import Crossing
    from renderer.models.ace_step.protocol.tokens import Tokens
    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import Listener, StageJob

    MakePhase = Callable[[Tokens], Phase]


def _split() -> MakeRows:
    from renderer.models.ace_step.lm.split_rows import SplitRows  # noqa: PLC0415 - Triton is not everywhere

    return SplitRows.of


def crossing_of(way: str) -> Crossing:
    """How draws look for their column beside rows of `ROWS`."""
    if way != "split":
        return sampling.first_above
    from renderer.models.kernels.crossing import first_above  # noqa: PLC0415 - likewise

    return first_above


ROWS: Mapping[str, Callable[[], MakeRows]] = {
    "apart": lambda: ApartRows.of,
    "masked": lambda: partial(TorchRows.of, PaddedDecode.of),
    "ragged": lambda: partial(TorchRows.of, VarlenDecode.of),
    "split": _split,
}
"""By what `device.lm_attention` says."""
PROMPTS: Mapping[str, Callable[[Any], PromptForward]] = {"cpu": ApartPrompts, "cuda": RecordedPrompts}
"""By the type of the device; elsewhere they are eager."""
STEPS_AHEAD = 8  # on CUDA: 40 ms for a host that is kept from launching, and a refill waits for no more


def load_lm(files: ModelFiles, settings: Settings, listener: Listener) -> LmPart:
    """The LM of a model set, resident.

    Raises: ModelError when its folder isn't a 5 Hz LM, ResourceError when the device can't be used.
    """
    if files.lm is None:
        raise ModelError("this model set has no LM", help="name one with --lm, or set `thinking = false`")
    folder = Path(files.lm)
    tokens = load_tokens(folder, read_lm(folder).config["vocab_size"])
    check_codebooks(files, tokens.num_codes)
    began = time.monotonic()
    by_mlx = partial(_by_mlx, quantisation=files.lm_quantization)
    lm, num_bytes = (by_mlx if settings.device == devices.MLX else _by_torch)(folder, settings)
    listener.loaded("lm", time.monotonic() - began, num_bytes)
    return LmPart(lm, tokens, settings.lm_slots)


def _by_torch(folder: Path, settings: Settings) -> tuple[LoadedLm, int]:
    """The LM and its weights' bytes."""
    device = devices.prepare(settings.device, settings.threads)
    dtype = devices.dtypes(settings.device, settings.dtype).lm
    model = load_causal_lm(folder, dtype=getattr(torch, dtype), device=device, attention=attention.NAME)
    way = devices.lm_attention(settings.device, dtype)
    # In place, layer by layer: the LM is never held twice.
    own = elementwise(by_triton=way == "split")
    fuse(model.model, own)
    if devices.packs_lm(settings.device, dtype):
        pack_layers(model.model, PAIR * settings.lm_slots)
    # A CUDA device works beside the host, and a step's launches take longer than the step; elsewhere nothing is gained.
    on_cuda = device.type == "cuda"
    lm = ResidentLm(
        model=model,
        device=device,
        dtype=getattr(torch, dtype),
        launch=cuda_graph if on_cuda else eager,
        prefill=Prefill(
            PROMPTS.get(device.type, EagerPrompts)(model.model), prompt_bucket=devices.lm_prompt_bucket(settings.device)
        ),
        texts=EagerTexts(model.model, own),
        make_rows=ROWS[way](),
        steps_ahead=STEPS_AHEAD if on_cuda else 1,
        crossing=crossing_of(way),
    )
    devices.synchronise(device)
    return lm, sum(weights.nbytes for weights in model.parameters())


def _by_mlx(folder: Path, settings: Settings, quantisation: str | None) -> tuple[LoadedLm, int]:
    """The LM and its weights' bytes."""
    from renderer.models.ace_step.lm.mlx.load import load  # noqa: PLC0415 - an extra of its own

    devices.prepare("cpu", settings.threads)
    dtype = devices.dtypes(settings.device, settings.dtype).lm
    lm = load(folder, dtype=dtype, quantisation=quantisation)
    return lm, lm.model.num_bytes


class LmPart:
    """The resident LM with `lm_slots` pairs of rows."""

    def __init__(self, lm: LoadedLm, tokens: Tokens, lm_slots: int) -> None:
        self._lm: LoadedLm | None = lm
        self._tokens, self._lm_slots = tokens, lm_slots

    def with_slots(self, lm_slots: int) -> LmPart:
        """The same resident LM with so many pairs of rows."""
        if self._lm is None:
            raise RuntimeError("the LM was closed")
        return LmPart(self._lm, self._tokens, lm_slots)

    def cot(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """Chains of thought of all jobs, decoded together."""
        return self._run(CotPhase, jobs, listener)

    def codes(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """Codes of all jobs, decoded together."""
        return self._run(CodesPhase, jobs, listener)

    def plan_score(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """What the LM reads in codes, plan after plan; on a device beside the host, one is always under way."""
        judge, prefetch = PlanJudge(lm=self._open, tokens=self._tokens), int(self._open.steps_ahead > 1)
        waiting: deque[tuple[StageJob, Callable[[], PlanScore] | Failed]] = deque()
        for job in jobs:
            with suppress(Abandoned):
                waiting.append((job, value_alone(job, partial(judge.begin, job, listener))))
            if len(waiting) > prefetch:
                yield from _scored(*waiting.popleft())
        while waiting:
            yield from _scored(*waiting.popleft())

    def _run(self, kind: MakePhase, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        phase, prepared = self._phase(kind), dict[str, "PreparedJob"]()
        for job in jobs:
            try:
                prepared[job.id] = phase.prepare(job)
            except StageError as error:
                yield _failed(job.id, error)
        for result in self._decode([entry.request for entry in prepared.values()], listener):
            if isinstance(result, Failed):
                yield result
            else:
                yield _done(phase, prepared[result.id], result)

    def close(self) -> None:
        """Drop the weights and free the device's memory."""
        if self._lm is not None:
            release, self._lm = self._lm.release, None
            release()

    def _phase(self, kind: MakePhase) -> Phase:
        return _made(kind, self._tokens)

    def _decode(self, requests: Sequence[DecodeRequest], listener: Listener) -> Iterator[DecodeResult | Failed]:
        yield from decode_all(self._open, requests, self._lm_slots, self._open.free_bytes(), listener)

    @property
    def _open(self) -> LoadedLm:
        if self._lm is None:
            raise RuntimeError("the LM was closed")
        return self._lm


@lru_cache(maxsize=4)
def _made(kind: MakePhase, tokens: Tokens) -> Phase:
    """Made when first needed, and kept for the next load: the grammar for a real vocabulary takes a second."""
    return kind(tokens)


def _scored(job: StageJob, score: Callable[[], PlanScore] | Failed) -> Iterator[Done | Failed]:
    if isinstance(score, Failed):
        yield score
    else:
        yield from run_alone(job, score)


def _done(phase: Phase, prepared: PreparedJob, result: DecodeResult) -> Done | Failed:
    try:
        return Done(id=result.id, artifact=phase.read(prepared, result))
    except StageError as error:
        return _failed(result.id, error)


def _failed(job_id: str, error: StageError) -> Failed:
    return Failed(id=job_id, message=error.message, why=error.why, help=error.help)
