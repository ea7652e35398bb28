"""DiT, VAE and weights at full size on a GPU: milliseconds, gigabytes a second, and how far fused is from plain.

`python -m tests.bench.dit_vae_gpu FOLDER`, FOLDER as `full_size_set` writes it. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from renderer.facts import SAMPLES_PER_LATENT
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.checkpoints.weights import _read_mapped, _read_staged
from renderer.models.ace_step.dit.attention import VarlenAttention
from renderer.models.ace_step.dit.dcw import Dcw, apply_dcw
from renderer.models.ace_step.dit.fused import FusedDit
from renderer.models.ace_step.dit.plain import PlainDit
from renderer.models.ace_step.dit.velocity import Conditions
from renderer.models.ace_step.vae.part import DECODERS, _keep_only_decoding
from renderer.models.catalog.zoo import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.models.ace_step.dit.velocity import ResidentDit
    from renderer.models.model_files import ModelFiles

DEVICE = torch.device("cuda:0")
LENGTHS = (30, 60, 180, 240, 600)
EXACT_SECONDS = 180
NUM_TOKENS = 400
DCW = Dcw(mode="double", scaler=0.05, high_scaler=0.02)


class Quiet:
    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        print(f"{component}: {seconds:.3f} s, {num_bytes / seconds / 1e9:.1f} GB/s")


def milliseconds(work: Callable[[], Any], times: int = 10) -> float:
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / times * 1e3


def weights(folder: Path) -> dict[str, float]:
    """GB/s of one file, page cache warm, both ways; and that both give the same bits."""
    files = resolve(str(folder)).files
    assert files is not None
    tensors = find_component(files, "dit").tensors
    rates = {}
    read: dict[str, dict[str, torch.Tensor]] = {}
    for name, way in (("mapped", _read_mapped), ("staged", _read_staged), ("staged again", _read_staged)):
        read.pop(name.removesuffix(" again"), None)
        torch.cuda.synchronize()
        began = time.perf_counter()
        found = {key: tensor.to(DEVICE) for key, tensor in way(tensors, DEVICE)}
        torch.cuda.synchronize()
        size = sum(tensor.nbytes for tensor in found.values())
        rates[name] = size / (time.perf_counter() - began) / 1e9
        read[name] = found
    assert all(torch.equal(tensor, read["staged again"][key]) for key, tensor in read["mapped"].items())
    pinned, target = (
        torch.empty(1 << 30, dtype=torch.uint8, pin_memory=True),
        torch.empty(1 << 30, dtype=torch.uint8, device=DEVICE),
    )
    rates["bus"] = (1 << 30) / milliseconds(lambda: target.copy_(pinned, non_blocking=True)) / 1e6
    return rates


@torch.no_grad()
def dit(folder: Path) -> list[dict[str, float]]:
    files = resolve(str(folder)).files
    assert files is not None
    plain, fused, exact = (
        find_component(files, "dit").load(dtype=dtype, device=DEVICE, listener=Quiet())
        for dtype in ("bfloat16", "bfloat16", "float32")
    )
    made = {"plain": PlainDit(plain), "fused": FusedDit(fused, attention=VarlenAttention.of)}
    rows = [one_length(seconds, made, PlainDit(exact)) for seconds in LENGTHS]
    for row in rows:
        print({key: round(value, 4) for key, value in row.items()})
    return rows


def one_length(seconds: int, dits: dict[str, ResidentDit], exact: ResidentDit) -> dict[str, float]:
    frames = 25 * seconds
    generator = torch.Generator(DEVICE).manual_seed(seconds)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=DEVICE, dtype=torch.bfloat16)

    heard = Conditions(encoded=draw(1, NUM_TOKENS, 2048), null=draw(1, 1, 2048), context=draw(1, frames, 128))
    latents = draw(1, frames, 64)
    row: dict[str, float] = {"seconds": seconds}
    velocities = {name: dit.velocity(heard) for name, dit in dits.items()}
    found = {name: velocity(latents, 0.7).float() for name, velocity in velocities.items()}
    for name, velocity in velocities.items():
        row[f"{name} ms"] = milliseconds(partial(velocity, latents, 0.7))
    row["dcw ms"] = milliseconds(partial(with_dcw, latents, found["fused"].bfloat16()), times=50)
    row["dcw share"] = row["dcw ms"] / row["fused ms"]
    row["bind ms"] = milliseconds(partial(dits["fused"].velocity, heard), times=3)
    row["two rows ms"] = milliseconds(partial(velocities["fused"], latents.repeat(2, 1, 1), 0.7), times=3)
    row |= captured(dits["fused"], heard, latents, found["fused"])
    row["fused vs plain"] = apart(found["fused"], found["plain"])
    if seconds <= EXACT_SECONDS:
        wide = Conditions(encoded=heard.encoded.float(), null=heard.null.float(), context=heard.context.float())
        truth = exact.velocity(wide)(latents.float(), 0.7)
        row |= {f"{name} vs float32": apart(velocity, truth) for name, velocity in found.items()}
    return row


def with_dcw(latents: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
    """What DCW adds to a step, its guess included."""
    return apply_dcw(latents, latents - velocity * 0.7, 0.7, DCW)


def captured(dit: ResidentDit, heard: Conditions, latents: torch.Tensor, expected: torch.Tensor) -> dict[str, float]:
    """A whole take's steps as the product runs them, the graph's recording included."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    velocity = dit.velocity(heard)
    results = [velocity(latents, 0.7) for _ in range(8)]
    torch.cuda.synchronize()
    figures = {"take of 8 steps ms": (time.perf_counter() - began) * 1e3}
    return {**figures, "all equal": float(all(torch.equal(one.float(), expected) for one in results))}


def apart(found: torch.Tensor, truth: torch.Tensor) -> float:
    return ((found - truth).abs().max() / truth.abs().max()).item()


@torch.no_grad()
def vae(folder: Path) -> list[dict[str, Any]]:
    """A tile by each of the decoders, and how far each is from float32."""
    files = resolve(str(folder)).files
    assert files is not None
    truth, rows = decoder(files, "float32", "plain"), []
    few = torch.randn((1, 64, 64), device=DEVICE, dtype=torch.bfloat16)
    for way in [way for way in DECODERS if way != "sliced"]:  # that one is a CPU's
        made = decoder(files, "bfloat16", way)
        for tile in (512, 1024, 2048):
            latents = torch.randn((1, 64, tile), device=DEVICE, dtype=torch.bfloat16)
            torch.cuda.reset_peak_memory_stats()
            base = torch.cuda.memory_allocated()
            taken = milliseconds(partial(made, latents), times=3)
            first = made(latents)
            row = {
                "decoder": way,
                "tile": tile,
                "ms": round(taken, 2),
                "peak GB": round((torch.cuda.max_memory_allocated() - base) / 1e9, 2),
                "repeats": torch.equal(first, made(latents)),
                "vs float32": apart(made(few), truth(few.float())),
            }
            assert first.shape[-1] == tile * SAMPLES_PER_LATENT
            rows.append(row)
            print(row)
        profile(made)
    return rows


def decoder(files: ModelFiles, dtype: str, way: str) -> Any:
    loaded = find_component(files, "vae").load(dtype=dtype, device=DEVICE, listener=Quiet())
    _keep_only_decoding(loaded)
    return DECODERS[way](loaded.decoder, dtype)


def profile(made: Any) -> None:
    """Where a tile's time goes, kernel by kernel."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    latents = torch.randn((1, 64, 512), device=DEVICE, dtype=torch.bfloat16)
    with profiled(activities=[ProfilerActivity.CUDA]) as found:
        made(latents)
        torch.cuda.synchronize()
    print(found.key_averages().table(sort_by="cuda_time_total", row_limit=12, max_name_column_width=60))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.backends.cudnn.deterministic = True
    figures = {"gpu": torch.cuda.get_device_name(), "weights GB/s": weights(folder)}
    print(figures)
    figures |= {"vae": vae(folder), "dit": dit(folder)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
