"""What the LM benchmarks run: random LMs of any size, songs to decode, and the plain way to decode them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, LogitsProcessor, LogitsProcessorList, Qwen3Config

from renderer.models import device as devices
from renderer.models.ace_step.lm.constraints import CodesConstraint, CodesConstraints
from renderer.models.ace_step.lm.decode_request import DecodeRequest
from renderer.models.ace_step.lm.decoder import ResidentLm
from renderer.models.ace_step.lm.part import PROMPTS, ROWS, STEPS_AHEAD, crossing_of
from renderer.models.ace_step.lm.prefill import EagerPrompts, Prefill
from renderer.models.ace_step.lm.teacher_forcing import EagerTexts
from renderer.models.ace_step.protocol.tokens import REAL_IDS, REAL_WIDTH, Tokens
from renderer.models.kernels.cuda_graph import eager
from renderer.models.kernels.elementwise import elementwise
from renderer.models.kernels.packed_linear import pack_layers
from renderer.models.kernels.qwen3 import fuse
from renderer.settings import LmSampling

if TYPE_CHECKING:
    from renderer.models.kernels.cuda_graph import Launch

SAMPLING = LmSampling(
    lm_temperature=0.85,
    lm_cfg_scale=2.0,
    lm_top_k=0,
    lm_top_p=0.9,
    lm_repetition_penalty=1.0,
    lm_negative_prompt="NO USER INPUT",
    use_constrained_decoding=True,
)
TOKENS = Tokens(
    tokenizer=None,
    width=REAL_WIDTH,
    end=REAL_IDS["<|im_end|>"],
    pad=REAL_IDS["<|endoftext|>"],
    first_code=REAL_IDS["<|audio_code_0|>"],
    num_codes=64_000,
    num_spelled=65_535,
)
CONSTRAINTS = CodesConstraints(TOKENS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """An LM's dimensions, the vocabulary apart: that is the real one."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int = 8
    head_dim: int = 128


SIZES = {
    "0.6B": Size(hidden=1024, intermediate=3072, layers=28, heads=16),
    "1.7B": Size(hidden=2048, intermediate=6144, layers=28, heads=16),
    "mid": Size(hidden=512, intermediate=1536, layers=8, heads=8, kv_heads=4, head_dim=64),
    "tiny": Size(hidden=32, intermediate=64, layers=2, heads=4, kv_heads=2, head_dim=8),
}


def random_model(size: Size, device: torch.device, dtype: torch.dtype) -> Any:
    """transformers' own Qwen3 with random weights, attention as transformers picks it."""
    config = Qwen3Config(
        vocab_size=REAL_WIDTH,
        hidden_size=size.hidden,
        intermediate_size=size.intermediate,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        head_dim=size.head_dim,
        max_position_embeddings=40_960,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        tie_word_embeddings=True,
        initializer_range=2.0 / size.hidden**0.5,
        eos_token_id=TOKENS.end,
        pad_token_id=TOKENS.pad,
    )
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def engine_of(model: Any, device: torch.device, dtype: torch.dtype, launch: Launch) -> ResidentLm:
    """The model as the engine runs it; the model itself is changed."""
    name, cuda = "cuda:0" if device.type == "cuda" else "cpu", device.type == "cuda"
    way = devices.lm_attention(name, str(dtype).removeprefix("torch."))
    own = elementwise(by_triton=way == "split")
    fuse(model.model, own)
    make_rows = ROWS[way]()
    if devices.packs_lm(name, str(dtype).removeprefix("torch.")):
        pack_layers(model.model, 8)
    prompts = EagerPrompts if cuda and launch is eager else PROMPTS.get(device.type, EagerPrompts)
    return ResidentLm(
        model=model,
        device=device,
        dtype=dtype,
        launch=launch,
        prefill=Prefill(prompts(model.model), prompt_bucket=devices.lm_prompt_bucket(name)),
        texts=EagerTexts(model.model, own),
        make_rows=make_rows,
        steps_ahead=STEPS_AHEAD if cuda else 1,
        crossing=crossing_of(way),
    )


def songs(seconds: list[int], num_prompt: tuple[int, int] = (300, 500)) -> list[DecodeRequest]:
    """One request a duration, with a prompt of random text tokens."""
    draw = random.Random(0)
    return [song(str(number), seconds, draw.randint(*num_prompt)) for number, seconds in enumerate(seconds)]


def song(name: str, seconds: int, num_prompt: int) -> DecodeRequest:
    """Codes for `seconds`."""
    draw = random.Random(name)
    prompt = tuple(draw.randrange(150_000) for _ in range(num_prompt))
    return DecodeRequest(
        id=name,
        prompt=prompt,
        negative=prompt[: num_prompt - 60],
        settings=SAMPLING,
        seed=draw.randrange(2**31),
        stream=2,
        max_tokens=seconds * 5,
        constraints=CONSTRAINTS,
        start=partial(CodesConstraint, target=seconds * 5, end=TOKENS.end),
    )


class Nobody:
    """Listens to nothing, cancels nothing."""

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """Nothing."""

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """Nothing."""

    def cancelled(self, job_id: str) -> bool:  # noqa: ARG002 - the seam's
        """Never."""
        return False


class Guided(LogitsProcessor):  # type: ignore[misc]
    """Guidance, mask, nucleus and draw for a pair of rows, as upstream's PyTorch backend does it step by step."""

    def __init__(self, settings: LmSampling, device: torch.device, seed: int) -> None:
        self._settings = settings
        self._banned = torch.ones(REAL_WIDTH, dtype=torch.bool, device=device)
        self._banned[TOKENS.first_code : TOKENS.first_code + TOKENS.num_codes] = False
        self._generator = torch.Generator(device).manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Both rows get the one token that was drawn."""
        cond, uncond = scores.float()
        logits = uncond + self._settings.lm_cfg_scale * (cond - uncond)
        logits = logits.masked_fill(self._banned, -torch.inf)
        ordered, order = logits.sort(descending=True)
        behind = ordered.softmax(-1).cumsum(-1) > self._settings.lm_top_p
        behind[1:], behind[0] = behind[:-1].clone(), False
        logits = logits.masked_fill(behind.scatter(0, order, behind), -torch.inf)
        weights = (logits / self._settings.lm_temperature).softmax(-1)
        token = torch.multinomial(weights, 1, generator=self._generator)
        chosen = torch.full_like(scores, -torch.inf)
        chosen[:, token] = 0.0
        return chosen


@torch.inference_mode()
def plainly(model: Any, decode: DecodeRequest, num_tokens: int | None = None) -> list[int]:
    """One song by transformers' `generate`: a left-padded pair, a cache that grows."""
    device, length = model.device, max(map(len, decode.prompts))
    ids = torch.tensor([[TOKENS.pad] * (length - len(row)) + list(row) for row in decode.prompts], device=device)
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in decode.prompts], device=device)
    out = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=num_tokens or decode.max_tokens,
        do_sample=False,
        logits_processor=LogitsProcessorList([Guided(decode.settings, device, decode.seed)]),
    )
    return list(out[0, length:].tolist())
