"""The 5 Hz LM's weights into transformers' class: flat or prefixed names, output layer tied or apart, none made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import Qwen3Config, Qwen3ForCausalLM

from renderer.errors import ModelError
from renderer.models import layouts
from renderer.models.ace_step.hollow import hollow
from renderer.models.ace_step.weights import fill, stored_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from renderer.models.ace_step.weights import Stored

STEM = "model"
PREFIX = "model."
HEAD = "lm_head.weight"


def load_causal_lm(folder: Path, *, dtype: torch.dtype, device: torch.device, attention: str) -> Any:
    """A `Qwen3ForCausalLM` on the device, every weight of it from the files; `attention` is transformers' name for it.

    Raises: ModelError naming every missing, surplus or misshaped tensor, or saying why the folder is no 5 Hz LM.
    """
    layouts.read_lm(folder)
    config = Qwen3Config.from_pretrained(folder)
    if set(config.layer_types or ()) != {"full_attention"}:
        raise ModelError(f"`{folder}` is no 5 Hz LM", why=f"its layers are {sorted(set(config.layer_types or ()))}")
    config._attn_implementation = attention  # noqa: SLF001 - what from_pretrained sets
    with hollow():
        model: Any = Qwen3ForCausalLM(config)
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config)
    body, head = _split(stored_tensors(folder, STEM), tied=config.tie_word_embeddings)
    fill(model.model, body, dtype=dtype, device=device, ready={})
    if head:
        fill(model.lm_head, head, dtype=dtype, device=device, ready={})
    else:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model.to(device).eval()


def _split(found: Mapping[str, Stored], *, tied: bool) -> tuple[dict[str, Stored], dict[str, Stored]]:
    """The bare model's tensors and the output layer's; the latter is empty where the embeddings serve as it."""
    body = {name.removeprefix(PREFIX): stored for name, stored in found.items() if name != HEAD}
    head = {"weight": found[HEAD]} if HEAD in found and not tied else {}
    return body, head
