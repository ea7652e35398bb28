"""What each stage is asked: everything that changes its bytes, nothing else. Frozen, JSON-able, no torch.

A request's canonical JSON enters its job's key; upstream results enter by their key. A field's default is its neutral
value, at which the stage computes as if the field weren't there (never what a checkpoint takes when nothing is said);
a field at its neutral value is in no key.
"""

from __future__ import annotations

from dataclasses import dataclass

from renderer.facts import MAX_DURATION


@dataclass(frozen=True, slots=True, kw_only=True)
class LmSampling:
    """How the LM draws tokens, in both phases. Source: ace-step/ACE-Step-1.5, acestep/llm_inference.py."""

    temperature: float
    """0 is greedy."""
    cfg_scale: float = 1.0
    """Guidance runs when > 1."""
    top_k: int = 0
    """0 is off."""
    top_p: float = 1.0
    """0 and >= 1 are off."""
    repetition_penalty: float = 1.0
    negative_prompt: str = ""
    constrained: bool = False

    @property
    def guided(self) -> bool:
        """Whether logits are pulled away from those of an unconditional row."""
        return self.cfg_scale > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenMetas:
    """The user's metas as the LM and the DiT take them; None leaves the choice to the LM."""

    bpm: int | None = None
    keyscale: str | None = None
    timesignature: str | None = None
    duration: float | None = None
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CotRequest:
    """Phase 1 of the LM: caption and lyrics to a chain of thought, always without guidance, which distorts text.

    Recipes from before version 0.2.0 hold a `cfg_scale` above 1 here: theirs were written with it.
    """

    caption: str
    lyrics: str
    metas: GivenMetas
    use_cot_caption: bool = False
    use_cot_language: bool = False
    max_duration: int = MAX_DURATION
    """Seconds the LM may choose at most."""
    sampling: LmSampling
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesRequest:
    """Phase 2 of the LM: caption, lyrics and chain of thought (upstream, when there is one) to codes."""

    caption: str
    lyrics: str
    metas: GivenMetas
    max_duration: int = MAX_DURATION
    """Seconds of codes at most when neither the user nor the chain of thought says a duration."""
    preview: float | None = None
    """Seconds after which the codes stop; None renders the whole song."""
    sampling: LmSampling
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentsRequest:
    """The DiT with its conditions: texts, metas and codes (upstream, when there are any) to latents."""

    caption: str
    lyrics: str
    metas: GivenMetas
    vocal_language: str | None = None
    """None: the chain of thought's language if it has one, else `unknown`."""
    use_cot_caption: bool = False
    use_cot_language: bool = False
    max_duration: int = MAX_DURATION
    preview: float | None = None
    steps: int
    guidance_scale: float = 1.0
    """1.0 on turbo checkpoints, where guidance is distilled."""
    infer_method: str = "ode"
    """`ode` or `sde`."""
    shift: float = 1.0
    """1.0 leaves the times where they are."""
    timesteps: tuple[float, ...] | None = None
    """None: `steps` of equal length, shifted."""
    cfg_interval_start: float = 0.0
    """In upstream's direction: guidance runs while start <= t <= end, t from 1 (noise) to 0."""
    cfg_interval_end: float = 1.0
    seed: int
    sampler_mode: str = "euler"
    """Or `heun`: two looks a step."""
    dcw_enabled: bool = False
    dcw_mode: str | None = None
    """`low`, `high`, `double` or `pix`; None while `dcw_enabled` is off, as the strengths."""
    dcw_scaler: float | None = None
    dcw_high_scaler: float | None = None
    """Of mode `double`; None in the others."""
    retake_seed: int | None = None
    """None while `retake_variance` is 0."""
    retake_variance: float = 0.0
    """How far the noise is turned towards that of `retake_seed`, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformRequest:
    """The VAE: latents (upstream) to sound, trimmed to the asked length, peak at -1 dBFS."""

    duration: float | None = None
    """Seconds to trim to; None keeps what the latents hold."""


StageRequest = CotRequest | CodesRequest | LatentsRequest | WaveformRequest
