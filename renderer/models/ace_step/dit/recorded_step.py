"""A denoising step as a CUDA graph, shared by all takes of its length.

A graph replays the same kernels on the same addresses. So the step reads from tensors of its own, into which each
take's are copied first, and its launch may depend on nothing but length and rows: conditions lie in room for as many
tokens as any take can have, and the kernels read from the device how many there are.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import torch

from renderer.models.ace_step.dit.conditions import MAX_CONDITION_TOKENS
from renderer.models.ace_step.dit.step_inputs import CrossKV, Modulation, StepInputs
from renderer.models.kernels.cuda_graph import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class RecordedStep:
    """`run` for inputs of one shape, recorded; the same bits as `run` itself."""

    def __init__(self, run: Callable[[StepInputs], Tensor], inputs: StepInputs) -> None:
        self._static = _static_inputs(inputs)
        self._cross_kv: CrossKV | None = None
        """The take's whose conditions lie in the recording's tensors now."""

        def step() -> None:
            self._out = run(self._static)

        self._graph = record(step, inputs.latents.device)

    def __call__(self, inputs: StepInputs) -> Tensor:
        """Velocities like `inputs.latents`."""
        self._copy_in(inputs)
        self._graph.replay()
        # The next replay writes over it, and a step's velocity lives longer than the step (Heun's method).
        return self._out.clone()

    def _copy_in(self, inputs: StepInputs) -> None:
        static = self._static
        static.latents.copy_(inputs.latents)
        for part in fields(Modulation):
            getattr(static.modulation, part.name).copy_(getattr(inputs.modulation, part.name))
        if inputs.cross_kv is self._cross_kv:
            return
        # Another take's: compared by identity, as each take makes its own once.
        self._cross_kv, num_tokens = inputs.cross_kv, inputs.cross_kv.keys.shape[1]
        static.context.copy_(inputs.context)
        static.cross_kv.keys[:, :num_tokens].copy_(inputs.cross_kv.keys)
        static.cross_kv.values[:, :num_tokens].copy_(inputs.cross_kv.values)
        static.cross_kv.cu_seqlens.copy_(inputs.cross_kv.cu_seqlens)
        static.cross_kv.null_outputs.copy_(inputs.cross_kv.null_outputs)


def _static_inputs(inputs: StepInputs) -> StepInputs:
    """Memory for inputs like these, and for as many condition tokens as any take may have."""
    modulation, cross_kv = inputs.modulation, inputs.cross_kv
    tokens = cross_kv.keys.new_empty((len(cross_kv.keys), MAX_CONDITION_TOKENS, *cross_kv.keys.shape[2:]))
    return StepInputs(
        latents=torch.empty_like(inputs.latents),
        modulation=Modulation(
            **{part.name: torch.empty_like(getattr(modulation, part.name)) for part in fields(Modulation)}
        ),
        context=torch.empty_like(inputs.context),
        cross_kv=CrossKV(
            keys=tokens,
            values=torch.empty_like(tokens),
            cu_seqlens=torch.empty_like(cross_kv.cu_seqlens),
            null_outputs=torch.empty_like(cross_kv.null_outputs),
        ),
    )
