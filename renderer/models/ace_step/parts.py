"""ACE-Step 1.5 as the worker sees it: a part's name and its files to something that runs stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.models import device as devices
from renderer.models.ace_step.dit.part import examine_dit, load_dit
from renderer.models.ace_step.protocol.names import DIT, ENCODER, LM, VAE
from renderer.models.ace_step.vae.encoder import load_encoder
from renderer.models.ace_step.vae.part import compile_ahead, load_vae

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import Listener, LoadedPart


def load_lm(files: ModelFiles, settings: Settings, listener: Listener) -> LoadedPart:
    """The 5 Hz LM; its libraries are imported only when a run needs it."""
    from renderer.models.ace_step.lm import part as lm  # noqa: PLC0415 - the DiT and VAE do without

    return lm.load_lm(files, settings, listener)


LOADERS: Mapping[str, Callable[[ModelFiles, Settings, Listener], LoadedPart]] = {
    LM: load_lm,
    ENCODER: load_encoder,
    DIT: load_dit,
    VAE: load_vae,
}


@dataclass(frozen=True, slots=True)
class AceStepLoader:
    """The family."""

    def prepare(self) -> None:
        """Import the LM's libraries too, and Triton's kernels where they run; those of DiT and VAE are there."""
        from renderer.models.ace_step.lm import part as lm  # noqa: F401, PLC0415 - the import is all

        if devices.num_cuda_devices() and not devices.missing_for_triton():
            from renderer.models.kernels import convolution, row_steps  # noqa: F401, PLC0415 - the import is all

    def examine(self, part: str, files: ModelFiles) -> None:
        """Of the DiT: encoded silence and the text tokenizer, which headers tell nothing of."""
        if part == DIT:
            examine_dit(files)

    def load(self, part: str, files: ModelFiles, settings: Settings, listener: Listener) -> LoadedPart:
        """The part, resident."""
        own = settings.of(VAE)
        wait = compile_ahead(files, own.device, devices.dtypes(own.device, own.dtype).vae)
        if part == VAE:
            wait()
        return LOADERS[part](files, settings.of(part), listener)
