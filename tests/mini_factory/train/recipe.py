"""How much of everything a training takes, and where it lies. Imports torch only when asked for something of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.mini_factory.train.course import Budget, Course, Pace

SILENCE_FILE = "silence.safetensors"
VAE_FILE = "vae.done"
"""Appears once the VAE is taught and its latents turned."""
READY_FILE = "codec.ready"
"""Appears once the codec is whole and the first songs are encoded."""
DONE_FILE = "codec.done"
"""Appears once all the codec's songs are encoded: the stage needn't run again."""
VOCABULARY_SONGS = 3_000
"""Whose words the tokenizers learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How much of everything; `--scale` shrinks counts and rounds alike."""

    work: Path
    device: str
    scale: float
    workers: int
    minutes: float
    launch: str
    vae: Path | None = None
    """A folder with a `vae/` taught before, its encoder inside, to build on."""

    def rounds(self, full: int) -> int:
        """Rounds at this scale."""
        return max(2, int(full * self.scale))

    def count(self, full: int, least: int) -> int:
        """Songs or rows at this scale."""
        return max(least, int(full * self.scale))

    @property
    def folder(self) -> Path:
        """The model set being made."""
        return self.work / "set"

    @property
    def shards(self) -> Path:
        """Encoded songs."""
        return self.work / "shards"

    @property
    def kin_shards(self) -> Path:
        """Encoded kin."""
        return self.work / "kin"

    @property
    def autocast(self) -> bool:
        """Whether to compute in bfloat16, which pays on a GPU."""
        return self.device != "cpu"

    def budget(self, rounds: int, share: float = 1.0) -> Budget:
        """What a course may take."""
        from tests.mini_factory.train.course import Budget

        return Budget(rounds=self.rounds(rounds), seconds=60 * self.minutes * share)

    def course(
        self, name: str, modules: Sequence[Any], lesson: Callable[..., Any], pace: Pace, budget: Budget
    ) -> Course:
        """A course of this recipe, or its continuation."""
        from tests.mini_factory.train.course import LAUNCHES, Course

        kept = self.work / "courses" / f"{name}.pt"
        return Course(modules, lesson, pace=pace, budget=budget, kept=kept, launch=LAUNCHES[self.launch])


def open_set(recipe: Recipe) -> Path:
    """The model set so far; a fresh random one when there is none."""
    from tests.mini_factory.build import build_set
    from tests.mini_factory.composer.song import draw

    if not (recipe.folder / "model_index.json").exists():
        pieces = [draw(seed) for seed in range(recipe.count(VOCABULARY_SONGS, 300))]
        texts = [text for piece in pieces for text in (piece.caption, piece.retold, piece.lyrics)]
        build_set(recipe.folder, "mini", texts=texts)
    return recipe.folder
