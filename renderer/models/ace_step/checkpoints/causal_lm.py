"""The 5 Hz LM's weights into transformers' class: flat or prefixed names, output layer tied or apart, none made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import Qwen3ForCausalLM

from renderer.models.ace_step.checkpoints.components import qwen3_config
from renderer.models.ace_step.checkpoints.on_disk import read_lm
from renderer.models.ace_step.checkpoints.stored import compare
from renderer.models.ace_step.checkpoints.weights import fill
from renderer.models.kernels.meta_init import meta_init

if TYPE_CHECKING:
    from pathlib import Path

    import torch


def load_causal_lm(folder: Path, *, dtype: torch.dtype, device: torch.device, attention: str) -> Any:
    """A `Qwen3ForCausalLM` on the device, every weight of it from the files; `attention` is transformers' name for it.

    Raises: ModelError naming every missing, surplus or misshaped tensor, or saying why the folder is no 5 Hz LM.
    """
    found = read_lm(folder)
    config = qwen3_config(found.config)
    config._attn_implementation = attention  # noqa: SLF001 - what from_pretrained sets
    with meta_init():
        model: Any = Qwen3ForCausalLM(config)
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config)
    compare({name: tuple(tensor.shape) for name, tensor in model.model.state_dict().items()}, found.body)
    fill(model.model, found.body, dtype=dtype, device=device, ready={})
    if found.head:
        fill(model.lm_head, found.head, dtype=dtype, device=device, ready={})
    else:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model.to(device).eval()
