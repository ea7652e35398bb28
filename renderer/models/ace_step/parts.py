"""ACE-Step 1.5 as the worker sees it: a part's name and its files to something that runs stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.dit.part import examine_dit, load_dit
from renderer.models.ace_step.kernels_ahead import compile_ahead
from renderer.models.ace_step.prefetch import PrefetchedPart, prefetch
from renderer.models.ace_step.protocol.names import DIT, ENCODER, LM, VAE
from renderer.models.ace_step.vae.encoder import load_encoder
from renderer.models.ace_step.vae.part import load_vae

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.models.ace_step.checkpoints.components import FindComponent
    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import Listener, LoadedPart


def _load_lm(files: ModelFiles, settings: Settings, listener: Listener, _find: FindComponent) -> LoadedPart:
    """The 5 Hz LM; its libraries are imported only when a run needs it."""
    from renderer.models.ace_step.lm import part as lm  # noqa: PLC0415 - the DiT and VAE do without

    return lm.load_lm(files, settings, listener)


COMPILED = (DIT, VAE)
"""Parts whose kernels are made ahead, by whoever has the time first."""
LOADERS: Mapping[str, Callable[[ModelFiles, Settings, Listener, FindComponent], LoadedPart]] = {
    LM: _load_lm,
    ENCODER: lambda files, settings, listener, _find: load_encoder(files, settings, listener),
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
            from renderer.models.kernels import convolution, triton_elementwise  # noqa: F401, PLC0415 - likewise
            from renderer.models.kernels.launching import begin_triton  # noqa: PLC0415 - likewise

            begin_triton()

    def examine(self, part: str, files: ModelFiles) -> None:
        """Of the DiT: encoded silence and the text tokenizer, which headers tell nothing of."""
        if part == DIT:
            examine_dit(files)

    def prefetch(self, part: str, files: ModelFiles, settings: Settings) -> PrefetchedPart | None:
        """Of DiT and VAE: what their kernels are compiled to, and their components."""
        if part in COMPILED:
            compile_ahead(files, settings)
        return prefetch(part, files, settings)

    def load(
        self,
        part: str,
        files: ModelFiles,
        settings: Settings,
        listener: Listener,
        prefetched: PrefetchedPart | None = None,
    ) -> LoadedPart:
        """The part, resident."""
        if part in COMPILED:
            wait = compile_ahead(files, settings)
            if part == VAE:
                wait()
        find = prefetched.find if prefetched else find_component
        return LOADERS[part](files, settings.of(part), listener, find)
