"""Many songs through few slots: nobody hears a neighbour, nobody waits for one, one fault costs one song."""

from __future__ import annotations

import gc
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import psutil
import pytest
import torch

from renderer.artifacts import Codes, Cot
from renderer.errors import ResourceError
from renderer.models.ace_step.lm import sampling
from renderer.models.ace_step.lm.decoder import Pass, ResidentLm
from renderer.models.ace_step.lm.engine import decode_all
from renderer.models.ace_step.lm.phases import CodesPhase
from renderer.models.stage_job import Failed
from renderer.settings import Metas
from tests.models.ace_step.asks import (
    OPEN,
    SAMPLING,
    Heard,
    codes_request,
    cot_request,
    job,
    load,
    results,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from renderer.models.ace_step.lm.decode_request import DecodeRequest
    from renderer.models.ace_step.lm.decoder import LoadedLm
    from renderer.models.ace_step.lm.part import LmPart
    from renderer.models.stage_job import StageJob

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
NO_MPS = pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no Metal device")


@dataclass(frozen=True)
class Backend:
    """What an LM is computed by, and in what."""

    device: str
    dtype: str = "float32"
    quantisation: str | None = None

    def load(self, folder: Path, *, slots: int = 4) -> LmPart:
        if self.device == "mlx":
            pytest.importorskip("mlx.core")
        return load(folder, slots=slots, dtype=self.dtype, device=self.device, quantisation=self.quantisation)


def _backend(device: str, dtype: str, quantisation: str | None = None) -> Any:
    marks = {"cuda:0": [pytest.mark.gpu, NO_CUDA], "mps": [pytest.mark.gpu, NO_MPS]}.get(device, [])
    name = "-".join(filter(None, (device, dtype, quantisation)))
    return pytest.param(Backend(device, dtype, quantisation), id=name, marks=marks)


BACKENDS = [
    *(_backend(device, dtype) for device in ("cpu", "mlx", "cuda:0", "mps") for dtype in ("float32", "bfloat16")),
    _backend("mlx", "bfloat16", "8bit"),
]
on_every_backend = pytest.mark.parametrize("backend", BACKENDS)
"""Of what hangs on how it is computed."""
on_both_libraries = pytest.mark.parametrize("backend", [_backend("cpu", "float32"), _backend("mlx", "float32")])
"""Of what hangs on the library alone."""


@dataclass
class Counted:
    """An LM, with its prompts and steps counted."""

    lm: Any
    prompts: int = 0
    steps: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lm, name)

    def prefill(self, prompts: Any) -> Any:
        self.prompts += 1
        return self.lm.prefill(prompts)

    def rows(self, spec: Any, tokens: Any, positions: Any) -> Any:
        rows = self.lm.rows(spec, tokens, positions)
        made, rows_logits = self, rows.logits

        class CountedRows:
            fill = staticmethod(rows.fill)

            @staticmethod
            def logits() -> Any:
                made.steps += 1
                return rows_logits()

        return CountedRows()


def counted(lm: LmPart) -> Counted:
    found = Counted(lm._lm)
    lm._lm = cast("LoadedLm", found)
    return found


def songs(count: int) -> list[StageJob]:
    """Songs of different captions, lengths and settings."""
    return [
        job(
            f"song {number}",
            codes_request(
                number,
                caption=f"{'slow ' * (number % 9)}piano",
                metas=replace(OPEN, duration=1 + number * 7 % 5),
                sampling=replace(SAMPLING, lm_temperature=0.5 + number % 3 / 2, lm_top_k=number % 2 * 40),
            ),
        )
        for number in range(count)
    ]


def codes_of(lm: LmPart, jobs: Sequence[StageJob], heard: Heard | None = None) -> dict[str, list[int]]:
    found = results(lm, "codes", jobs, heard)
    return {name: result.codes.tolist() for name, result in found.items() if isinstance(result, Codes)}


def decodes_of(lm: LmPart, jobs: Sequence[StageJob]) -> list[DecodeRequest]:
    return [lm._phase(CodesPhase).prepare(one).request for one in jobs]


@torch.inference_mode()
def logits_of(lm: LmPart, ours: DecodeRequest, others: Sequence[DecodeRequest], slot: int) -> torch.Tensor:
    """Logits [steps, rows, columns] of `ours` in a slot, with others in the rest."""
    loaded: Any = lm._lm
    running = Pass(loaded, ours.pass_spec, 4)
    free = [number for number in range(4) if number != slot]
    for decode, where in [*zip(others, free, strict=False), (ours, slot)]:
        randoms = sampling.uniforms(decode.seed, decode.stream, decode.max_tokens)
        running.fill(where, loaded.prefill(decode.prompts), decode.settings, randoms)
    seen = []
    for _ in range(15):
        running.forward()
        seen.append(running._logits[[slot, slot + 4]].clone())
        running.draw()
    return torch.stack(seen)


@on_every_backend
def test_a_songs_logits_are_the_same_bits_alone_and_among_others(wide_set: Path, backend: Backend) -> None:
    lm = backend.load(wide_set)
    ours, *others = decodes_of(lm, [job(str(seed), codes_request(seed, caption="la " * seed)) for seed in range(1, 5)])

    alone = logits_of(lm, ours, [], 0)

    assert torch.equal(alone, logits_of(lm, ours, [], 3))
    assert torch.equal(alone, logits_of(lm, ours, others, 1))
    assert torch.equal(alone, logits_of(lm, ours, others[::-1], 2))


@pytest.mark.slow
@on_every_backend
def test_a_songs_codes_are_the_same_alone_in_a_batch_and_in_any_order(wide_set: Path, backend: Backend) -> None:
    lm = backend.load(wide_set, slots=3)
    jobs = songs(20)
    shuffled = random.Random(1).sample(jobs, len(jobs))

    together = codes_of(lm, jobs)

    assert len(together) == 20
    assert codes_of(lm, shuffled) == together
    assert codes_of(lm, jobs[5:8]) == {one.id: together[one.id] for one in jobs[5:8]}
    for one in jobs[::6]:
        assert codes_of(lm, [one]) == {one.id: together[one.id]}


def ahead(lm: LmPart, steps: int = 8) -> LmPart:
    """The same LM, read only every few steps."""
    lm._lm = replace(cast(ResidentLm, lm._lm), steps_ahead=steps)
    return lm


def open_songs(count: int) -> list[StageJob]:
    """Songs that may end before their count, under the rules of codes or without any."""
    return [
        job(
            f"open {number}",
            codes_request(
                number,
                caption=f"{'slow ' * (number % 5)}piano",
                metas=OPEN,
                preview=4.0 + number % 3,
                use_constrained_decoding=rules,
                sampling=replace(SAMPLING, lm_temperature=2.0),
            ),
        )
        for rules in (True, False)
        for number in range(count)
    ]


def asked_of(stage: str) -> list[StageJob]:
    if stage == "cot":
        return [
            job(f"song {seed}", cot_request(seed, caption="la " * (seed % 4 + 1), use_cot_caption=False))
            for seed in range(7)
        ]
    return songs(20)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["cot", "codes"])
def test_steps_launched_before_the_last_ones_tokens_are_read_change_no_token(tiny_set: Path, stage: str) -> None:
    lm, jobs = load(tiny_set, slots=3), asked_of(stage)
    waited = results(lm, stage, jobs)

    ran_ahead = results(ahead(lm), stage, jobs)

    assert len(waited) == len(jobs)
    assert list(ran_ahead) == list(waited)
    for name, artifact in waited.items():
        told = artifact.text if isinstance(artifact, Cot) else cast("Codes", artifact).codes.tolist()
        again = ran_ahead[name]
        assert told == (again.text if isinstance(again, Cot) else cast("Codes", again).codes.tolist())


@torch.no_grad()
def test_a_song_that_ends_by_itself_ends_there_whatever_was_launched_behind(tiny_set: Path) -> None:
    lm = load(tiny_set, slots=2)
    model: Any = lm._lm
    model.model.lm_head.weight[lm._tokens.end] *= 20  # so that many end early
    decodes = [lm._phase(CodesPhase).prepare(one).request for one in open_songs(4)]

    def tokens_of(lm: LmPart) -> dict[str, tuple[int, ...]]:
        return {one.id: one.tokens for one in decode_all(lm._lm, decodes, 2, 2**40, Heard())}  # type: ignore[union-attr,arg-type]

    waited = tokens_of(lm)

    lengths = {len(waited[one.id]) - one.max_tokens for one in decodes}
    assert min(lengths) < 0
    assert len(lengths) > 2
    assert tokens_of(ahead(lm)) == waited


@pytest.mark.slow
@on_both_libraries
def test_a_chain_of_thought_is_the_same_alone_and_in_a_batch(tiny_set: Path, backend: Backend) -> None:
    lm = backend.load(tiny_set, slots=3)
    jobs = [job(str(seed), cot_request(seed, use_cot_caption=seed % 2 == 0)) for seed in range(5)]

    together = results(lm, "cot", jobs)

    alone = cast("Any", results(lm, "cot", [jobs[2]])["2"])
    assert alone.text == cast("Any", together["2"]).text


@on_both_libraries
def test_takes_with_one_chain_of_thought_run_its_prompt_once(tiny_set: Path, backend: Backend) -> None:
    lm = backend.load(tiny_set, slots=2)
    ran = counted(lm)

    found = codes_of(lm, [job(str(seed), codes_request(seed, preview=1.0)) for seed in range(6)])

    assert len(set(map(tuple, found.values()))) == 6
    assert ran.prompts == 1


@pytest.mark.parametrize("steps_ahead", [1, 8])
@on_both_libraries
def test_a_slot_is_refilled_at_once(tiny_set: Path, backend: Backend, steps_ahead: int) -> None:
    """Two slots and songs of 10, 5 and 5 codes take ten steps, not fifteen."""
    lm = ahead(backend.load(tiny_set, slots=2), steps_ahead)
    ran = counted(lm)

    codes_of(lm, [job(str(seconds), codes_request(metas=replace(OPEN, duration=seconds))) for seconds in (1, 2, 1.01)])

    assert ran.steps == 10


@on_both_libraries
def test_progress_counts_every_token(tiny_set: Path, backend: Backend) -> None:
    heard = Heard()

    codes_of(backend.load(tiny_set), [job("a", codes_request(preview=1.0))], heard)

    assert heard.counts == {"a": [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]}


@on_both_libraries
def test_a_cancelled_song_stops_at_the_next_token_and_the_others_go_on(tiny_set: Path, backend: Backend) -> None:
    lm, jobs = backend.load(tiny_set, slots=2), songs(5)
    heard = Heard(cancel_after={"song 1": 3, "song 4": 0})

    found = codes_of(lm, jobs, heard)

    assert sorted(found) == ["song 0", "song 2", "song 3"]
    assert len(heard.counts["song 1"]) == 3
    assert "song 4" not in heard.counts
    assert found["song 2"] == codes_of(lm, [jobs[2]])["song 2"]


def test_a_song_cancelled_while_steps_are_under_way_leaves_its_slot_to_the_next(tiny_set: Path) -> None:
    lm, jobs = ahead(load(tiny_set, slots=2)), songs(5)
    heard = Heard(cancel_after={"song 1": 1, "song 4": 0})

    found = codes_of(lm, jobs, heard)

    assert sorted(found) == ["song 0", "song 2", "song 3"]
    assert heard.counts["song 1"] == heard.counts["song 1"][:1]
    assert found["song 2"] == codes_of(load(tiny_set, slots=2), [jobs[2]])["song 2"]


def poison(lm: Any, token: int) -> None:
    """Make NaN of what a token is embedded as."""
    if isinstance(lm, ResidentLm):
        with torch.no_grad():
            lm.model.model.embed_tokens.weight[token] = torch.nan
    else:
        # Of weights in 8 bits their offsets.
        lm.model.embedding.arrays[-1][token] = float("nan")


@pytest.mark.slow
@pytest.mark.parametrize("steps_ahead", [1, 8])
@pytest.mark.parametrize("backend", [*on_both_libraries.args[1], BACKENDS[-1]])
def test_nan_costs_the_song_it_appears_in(wide_set: Path, backend: Backend, steps_ahead: int) -> None:
    """Also its slot is clean for the next song."""
    lm = ahead(backend.load(wide_set, slots=2), steps_ahead)
    bad = job("bad", codes_request(caption="quiz"))
    good = [job(f"good {seed}", codes_request(seed)) for seed in range(5)]
    expected = codes_of(lm, good)
    decode, *others = decodes_of(lm, [bad, *good])
    (token, *_) = set(decode.prompt) - {token for other in others for token in other.prompt}
    poison(lm._lm, token)

    found = results(lm, "codes", [good[0], bad, *good[1:]])

    failed = found.pop("bad")
    assert isinstance(failed, Failed)
    assert failed.message == "the LM's logits hold NaN or inf"
    assert "bfloat16 or float32" in failed.help
    assert {name: cast("Codes", result).codes.tolist() for name, result in found.items()} == expected


@on_both_libraries
def test_slots_that_do_not_fit_are_refused_with_the_number_that_would(tiny_set: Path, backend: Backend) -> None:
    lm: Any = backend.load(tiny_set, slots=8)
    decodes = decodes_of(lm, [job("a", codes_request())])
    enough_for_three = lm._lm.bytes_of(decodes[0].pass_spec, 3)

    with pytest.raises(ResourceError) as refused:
        list(decode_all(lm._lm, decodes, 8, enough_for_three, Heard()))

    assert refused.value.message == "8 LM slots don't fit into memory"
    assert refused.value.help == "use --lm-slots 3"


@on_both_libraries
def test_what_is_too_long_for_the_lm_fails_alone(tiny_set: Path, backend: Backend) -> None:
    long = job("long", codes_request(metas=Metas(duration=9000)))

    found = results(backend.load(tiny_set), "codes", [long, job("short", codes_request(preview=1.0))])

    assert cast("Failed", found["long"]).message == "caption, lyrics and codes are too long for the LM"
    assert isinstance(found["short"], Codes)


@on_both_libraries
def test_a_finished_passs_memory_is_free_at_once(tiny_set: Path, backend: Backend) -> None:
    """Not only when Python next cleans up: the following pass needs the room."""
    lm = backend.load(tiny_set)
    gc.collect()
    gc.disable()
    try:
        codes_of(lm, [job("a", codes_request(preview=1.0))])
        left = [one for one in gc.get_objects() if type(one) is Pass]
    finally:
        gc.enable()

    assert not left


@pytest.mark.slow
@on_both_libraries
def test_memory_stays_flat_over_500_songs(tiny_set: Path, backend: Backend) -> None:
    lm, resident = backend.load(tiny_set, slots=16), []
    process = psutil.Process()

    class Weighing(Heard):
        def progress(self, job_id: str, done: int, total: int, unit: str) -> None:  # noqa: ARG002
            if done == total:
                resident.append(process.memory_info().rss)

    jobs = [job(str(seed), codes_request(seed, caption=f"song {seed}", preview=1.0)) for seed in range(500)]
    for _ in lm.codes(jobs, Weighing()):
        pass

    assert len(resident) == 500
    assert resident[-1] <= resident[19] * 1.03
