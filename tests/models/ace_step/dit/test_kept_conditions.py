"""Timestamps of latents that this part just made: of the same conditions, without encoding them again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from renderer.artifacts import Codes, Latents, Timestamps
from renderer.models.ace_step.dit import kept_conditions
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.ace_step.protocol.requests import TimestampsRequest
from renderer.models.catalog.zoo import resolve
from renderer.models.stage_job import Done, Failed, StageJob
from tests.models.ace_step.asks import latents_request
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import CODES, SETTINGS
from tests.pipeline.test_timestamps import hearing_set

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = [latents_request(seed, caption=f"calm piano {seed}") for seed in (1, 2)]
HEADS = ((0, (0, 1)), (1, (0,)))


@pytest.fixture
def dit(tiny_set: Path, tmp_path: Path) -> Any:
    files = resolve(str(hearing_set(tiny_set, tmp_path / "set", sharp=3000.0))).files
    assert files is not None
    return AceStepLoader().load("dit", files, SETTINGS, Heard())


def asked(number: int, **upstream: Any) -> dict[str, Any]:
    return {"id": f"{number}", "upstream": {"codes": Codes(codes=CODES.codes[number:]), **upstream}}


def latents(dit: Any) -> list[Latents]:
    jobs = [StageJob(request=request, **asked(number)) for number, request in enumerate(REQUESTS)]
    return [done.artifact for done in dit.latents(jobs, Heard()) if isinstance(done, Done)]


def timestamps(dit: Any, made: list[Latents]) -> list[Timestamps]:
    jobs = [
        StageJob(request=TimestampsRequest(latents=request, heads=HEADS), **asked(number, latents=made[number]))
        for number, request in enumerate(REQUESTS)
    ]
    found = [done.artifact for done in dit.timestamps(jobs, Heard()) if isinstance(done, Done)]
    return [replace(one, notes=replace(one.notes, seconds=0.0)) for one in found]


def texts_read(dit: Any) -> list[None]:
    read: list[None] = []
    dit.encoders(Heard()).text_encoder.register_forward_hook(lambda *_: read.append(None))
    return read


def test_what_latents_were_made_from_times_their_lyrics(dit: Any) -> None:
    made, read = latents(dit), texts_read(dit)

    soon = timestamps(dit, made)
    later = timestamps(dit, made)

    assert len(soon) == len(REQUESTS)
    assert soon == later  # the second time, all of it was made anew
    assert len(read) == len(REQUESTS)


def test_only_so_much_is_kept(dit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_conditions, "MOST_BYTES", 0)
    made, read = latents(dit), texts_read(dit)

    timestamps(dit, made)

    assert len(read) == len(REQUESTS)


class FullMemory(Heard):
    def progress(self, *_: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")


def test_nothing_is_kept_where_memory_was_full(dit: Any) -> None:
    made, read = latents(dit), texts_read(dit)
    (failed,) = dit.latents([StageJob(request=latents_request(3), **asked(0))], FullMemory())
    before = len(read)

    assert isinstance(failed, Failed)
    assert failed.by_device
    assert len(timestamps(dit, made)) == len(REQUESTS)
    assert len(read) == before + len(REQUESTS)
