"""Benchmark: the LM at full size with random weights on a CUDA device, exactness there, and the plain way beside it.

    python3 -m tests.bench.lm_gpu FOLDER [SIZE …]

Needs torch, transformers and numpy. Writes lm_gpu.json into FOLDER after every part, prints its tables last; parts
that would begin after the time limit are left out and named.
"""

from __future__ import annotations

import json
import random
import sys
import time
import traceback
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel

from renderer.models import device as devices
from renderer.models.ace_step.lm import sampling
from renderer.models.ace_step.lm.decode_request import DecodeResult
from renderer.models.ace_step.lm.decoder import Pass, ResidentLm, TorchRows
from renderer.models.ace_step.lm.engine import decode_all
from renderer.models.ace_step.lm.pass_spec import PassSpec, SamplingFeatures
from renderer.models.ace_step.lm.prefill import EagerPrompts, Prefill, PromptCache
from renderer.models.ace_step.lm.teacher_forcing import EagerTexts
from renderer.models.kernels import qwen3 as fused
from renderer.models.kernels.cuda_graph import cuda_graph, eager
from renderer.models.kernels.decode_attention import PaddedDecode
from renderer.models.kernels.kv_cache import zeros_by_token
from tests.bench.lm_subjects import (
    CONSTRAINTS,
    SAMPLING,
    SIZES,
    Nobody,
    Size,
    engine_of,
    plainly,
    random_model,
    song,
    songs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT_SECONDS = 225.0
BANDWIDTH = {"H100": 3.35e12, "H200": 4.8e12}  # bytes a second, the vendor's datasheets
LENGTH, POSITION, NUM_STEPS = 2048, 1500, 30


@dataclass
class Report:
    """What was measured, kept on disk as it comes."""

    path: Path
    began: float = field(default_factory=time.monotonic)
    found: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str, work: Callable[[], Any]) -> None:
        """Run one part; a failure is noted and the others go on."""
        elapsed = time.monotonic() - self.began
        if elapsed > LIMIT_SECONDS:
            self.found[name] = "left out: time was up"
            return
        try:
            self.found[name] = work()
        except Exception as error:  # noqa: BLE001 - the rest of the lease is worth more
            traceback.print_exc()
            self.found[name] = f"failed: {type(error).__name__}: {str(error)[:300]}"
        torch.cuda.empty_cache() if torch.cuda.is_available() else None
        print(f"[{time.monotonic() - self.began:6.1f} s] {name}: {json.dumps(self.found[name])[:400]}", flush=True)
        self.path.write_text(json.dumps(self.found, indent=2) + "\n", encoding="utf-8")


def pass_spec(length: int = LENGTH) -> PassSpec:
    features = SamplingFeatures.of(SAMPLING, guided=True)
    return PassSpec(length=length, logit_slice=CONSTRAINTS.logit_slice, features=features)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(device: torch.device, work: Callable[[], Any], count: int) -> float:
    """Milliseconds a call."""
    work()
    synchronise(device)
    began = time.perf_counter()
    for _ in range(count):
        work()
    synchronise(device)
    return (time.perf_counter() - began) / count * 1000


@torch.inference_mode()
def step_times(lm: ResidentLm, num_slots: int) -> dict[str, float]:
    """Milliseconds of a whole step, and of its forward alone, with every row at `POSITION`."""
    filled = Pass(lm, pass_spec(), num_slots)
    forward, draw = lm.launch(filled.forward), lm.launch(filled.draw)
    fill(lm, filled, num_slots)

    def step() -> None:
        forward()
        draw()
        filled.fetch_tokens()()

    return {"step": timed(lm.device, step, NUM_STEPS), "forward": timed(lm.device, forward, NUM_STEPS)}


@torch.inference_mode()
def prefill_time(lm: ResidentLm) -> dict[str, float]:
    """Milliseconds to run a pair of prompts through the LM."""
    prompts = songs([30])[0].prompts
    return {"ms": timed(lm.device, lambda: lm.prefill(prompts), 10), "tokens": len(prompts[0])}


def fill(lm: ResidentLm, filled: Pass, num_slots: int) -> None:
    config = lm.model.config
    memory = [layer.normal_() for layer in zeros_by_token(config, 2, POSITION, lm.weight)]
    prompts = PromptCache(memory=memory, last=(5, 5), lengths=(POSITION, POSITION))
    for slot in range(num_slots):
        filled.fill(slot, prompts, SAMPLING, sampling.uniforms(slot, 2, LENGTH - POSITION))


def bound_ms(size: Size, num_slots: int, device_name: str) -> float | None:
    """Milliseconds to read weights and 1,500 cached tokens a row once; bfloat16."""
    bandwidth = next((bandwidth for name, bandwidth in BANDWIDTH.items() if name in device_name), None)
    attention = size.hidden * size.head_dim * 2 * (size.heads + size.kv_heads)
    weights = size.layers * (attention + 3 * size.hidden * size.intermediate) + 64_000 * size.hidden
    cached = 2 * num_slots * POSITION * 2 * size.layers * size.kv_heads * size.head_dim
    return None if bandwidth is None else 2 * (weights + cached) / bandwidth * 1000


def by_products(_module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float) -> Any:
    """The decoding step's attention as two batched products."""
    if attention_mask is None:
        return PACKED(_module, query, key, value, attention_mask, scaling)
    rows, heads, _, width = query.shape
    scores = query.reshape(rows, key.shape[1], -1, width) @ key.transpose(2, 3) * scaling + attention_mask.values
    out = scores.float().softmax(-1).to(value.dtype) @ value
    return out.reshape(rows, 1, heads, width), None


PACKED = fused.grouped_attention
ATTENTIONS: dict[str, tuple[Any, Callable[[], AbstractContextManager[Any]]]] = {
    "sdpa": (PACKED, nullcontext),
    "sdpa, memory-efficient": (PACKED, lambda: sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION)),
    "sdpa, cuDNN": (PACKED, lambda: sdpa_kernel(SDPBackend.CUDNN_ATTENTION)),
    "products": (by_products, nullcontext),
}


def attentions(lm: ResidentLm) -> dict[str, Any]:
    """Step times with each attention that works, at 32 rows."""
    found: dict[str, Any] = {"as picked": step_times(lm, 16)}
    masked = replace(lm, make_rows=partial(TorchRows.of, PaddedDecode.of))
    for name, (attention, context) in ATTENTIONS.items():
        fused.grouped_attention = attention
        try:
            with context():
                found[name] = step_times(masked, 16)
        except RuntimeError as error:
            found[name] = str(error)[:200]
        finally:
            fused.grouped_attention = PACKED
    return found


@torch.inference_mode()
def top_p_time(device: torch.device) -> dict[str, float]:
    """Milliseconds of top-p on 16 rows of 64,001 columns, launched as in a step."""
    launch = cuda_graph if device.type == "cuda" else eager
    logits, top_p = torch.randn(16, 64_001, device=device), torch.full((16, 1), 0.9, device=device)

    def keep() -> None:
        sampling.keep_nucleus(logits, top_p)

    return {"ms": timed(device, launch(keep), 30)}


@torch.inference_mode()
def exactness(lm: ResidentLm) -> dict[str, bool]:
    """Whether a request's logits and tokens are the same bits alone, among others, refilled, eager and as a graph."""
    ours = song("ours", 4, 200)
    others = [song(f"other {number}", 2 + number % 5, 100 + 17 * number) for number in range(24)]
    graph = replace(lm, launch=cuda_graph if lm.device.type == "cuda" else eager)
    prefill = Prefill(EagerPrompts(lm.model.model), prompt_bucket=devices.lm_prompt_bucket(str(lm.device)))
    one_by_one = replace(lm, launch=eager, prefill=prefill)
    alone = traced(graph, ours, [], 0)
    found = {
        "logits, alone and among others": same(alone, traced(graph, ours, others[:15], 11)),
        "logits, alone in another slot": same(alone, traced(graph, ours, [], 15)),
        "logits, graph and eager": same(alone, traced(one_by_one, ours, others[:15], 3)),
    }
    batch, shuffled = [ours, *others], [*others, ours]
    random.Random(1).shuffle(shuffled)
    one = tokens(graph, [ours])["ours"]
    whole = tokens(graph, batch)
    found["tokens, alone and among 25 with refill"] = one == whole["ours"]
    found["tokens, in any order"] = whole == tokens(graph, shuffled)
    found["tokens, graph and eager"] = whole == tokens(one_by_one, batch)
    found["tokens, every request alone"] = all(
        tokens(graph, [other])[other.id] == whole[other.id] for other in others[:4]
    )
    return found


def traced(lm: ResidentLm, ours: Any, others: list[Any], slot: int) -> list[torch.Tensor]:
    """The guided pair's logits of `ours` at each of its first steps, in a given slot."""
    running = Pass(lm, pass_spec(1024), 16)
    forward, draw = lm.launch(running.forward), lm.launch(running.draw)
    free = [number for number in range(16) if number != slot]
    for decode, where in [*zip(others, free, strict=False), (ours, slot)]:
        randoms = sampling.uniforms(decode.seed, decode.stream, decode.max_tokens)
        running.fill(where, lm.prefill(decode.prompts), decode.settings, randoms)
    seen = []
    for _ in range(12):
        forward()
        seen.append(running._logits[[slot, slot + 16]].clone())
        draw()
    return seen


def same(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


def tokens(lm: ResidentLm, decodes: list[Any]) -> dict[str, tuple[int, ...]]:
    results = list(decode_all(lm, decodes, 16, 2**50, Nobody()))
    assert all(isinstance(result, DecodeResult) for result in results), results
    return {result.id: result.tokens for result in results}


def throughput(lm: ResidentLm, seconds: list[int], num_slots: int) -> dict[str, float]:
    """Songs a minute, prompts included."""
    wanted = songs(seconds)
    synchronise(lm.device)
    began = time.perf_counter()
    results = list(decode_all(lm, wanted, num_slots, 2**50, Nobody()))
    elapsed = time.perf_counter() - began
    assert [len(result.tokens) for result in results if isinstance(result, DecodeResult)].count(0) == 0
    return {"seconds": elapsed, "songs_per_minute": 60 * len(wanted) / elapsed, "tokens": sum(seconds) * 5}


def plain(model: Any, seconds: int) -> dict[str, float]:
    """Songs a minute of `generate`, from one song."""
    plainly(model, songs([seconds])[0], 5)
    began = time.perf_counter()
    plainly(model, songs([seconds])[0])
    elapsed = time.perf_counter() - began
    return {"seconds": elapsed, "songs_per_minute": 60 / elapsed, "ms_per_token": elapsed / (seconds * 5) * 1000}


def of_size(name: str, device: torch.device, report: Report, plain_seconds: int) -> None:
    """Every part for one size."""
    size, dtype = SIZES[name], torch.bfloat16
    launch = cuda_graph if device.type == "cuda" else eager
    model = random_model(size, device, dtype)
    report.part(f"{name}: plain, one song", lambda: plain(model, plain_seconds))
    model.config._attn_implementation = "renderer_grouped"
    unfused = ResidentLm(
        model=model,
        device=device,
        dtype=dtype,
        launch=launch,
        prefill=Prefill(EagerPrompts(model.model), prompt_bucket=1),
        texts=EagerTexts(model.model),
        make_rows=partial(TorchRows.of, PaddedDecode.of),
        steps_ahead=1,
    )
    report.part(f"{name}: 32 rows, transformers' own layers", lambda: step_times(unfused, 16))
    lm = engine_of(model, device, dtype, launch)
    for num_slots in (1, 16, 32):
        report.part(
            f"{name}: {2 * num_slots} rows",
            lambda num_slots=num_slots: {
                **step_times(lm, num_slots),
                "bound": bound_ms(size, num_slots, device_name(device)),
            },
        )
    report.part(f"{name}: one prefill", lambda: prefill_time(lm))
    report.part(f"{name}: attention", lambda: attentions(lm))
    report.part(f"{name}: exactness", lambda: exactness(lm))
    draw = random.Random(3)
    mixed = [draw.randint(30, 240) for _ in range(64)]
    report.part(f"{name}: 32 songs of 180 s, 32 slots", lambda: throughput(lm, [180] * 32, 32))
    report.part(f"{name}: 64 songs of 30-240 s, 16 slots", lambda: throughput(lm, mixed, 16))
    report.part(f"{name}: 16 songs of 180 s, 16 slots", lambda: throughput(lm, [180] * 16, 16))
    report.part(f"{name}: 32 songs of 180 s, 16 slots", lambda: throughput(lm, [180] * 32, 16))


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def lines(found: dict[str, Any]) -> Iterator[str]:
    for name, result in found.items():
        values = result if isinstance(result, dict) else {"": result}
        cells = (
            f"{key} {value:,.2f}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
        )
        yield f"{name:42} {'  '.join(cells)}"


def main(folder: Path, names: list[str], plain_seconds: int = 60) -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    report = Report(folder / "lm_gpu.json")
    report.found["hardware"] = device_name(device)
    report.found["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    report.part("top-p, 16 rows", lambda: top_p_time(device))
    for name in names:
        of_size(name, device, report, plain_seconds)
    if device.type == "cuda":
        report.part("peak GB", lambda: torch.cuda.max_memory_allocated() / 1e9)
    print("\n" + "\n".join(lines(report.found)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["1.7B", "0.6B"])
