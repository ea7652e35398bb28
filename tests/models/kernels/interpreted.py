"""Triton's kernels run on a CPU by its interpreter, against torch: prints how far apart they are, as JSON.

A process of its own, as `TRITON_INTERPRET` has to be set before Triton is imported. Small blocks, so that a few rows
and channels are several of them; float32, as the interpreter knows no bfloat16.
"""

from __future__ import annotations

import copy
import json
import os
import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

os.environ["TRITON_INTERPRET"] = "1"

import torch
from diffusers import AutoencoderOobleck
from transformers import AutoModelForCausalLM, Qwen3Config

from renderer.models.ace_step.dit.attention import BlockAttention
from renderer.models.ace_step.dit.fused import FusedDit
from renderer.models.ace_step.lm import sampling
from renderer.models.ace_step.lm.decoder import ResidentLm, TorchRows
from renderer.models.ace_step.lm.pass_spec import LogitSlice, PassSpec, SamplingFeatures
from renderer.models.ace_step.lm.prefill import EagerPrompts, Prefill, PromptCache
from renderer.models.ace_step.lm.split_rows import SplitRows
from renderer.models.ace_step.lm.teacher_forcing import EagerTexts
from renderer.models.ace_step.vae import channels_last
from renderer.models.ace_step.vae.weight_norm import fold_weight_norm
from renderer.models.kernels import attention, crossing, row_steps
from renderer.models.kernels.convolution import BlockSizes
from renderer.models.kernels.cuda_graph import eager
from renderer.models.kernels.decode_attention import PaddedDecode
from renderer.models.kernels.elementwise import elementwise
from renderer.models.kernels.qwen3 import fuse
from tests.models.ace_step.dit.test_fused import conditions, transformer

if TYPE_CHECKING:
    from torch import Tensor

    from renderer.models.kernels.elementwise import Elementwise

CHOICE = channels_last.BlockChoice(
    straight=BlockSizes(16, 32, 16, 4, 2),
    unit=BlockSizes(32, 16, 16, 4, 2),
    last=BlockSizes(64, 16, 16, 4, 2),
)


@torch.no_grad()
def decoder(channels: int, frames: int) -> float:
    """Two blocks, of which the second one's units are one kernel each."""
    channels_last.ONE_KERNEL = 16
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        vae = AutoencoderOobleck(
            encoder_hidden_size=8,
            decoder_channels=channels,
            channel_multiples=[1, 2],
            downsampling_ratios=[2, 4],
        ).eval()
    for weight in vae.decoder.parameters():
        weight.add_(torch.randn_like(weight) * 0.1)
    fold_weight_norm(vae.decoder)
    latents = torch.randn(1, 64, frames)
    return apart(channels_last.ChannelsLast(copy.deepcopy(vae.decoder), CHOICE)(latents), vae.decoder(latents))


def language_model() -> Any:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=100,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        initializer_range=0.3,
        tie_word_embeddings=True,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.data.add_(torch.randn_like(weight) * 0.3)
    model.config._attn_implementation = attention.NAME
    fuse(model.model)
    return model


@torch.inference_mode()
def steps() -> dict[str, float]:
    """Three steps of rows at the ends and the beginnings of pieces, beside others, and beside NaN."""
    row_steps.PIECE, row_steps.AT_ONCE = 32, 16
    model = language_model()
    lm = ResidentLm(
        model=model,
        device=torch.device("cpu"),
        dtype=torch.float32,
        launch=eager,
        prefill=Prefill(EagerPrompts(model.model), prompt_bucket=1),
        texts=EagerTexts(model.model),
        make_rows=partial(TorchRows.of, PaddedDecode.of),
        steps_ahead=1,
    )
    split, lengths = replace(lm, make_rows=SplitRows.of), (3, 31, 32, 100)
    prompts = [prompt(length) for length in lengths]
    expected, found = logits(lm, prompts), logits(split, prompts)
    others = logits(split, [prompt(77), prompts[1], prompts[2], prompt(5)])
    spoilt = [*prompts[:3], replace(prompts[3], memory=[layer * torch.nan for layer in prompts[3].memory])]
    beside = logits(split, spoilt)
    return {
        "apart": apart(found, expected),
        "beside others": float((others[:, 1:3] - found[:, 1:3]).abs().max()),
        "beside NaN": float((beside[:, :3] - found[:, :3]).abs().max()),
        "NaN rows": float(beside.isnan().all(-1)[0].sum()),
    }


def prompt(length: int) -> PromptCache:
    return PromptCache(memory=[torch.randn(2, 1, 2, length, 8) for _ in range(2)], last=(7,), lengths=(length,))


def logits(lm: ResidentLm, prompts: list[PromptCache]) -> Tensor:
    """[steps, rows, columns]."""
    features = SamplingFeatures(guided=False, penalised=False, top_k=False, top_p=False)
    spec = PassSpec(length=128, logit_slice=LogitSlice(first=10, stop=90, end=5), features=features)
    tokens = torch.tensor([[one.lengths[0] % 50] for one in prompts])
    positions = torch.tensor([one.lengths[0] for one in prompts])
    rows = lm.rows(spec, tokens, positions)
    for row, one in enumerate(prompts):
        rows.fill(row, one, 0)
    seen = []
    for _ in range(3):
        seen.append(rows.logits())
        tokens += 3
        positions += 1
    return torch.stack(seen)


@torch.no_grad()
def diffusion_transformer() -> dict[str, float]:
    """A guided step, and what it attends to; then a patch whose states hold NaN, of which no other may hear."""
    heard, latents = conditions(35), torch.randn(2, 35, 8)
    plain, ours = FusedDit(transformer(0), attention=BlockAttention.of), by_triton(transformer(0))
    steps = [dit.velocity(heard)(latents, 0.7) for dit in (ours, plain)]
    told = [dit.attention(heard, latents[:1], 0.7, ((0, (1,)), (2, (0, 3))), slice(3, 20)) for dit in (ours, plain)]
    return {"step": apart(*steps), "attention": apart(*told)}


def by_triton(transformer: Any) -> FusedDit:
    return FusedDit(transformer, attention=BlockAttention.of, elementwise=elementwise(by_triton=True))


@torch.no_grad()
def elementwise_tokens() -> dict[str, float]:
    """Every operation against torch's, on odd sizes; and beside NaN."""
    ours, torchs = elementwise(by_triton=True), elementwise(by_triton=False)
    states, delta, weight, gate = torch.randn(2, 9, 40), torch.randn(2, 9, 40), torch.randn(40), torch.randn(40)
    heads = torch.randn(2, 9, 5, 16)[:, :, 1:4]
    turns = torch.randn(9, 1, 16), torch.randn(9, 1, 16)
    both = torch.randn(2, 9, 50)

    def made(by: Elementwise, states: Tensor, heads: Tensor) -> list[Tensor]:
        return [
            by.norm(states, weight, 1e-6),
            *by.add_norm(states.clone(), delta, weight, 1e-6),
            *by.add_norm(states.clone(), delta, weight, 1e-6, gate=gate),
            by.heads(heads, torch.arange(16.0), 1e-6),
            by.heads(heads, torch.arange(48.0).view(3, 16), 1e-6, turns),
            by.gated(both),
        ]

    found, expected = made(ours, states, heads), made(torchs, states, heads)
    states, heads = states.clone(), heads.clone()
    states[0, 4], heads[0, 4] = torch.nan, torch.nan
    beside = made(ours, states, heads)
    others = torch.ones(9, dtype=torch.bool).index_fill(0, torch.tensor(4), False)
    moved = [(one[0, others] - other[0, others]).abs().max() for one, other in zip(beside, found, strict=True)]
    return {
        "elementwise": max(apart(*pair) for pair in zip(found, expected, strict=True)),
        "elementwise beside NaN": float(max(moved)),
    }


def crossings() -> float:
    """Rows of which torch finds another column, at goals inside, at both ends and where rounding decides."""
    crossing.CHUNK = 64
    weights = torch.rand(40, 150) * (torch.rand(40, 150) > 0.7)
    weights[:5, 70:] = 0
    weights[5, :] = 0
    weights[5, 130] = 1
    goal = torch.linspace(0, 0.999, 40)[torch.randperm(40)].unsqueeze(1)
    moved = 0
    for of_all, goals in ((True, goal), (False, goal * weights.sum(-1, keepdim=True)), (False, goal * 0 + 1e9)):
        ours, torchs = (find(weights, goals, of_all=of_all) for find in (crossing.first_above, sampling.first_above))
        moved += int((ours != torchs).sum())
    return float(moved)


def apart(ours: Tensor, truth: Tensor) -> float:
    assert ours.shape == truth.shape
    return float((ours - truth).norm() / truth.norm())


if __name__ == "__main__":
    more = diffusion_transformer() | elementwise_tokens() | {"other crossings": crossings()}
    print(json.dumps({"decoder": decoder(16, 4), "odd channels": decoder(10, 3), **steps(), **more}))
