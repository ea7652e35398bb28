"""How a result came to be: what its stages noted, where it was computed, what it was made from. Never in a key.

What other versions wrote beside is kept in `others`, shown and written again as it was (`json_values`).
"""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from renderer.json_values import to_json

_PROMPT = "prompt"
"""A note whose name ends so is a text as a model was sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """How a stage made its result. Each stage adds what only it has to tell; None is what nobody noted."""

    seconds: float | None = None
    """That making it took, loading apart."""
    degraded: tuple[str, ...] | None = None
    """How the stage had to do with less than asked, in words: `VAE tiles of 256 instead of 512`."""
    cut: tuple[str, ...] | None = None
    """Which texts weren't heard to their end, in words."""
    left_out: tuple[str, ...] | None = None
    """What of the checkpoint wasn't read, in words."""
    others: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LmNotes(Notes):
    """How the LM wrote something: its prompts as sent."""

    prompt: str | None = None
    negative_prompt: str | None = None
    """None where there was no guidance."""
    prompt_tokens: int | None = None
    tokens: int | None = None
    """Written, the last one included."""
    pinned: str | None = None
    """The take that a spec's pinned codes are from; then no LM ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CotNotes(LmNotes):
    """Of a chain of thought."""

    text: str | None = None
    """As generated; told of a take, not of the artifact, which holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesNotes(LmNotes):
    """Of audio codes."""

    num_codes: int | None = None
    """Told of a take, not of the artifact, which holds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScoreNotes(Notes):
    """Of a plan's score; told of a take, not of the artifact, which holds them."""

    score: float | None = None
    caption: float | None = None
    lyrics: float | None = None
    metas: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DitNotes(Notes):
    """How the DiT made latents: what it was told, and the way it went."""

    text_prompt: str | None = None
    lyric_prompt: str | None = None
    metas: Mapping[str, str | int | float | None] | None = None
    """As told to the DiT."""
    origins: Mapping[str, str] | None = None
    """Who said each of the metas: `asked` (the user), `decided` (the LM), `default` or, a duration, `shortened`."""
    departures: tuple[str, ...] | None = None
    """Where the take departs from upstream, in words."""
    num_frames: int | None = None
    timesteps: tuple[float, ...] | None = None
    guidance_scale: float | None = None
    task: str | None = None
    """Of an edit."""
    windows: tuple[tuple[int, int], ...] | None = None
    """Latent frames that an edit made anew, from the first up to the second of each pair."""
    held_steps: int | None = None
    """In how many steps what is around them was put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderNotes(Notes):
    """How the VAE encoded a file."""

    seed: int | None = None
    """Of what was drawn."""
    offsets: tuple[int, ...] | None = None
    """Samples at which a reference's pieces begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeNotes(Notes):
    """How the VAE made sound."""

    tile: int | None = None
    """Latent frames of the tiles it took."""
    gains: tuple[float, ...] | None = None
    """By which each window of an edit was turned down, to stay below -1 dBFS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampsNotes(Notes):
    """Of timestamps; told of a take, not of the artifact, which holds them."""

    lm_score: float | None = None
    dit_score: float | None = None
    skipped: tuple[str, ...] | None = None
    """The lines that nothing attends to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What results depend on beside their key: library versions, device, threads."""

    versions: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    machine: str | None = None
    """`Linux x86_64`."""
    device: str | None = None
    """Its kind: `cuda`."""
    gpu: str | None = None
    """Names of the GPUs that computed, several only where they were `--mixed`: `NVIDIA H200`; None elsewhere."""
    driver: str | None = None
    """Version of their driver."""
    threads: int | None = None
    others: Mapping[str, object] = field(default_factory=dict)

    def completed_from(self, now: Self) -> Self:
        """With the GPU of `now` where the record is older than such words: it is no other, as far as is known."""
        if self.device != now.device:
            return self
        return replace(self, gpu=self.gpu or now.gpu, driver=self.driver or now.driver)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an artifact was made from, written into it."""

    stage: str | None = None
    key: str | None = None
    upstream: Mapping[str, str] | None = None
    """Stage -> key of what it builds on."""
    settings: Mapping[str, object] | None = None
    """What entered its key beside the request, for whoever looks into the file: nothing here reads it again."""
    environment: Environment = field(default_factory=Environment)
    others: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How a take came to be: what recipe, sidecar and page tell of it."""

    notes: Mapping[str, Notes]
    """Of its stages, in their order."""
    environment: Environment

    @property
    def prompts(self) -> dict[str, str]:
        """`latents_text_prompt` -> text: every prompt as it was sent."""
        return {
            f"{stage}_{name}": str(value)
            for stage, notes in self.notes.items()
            for name, value in sorted(to_json(notes).items())
            if name.endswith(_PROMPT) and value is not None
        }

    @property
    def seconds(self) -> dict[str, float]:
        """Stage -> how long making it took."""
        return {stage: notes.seconds for stage, notes in self.notes.items() if notes.seconds is not None}

    @property
    def details(self) -> dict[str, dict[str, object]]:
        """Stage -> what it noted beside prompts and time: metas and who said them, counts, time steps."""
        return {
            stage: {
                name: value
                for name, value in sorted(to_json(notes).items())
                if not name.endswith(_PROMPT) and name != "seconds"
            }
            for stage, notes in self.notes.items()
        }

    @property
    def degraded(self) -> tuple[str, ...]:
        """How the stages had to do with less than asked."""
        return tuple(remark for notes in self.notes.values() for remark in notes.degraded or ())

    @property
    def cut(self) -> tuple[str, ...]:
        """Which of the take's texts weren't heard to their end."""
        return tuple(remark for notes in self.notes.values() for remark in notes.cut or ())

    @property
    def left_out(self) -> tuple[str, ...]:
        """What of the checkpoints wasn't read."""
        return tuple(remark for notes in self.notes.values() for remark in notes.left_out or ())

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever renders the take is told of it."""
        return (*self.degraded, *self.cut, *self.left_out)
