"""A model set's components from its files: which class, filled with which tensors.

`ModelFiles` go in, filled torch modules come out; knows nothing of what they compute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from diffusers import AceStepTransformer1DModel, AutoencoderOobleck
from diffusers.pipelines.ace_step import AceStepAudioTokenDetokenizer, AceStepAudioTokenizer, AceStepConditionEncoder
from transformers import Qwen3Config, Qwen3Model

from renderer.errors import ModelError
from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.checks import check_vae
from renderer.models.ace_step.checkpoints.encoder_apart import EncoderApart
from renderer.models.ace_step.checkpoints.on_disk import ENCODER_APART, OnDisk, read_component
from renderer.models.ace_step.checkpoints.original import read_silence
from renderer.models.ace_step.checkpoints.shapes import shapes
from renderer.models.ace_step.checkpoints.stored import compare
from renderer.models.ace_step.checkpoints.weights import fill, num_bytes, read_tensor
from renderer.models.kernels.flat_linear import flatten_linears
from renderer.models.kernels.meta_init import meta_init
from renderer.models.kernels.warning_filters import filtered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from renderer.models.ace_step.checkpoints.stored import Stored
    from renderer.models.catalog.layouts import Config
    from renderer.models.model_files import ModelFiles
    from renderer.models.stage_job import Listener

# Any, as the libraries that they are from have no types.
CLASSES: Mapping[str, Any] = {
    "dit": AceStepTransformer1DModel,
    "condition_encoder": AceStepConditionEncoder,
    "audio_tokenizer": AceStepAudioTokenizer,
    "audio_token_detokenizer": AceStepAudioTokenDetokenizer,
    "vae": AutoencoderOobleck,
    ENCODER_APART: EncoderApart,
    "text_encoder": Qwen3Model,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A component whose files were checked and whose weights are still on disk."""

    name: str
    module: Any
    """On the meta device."""
    tensors: Mapping[str, Stored]
    ready: Mapping[str, Tensor] = field(default_factory=dict)
    """Tensors that lie in no safetensors file."""

    def half(self, name: str) -> Component:
        """One of its module's children alone, in the place that it has there: the others' weights aren't read."""
        for other in {child for child, _ in self.module.named_children()} - {name}:
            setattr(self.module, other, torch.nn.Identity())
        return replace(self, tensors={key: one for key, one in self.tensors.items() if key.startswith(f"{name}.")})

    def load(self, *, dtype: str, device: torch.device, listener: Listener) -> Any:
        """The module with its weights on the device, its load reported."""
        began = time.perf_counter()
        fill(self.module, self.tensors, dtype=getattr(torch, dtype), device=device, ready=self.ready)
        self.module.to(device)
        if device.type != "cuda":
            flatten_linears(self.module)
        devices.synchronise_stream(device)
        listener.loaded(self.name, time.perf_counter() - began, num_bytes(self.module))
        return self.module


def find_component(files: ModelFiles, name: str) -> Component:
    """A component of `CLASSES`, its files checked against its class; reads headers only.

    Raises: ModelError when files are missing or aren't what the class expects.
    """
    on_disk = read_component(files, name)
    if name in ("vae", ENCODER_APART):
        check_vae(on_disk.config, on_disk.config_path)
    module = _empty(name, on_disk)
    expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    compare(expected, on_disk.tensors, on_disk.apart, config=on_disk.config_path)
    ready = {key: read_silence(path, expected[key]) for key, path in on_disk.apart.items()}
    # An encoder is the half of a VAE, which is what a plan says it reads.
    return Component(name="vae" if name == ENCODER_APART else name, module=module, tensors=on_disk.tensors, ready=ready)


class Found(Protocol):
    """A component whose files were checked: `Component`, or one that was read already."""

    @property
    def module(self) -> Any:
        """Its sizes are in its `config`."""

    def half(self, name: str) -> Found:
        """One of its module's children alone."""

    def load(self, *, dtype: str, device: torch.device, listener: Listener) -> Any:
        """The module with its weights on the device, its load reported."""


FindComponent = Callable[["ModelFiles", str], Found]
"""`find_component`, or what stands for it."""


def read_ready(files: ModelFiles, name: str, tensor: str) -> Tensor:
    """One tensor of a component, wherever it lies, on the CPU in the dtype it is stored in.

    Raises: ModelError when it isn't there, or isn't what it should be.
    """
    on_disk = read_component(files, name)
    if tensor in on_disk.apart:
        return read_silence(on_disk.apart[tensor], shapes(name, on_disk.config)[tensor])
    stored = on_disk.tensors.get(tensor)
    if stored is None:
        raise ModelError(f"`{on_disk.config_path.parent}` lacks `{tensor}`", help="fetch the model again")
    return read_tensor(stored)


def qwen3_config(sizes: Config) -> Qwen3Config:
    """An LM's or text encoder's config, of its checked sizes alone: what else its file says changes nothing."""
    rotations = {"rope_type": "default", "rope_theta": sizes["rope_theta"]}
    sizes_only = {key: value for key, value in sizes.items() if key not in {"rope_theta", "model_type"}}
    return Qwen3Config(**sizes_only, rope_parameters=rotations)


def _empty(component: str, on_disk: OnDisk) -> Any:
    """The component without memory for its weights; tables that no file holds are real."""
    # The VAE's class uses weight_norm's old spelling, on which the names in its files depend.
    with meta_init(), filtered("ignore", ".*weight_norm.*", FutureWarning):
        cls = CLASSES[component]
        config: Any = qwen3_config(on_disk.config) if component == "text_encoder" else dict(on_disk.config)
        module: Any = cls(config) if component == "text_encoder" else cls.from_config(config)
    if component == "audio_tokenizer":
        settings = module.config
        module.quantizer = type(module.quantizer)(
            dim=settings.fsq_dim, levels=settings.fsq_input_levels, num_quantizers=settings.fsq_input_num_quantizers
        )
    if component == "text_encoder":
        module.rotary_emb = type(module.rotary_emb)(config=config)
    return module
