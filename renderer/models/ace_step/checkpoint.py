"""A model set's components from its files: which class, which sizes, which tensors. One table row a layout.

`ModelFiles` go in, filled torch modules come out; knows nothing of what they compute.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AceStepTransformer1DModel, AutoencoderOobleck
from diffusers.pipelines.ace_step import AceStepAudioTokenDetokenizer, AceStepAudioTokenizer, AceStepConditionEncoder
from transformers import Qwen3Config, Qwen3Model

from renderer.models import device as devices
from renderer.models import layouts
from renderer.models.ace_step import original
from renderer.models.ace_step.checks import check_vae
from renderer.models.ace_step.hollow import hollow
from renderer.models.ace_step.weights import Stored, check, fill, num_bytes, stored_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from renderer.models.family import Listener, ModelFiles

DIFFUSERS_STEM = "diffusion_pytorch_model"
TEXT_ENCODER_STEM = "model"
CLASSES: Mapping[str, Any] = {
    "dit": AceStepTransformer1DModel,
    "condition_encoder": AceStepConditionEncoder,
    "audio_tokenizer": AceStepAudioTokenizer,
    "audio_token_detokenizer": AceStepAudioTokenDetokenizer,
    "vae": AutoencoderOobleck,
    "text_encoder": Qwen3Model,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What a component is made from."""

    config: Any
    """Sizes, as the component's class takes them."""
    tensors: Mapping[str, Stored]
    ready: Mapping[str, Tensor] = field(default_factory=dict)
    """Tensors that lie in no safetensors file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A component whose files were checked and whose weights are still on disk."""

    name: str
    module: Any
    """On the meta device."""
    blueprint: Blueprint

    def load(self, *, dtype: str, device: torch.device, listener: Listener) -> Any:
        """The module with its weights on the device, its load reported."""
        began = time.perf_counter()
        tensors, ready = self.blueprint.tensors, self.blueprint.ready
        fill(self.module, tensors, dtype=getattr(torch, dtype), device=device, ready=ready)
        self.module.to(device)
        devices.synchronise(device)
        listener.loaded(self.name, time.perf_counter() - began, num_bytes(self.module))
        return self.module


def find_component(files: ModelFiles, name: str) -> Component:
    """A component of `CLASSES`, its files checked against its class; reads headers only.

    Raises: ModelError when files are missing or aren't what the class expects.
    """
    blueprint = BLUEPRINTS[files.layout](files, name)
    module = _empty(name, blueprint.config)
    check(module, blueprint.tensors, blueprint.ready)
    return Component(name=name, module=module, blueprint=blueprint)


def left_out(files: ModelFiles) -> tuple[str, ...]:
    """Names of tensors that lie beside the components' own and aren't read; in diffusers' layout there are none.

    A component's own tensors are never left out: a surplus one among them is an error of `find_component`.
    """
    return original.left_out(Path(files.dit)) if files.layout == layouts.ORIGINAL else ()


def _empty(component: str, config: Any) -> Any:
    """The component without memory for its weights; tables that no file holds are real."""
    with hollow(), warnings.catch_warnings():
        # The VAE's class uses weight_norm's old spelling, on which the names in its files depend.
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        cls = CLASSES[component]
        module: Any = cls(config) if component == "text_encoder" else cls.from_config(config)
    if component == "audio_tokenizer":
        settings = module.config
        module.quantizer = type(module.quantizer)(
            dim=settings.fsq_dim, levels=settings.fsq_input_levels, num_quantizers=settings.fsq_input_num_quantizers
        )
    if component == "text_encoder":
        module.rotary_emb = type(module.rotary_emb)(config=config)
    return module


def _diffusers_blueprint(files: ModelFiles, component: str) -> Blueprint:
    if component == "text_encoder":
        return _text_encoder_blueprint(Path(files.text_encoder) / component)
    names = {"dit": "transformer"}
    folder = Path(files.vae) if component == "vae" else Path(files.dit) / names.get(component, component)
    config = layouts.read_json(folder / "config.json")
    if component == "vae":
        check_vae(config, folder / "config.json")
    return Blueprint(config=config, tensors=stored_tensors(folder, DIFFUSERS_STEM))


def _text_encoder_blueprint(folder: Path) -> Blueprint:
    layouts.read_json(folder / "config.json")
    found = stored_tensors(folder, TEXT_ENCODER_STEM)
    # Saved from the bare model or from one with an output head: the same tensors, with a prefix or without.
    tensors = {name.removeprefix("model."): stored for name, stored in found.items() if name != "lm_head.weight"}
    return Blueprint(config=Qwen3Config.from_pretrained(folder), tensors=tensors)


def _original_blueprint(files: ModelFiles, component: str) -> Blueprint:
    if component == "text_encoder":
        return _text_encoder_blueprint(Path(files.text_encoder))
    if component == "vae":  # in diffusers' own format in either layout
        return _diffusers_blueprint(files, component)
    folder = Path(files.dit)
    return Blueprint(
        config=original.component_config(folder, component),
        tensors=original.component_tensors(folder, component),
        ready={"silence_latent": original.silence_latent(folder)} if component == "condition_encoder" else {},
    )


BLUEPRINTS: Mapping[str, Callable[[ModelFiles, str], Blueprint]] = {
    layouts.DIFFUSERS: _diffusers_blueprint,
    layouts.ORIGINAL: _original_blueprint,
}
