"""The way someone writes it today, song by song: a transformers loop with guidance, then the offloaded pipeline.

The LM goes to the GPU and back for every song; so does each of the pipeline's parts, by diffusers' own offload hooks.
Of a song's codes only some are drawn and their time is scaled, which the figures say. The pipeline runs without codes:
its offload hooks break where it reads them, and the DiT costs the same.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.causal_lm import load_causal_lm
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.catalog.zoo import resolve

NUM_SONGS = 2
SECONDS = 180
DRAWN = 60  # codes a song, of the 900 it has
PROMPT_TOKENS = 400


class Deaf:
    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """Nobody asks."""


def plain_way(folder: Path, device: str) -> dict[str, Any]:
    """Seconds a song of 180 s, stage by stage."""
    files = resolve(str(folder)).files
    assert files is not None
    assert files.lm is not None
    cpu, gpu = torch.device("cpu"), torch.device(device)

    lm = load_causal_lm(Path(files.lm), dtype=torch.bfloat16, device=cpu, attention="sdpa")
    pipeline = load_pipeline(files, cpu)
    if gpu.type != "cpu":  # where there is nowhere to offload to, as in a rehearsal
        pipeline.enable_model_cpu_offload(device=gpu)
    songs = [one_song(lm, pipeline, gpu, seed) for seed in range(NUM_SONGS)]
    mean = {name: sum(song[name] for song in songs) / len(songs) for name in songs[0]}
    return {**mean, "seconds a song": sum(mean.values()), "codes drawn": DRAWN, "codes of a song": 5 * SECONDS}


def one_song(lm: Any, pipeline: Any, gpu: torch.device, seed: int) -> dict[str, float]:
    began = time.perf_counter()
    lm.to(gpu)
    devices.synchronise(gpu)
    moved = time.perf_counter()
    drawn = draw_codes(lm, gpu, seed)
    devices.synchronise(gpu)
    decoded = time.perf_counter()
    lm.to("cpu")
    back = time.perf_counter()
    assert drawn == DRAWN
    generator = torch.Generator("cpu").manual_seed(seed)
    pipeline(
        prompt="synthwave, female vocal",
        lyrics="[verse]\nhello",
        audio_duration=float(SECONDS),
        guidance_scale=1.0,
        latents=torch.randn((1, 25 * SECONDS, 64), generator=generator),
    )
    devices.synchronise(gpu)
    return {
        "lm there and back": moved - began + back - decoded,
        "lm, scaled": (decoded - moved) * 5 * SECONDS / DRAWN,
        "pipeline with its offload": time.perf_counter() - back,
    }


@torch.no_grad()
def draw_codes(lm: Any, gpu: torch.device, seed: int) -> int:
    """Two rows, guidance 2, nucleus 0.9, as upstream's PyTorch backend."""
    from transformers import DynamicCache

    generator = torch.Generator(gpu).manual_seed(seed)
    ids = torch.randint(0, 150_000, (2, PROMPT_TOKENS), device=gpu)
    cache, count = DynamicCache(config=lm.config), 0
    while count < DRAWN:
        logits = lm(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1].float()
        guided = logits[1] + 2.0 * (logits[0] - logits[1])
        guided[:151_669] = float("-inf")
        ordered, order = guided.sort(descending=True)
        cut = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1) > 0.9
        ordered[cut] = float("-inf")
        token = order[torch.multinomial((ordered / 0.85).softmax(-1), 1, generator=generator)]
        ids = token.expand(2, 1)
        count += 1
    return count


def load_pipeline(files: Any, device: torch.device) -> Any:
    """diffusers' pipeline, its parts read from the original layout."""
    from diffusers import AceStepPipeline, FlowMatchEulerDiscreteScheduler
    from transformers import AutoTokenizer

    names = ("text_encoder", "condition_encoder", "audio_tokenizer", "audio_token_detokenizer", "dit", "vae")
    parts = {name: find_component(files, name).load(dtype="bfloat16", device=device, listener=Deaf()) for name in names}
    pipeline = AceStepPipeline(
        **{name: part for name, part in parts.items() if name != "dit"},
        transformer=parts["dit"],
        tokenizer=AutoTokenizer.from_pretrained(files.text_encoder, local_files_only=True),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    pipeline.vae.enable_tiling()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
