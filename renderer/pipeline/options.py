"""What a user may say about a run beside the specs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from renderer.errors import UsageError
from renderer.run.executor import DEFAULT, EXECUTORS
from renderer.spec.near import suggestion
from renderer.spec.seeds import refuse_seeds

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from renderer.plan.shards import Shard


LmQuantization = Literal["none", "8bit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line's settings of a run; None leaves the choice to specs, model or machine."""

    outputs: Path | None = None
    asr: Path | None = None
    """A folder with a Whisper as CTranslate2 has it, which hears the words of finished takes; None: nobody does."""
    model: str | None = None
    """Renders every variant with this set, and its LM and VAE unless `lm` and `vae` name others."""
    lm: str | None = None
    lm_quantization: LmQuantization | None = None
    """In place of what specs say."""
    vae: str | None = None
    device: str | None = None
    """`auto`, `cpu`, `mps`, `cuda`, `cuda:0` or `cuda:0,2`; None for what `renderer.toml` says, else `auto`."""
    workers: int | None = None
    """Processes that compute side by side on a CPU; a GPU has one."""
    mixed: bool = False
    """Take unequal GPUs together: a take's last bits may then depend on which of them made it."""
    dtype: str = "auto"
    seeds: tuple[int, ...] | None = None
    first_seed: bool = False
    preview: float | None = None
    """Seconds; renders the beginnings, under names of their own."""
    force: bool = False
    timestamps: bool = False
    """Render every song as if it had `[output] timestamps = true`, and give finished takes those that they lack."""
    plan_scores: bool = False
    """Have the LM score the plan of every take, and give finished takes what they lack."""
    refresh_environment: bool = False
    """Make results of other library versions, devices or thread counts again."""
    only_edits: bool = False
    """Render edits alone, from the versions of their sources that are on disk, though specs changed since."""
    keep_going: bool = False
    """Render the good specs beside broken ones."""
    until: datetime | None = None
    threads: int | None = None
    lm_slots: int | None = None
    vae_tile: int | None = None
    vae_overlap: int | None = None
    executor: str = DEFAULT
    """What carries the plan out: a name of `EXECUTORS`."""
    cluster: str | None = None
    """Address of the Ray cluster that it runs on, or `auto`; None runs it here."""
    shard: Shard | None = None
    """Renders only this share of the takes, beside others that render theirs; None renders all."""

    @property
    def completes(self) -> bool:
        """Whether finished takes get what they lack beside their sound."""
        return self.timestamps or self.plan_scores

    def __post_init__(self) -> None:
        """Raises: UsageError for seeds that are none, or an executor or a quantisation that there isn't."""
        if self.lm_quantization is not None and self.lm_quantization not in get_args(LmQuantization):
            raise UsageError(
                f"there is no `lm_quantization` `{self.lm_quantization}`",
                help=f"write one of {', '.join(get_args(LmQuantization))}",
            )
        if self.executor not in EXECUTORS:
            raise UsageError(
                f"there is no executor `{self.executor}`",
                help=suggestion(self.executor, EXECUTORS) or f"write one of {', '.join(EXECUTORS)}",
            )
        if self.seeds is not None:
            refuse_seeds(self.seeds)


class OptionKeywords(TypedDict, total=False):
    """`Options` as keyword arguments."""

    outputs: Path | None
    asr: Path | None
    model: str | None
    lm: str | None
    lm_quantization: LmQuantization | None
    vae: str | None
    device: str | None
    workers: int | None
    mixed: bool
    dtype: str
    seeds: tuple[int, ...] | None
    first_seed: bool
    preview: float | None
    force: bool
    timestamps: bool
    plan_scores: bool
    refresh_environment: bool
    only_edits: bool
    keep_going: bool
    until: datetime | None
    threads: int | None
    lm_slots: int | None
    vae_tile: int | None
    vae_overlap: int | None
    executor: str
    cluster: str | None
    shard: Shard | None
