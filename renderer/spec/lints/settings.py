"""Lints of `[inference]`, variants and `renderer.toml`: settings against the checkpoint, and settings nothing reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.spec.findings import Finding
    from renderer.spec.lints.subject import Layer

TURBO_STEPS = 8
MIN_GUIDED_STEPS = 32
USUAL_GUIDANCE = (5.0, 9.0)
# The times turbo checkpoints were distilled on. Source: ace-step/ACE-Step-1.5, acestep/models/turbo
TURBO_TIMES = (
    1.0, 0.954545, 0.933333, 0.9, 0.875, 0.857143, 0.833333, 0.769231, 0.75, 0.666667, 0.642857, 0.625, 0.545455, 0.5,
    0.4, 0.375, 0.3, 0.25, 0.222222, 0.125, 0.0,
)  # fmt: skip
_TOLERANCE = 0.002  # what rounding a time to three places may cost
_LM_KEYS = (
    "lm_temperature", "lm_cfg_scale", "lm_top_k", "lm_top_p", "lm_repetition_penalty", "lm_negative_prompt", "lm_seed",
    "use_constrained_decoding",
)  # fmt: skip


def _is_turbo(layer: Layer) -> bool:
    return layer.checkpoint is not None and layer.checkpoint.kind == "turbo"


def turbo_steps(layer: Layer) -> Iterator[Finding]:
    """A step count that a turbo checkpoint was not distilled for."""
    steps = layer.inference.inference_steps
    if _is_turbo(layer) and layer.inference.timesteps is None and steps not in {None, TURBO_STEPS}:
        yield from layer.found(
            "inference_steps",
            f"`inference_steps` is {steps} on a turbo checkpoint",
            why=f"turbo is distilled for exactly {TURBO_STEPS}",
            help=f"leave it out, or write {TURBO_STEPS}",
        )


def few_steps(layer: Layer) -> Iterator[Finding]:
    """Fewer steps than an undistilled checkpoint needs."""
    steps, checkpoint = layer.inference.inference_steps, layer.checkpoint
    if checkpoint and not _is_turbo(layer) and steps is not None and steps < MIN_GUIDED_STEPS:
        yield from layer.found(
            "inference_steps",
            f"`inference_steps` is {steps} on {checkpoint.kind}",
            why=f"{checkpoint.kind} checkpoints need {MIN_GUIDED_STEPS} to 64",
            help="leave it out for 50",
        )


def turbo_shift(layer: Layer) -> Iterator[Finding]:
    """A shift that a turbo checkpoint was not distilled for."""
    shifts = layer.checkpoint.shifts if layer.checkpoint else None
    if shifts is not None and layer.inference.timesteps is None and layer.inference.shift not in shifts:
        known = ", ".join(f"{shift:g}" for shift in shifts)
        yield from layer.found(
            "shift",
            f"`shift` is {layer.inference.shift:g}",
            why=f"model `{layer.model}` is distilled for {known}",
            help=f"write {shifts[-1]:g}",
        )


def turbo_times(layer: Layer) -> Iterator[Finding]:
    """Own timesteps that a turbo checkpoint was not distilled on."""
    times = layer.inference.timesteps or ()
    odd = [time for time in times if min(abs(time - known) for known in TURBO_TIMES) > _TOLERANCE]
    if odd and _is_turbo(layer):
        yield from layer.found(
            "timesteps",
            f"`timesteps` has {odd[0]:g}, which turbo was not distilled on",
            why="it knows " + ", ".join(f"{time:.3g}" for time in TURBO_TIMES[:-1]),
        )


def turbo_guidance(layer: Layer) -> Iterator[Finding]:
    """Guidance where it is distilled into the weights."""
    if _is_turbo(layer):
        for key in ("guidance_scale", "cfg_interval_start", "cfg_interval_end"):
            yield from layer.without_effect(key, "turbo checkpoints have their guidance distilled in")


def unusual_guidance(layer: Layer) -> Iterator[Finding]:
    """Guidance outside of what works."""
    guidance, (low, high) = layer.inference.guidance_scale, USUAL_GUIDANCE
    if layer.checkpoint and not _is_turbo(layer) and guidance is not None and not low <= guidance <= high:
        yield from layer.found(
            "guidance_scale", f"`guidance_scale` is {guidance:g}", why=f"{low:g} to {high:g} work best", help="try 7"
        )


def steps_beside_times(layer: Layer) -> Iterator[Finding]:
    """Step count or shift beside own timesteps, which replace both."""
    if layer.inference.timesteps is not None:
        for key in ("inference_steps", "shift"):
            yield from layer.without_effect(key, "`timesteps` says when each step is")


def lm_unused(layer: Layer) -> Iterator[Finding]:
    """Settings of an LM that doesn't run."""
    inference = layer.inference
    if inference.thinking or _chain_runs(layer):
        return
    for key in _LM_KEYS:
        yield from layer.without_effect(key, "with these settings the LM does not run")


def chain_skipped(layer: Layer) -> Iterator[Finding]:
    """Settings of a chain of thought that doesn't run."""
    inference = layer.inference
    if not (inference.thinking and not _chain_runs(layer)):
        return
    reason = (
        "`use_cot_metas` is false"
        if not inference.use_cot_metas
        else "bpm, keyscale, timesignature and duration are given"
    )
    wanted = [key for key in ("use_cot_caption", "use_cot_language") if getattr(inference, key)]
    for key in (*wanted, "lm_seed"):
        yield from layer.without_effect(key, f"the chain of thought is skipped: {reason}")


def unconstrained(layer: Layer) -> Iterator[Finding]:
    """The LM without its grammar."""
    if not layer.inference.use_constrained_decoding:
        yield from layer.found(
            "use_constrained_decoding",
            "the LM runs without its grammar",
            why="metas may be lost, yours are not put in, and the song's length is left to chance",
            help="leave it out",
        )


def _chain_runs(layer: Layer) -> bool:
    inference = layer.inference
    asked = inference.thinking or inference.use_cot_metas or inference.use_cot_caption or inference.use_cot_language
    return asked and inference.use_cot_metas and not layer.metas_all_given
