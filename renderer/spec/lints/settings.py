"""Lints of `[inference]`, variants and `renderer.toml`: settings against the checkpoint, and settings nothing reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.settings import LmSampling, rows
from renderer.spec.checkpoints import CHECKPOINTS
from renderer.spec.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.spec.lints.subject import Layer, Subject

TURBO_STEPS, TURBO_SHIFT = CHECKPOINTS["turbo"].steps, CHECKPOINTS["turbo"].shift
MIN_GUIDED_STEPS = 32
USUAL_GUIDANCE = (5.0, 9.0)
# The times turbo checkpoints were distilled on. Source: ace-step/ACE-Step-1.5, acestep/models/turbo
TURBO_TIMES = (
    1.0, 0.954545, 0.933333, 0.9, 0.875, 0.857143, 0.833333, 0.769231, 0.75, 0.666667, 0.642857, 0.625, 0.545455, 0.5,
    0.4, 0.375, 0.3, 0.25, 0.222222, 0.125, 0.0,
)  # fmt: skip
_TOLERANCE = 0.002  # what rounding a time to three places may cost


def _is_turbo(layer: Layer) -> bool:
    return layer.checkpoint is not None and layer.checkpoint.kind == "turbo"


def turbo_steps(layer: Layer) -> Iterator[Finding]:
    """More steps than a turbo checkpoint runs."""
    steps = layer.inference.inference_steps
    if _is_turbo(layer) and layer.inference.timesteps is None and steps is not None and steps > TURBO_STEPS:
        yield from layer.finding(
            "inference_steps",
            f"`inference_steps` is {steps} on a turbo checkpoint",
            why=f"turbo is distilled for {TURBO_STEPS} steps, and no more are run",
            help=f"leave it out, or write {TURBO_STEPS}",
        )


def turbo_few_steps(layer: Layer) -> Iterator[Finding]:
    """Fewer steps than a turbo checkpoint is distilled for."""
    steps = layer.inference.inference_steps
    if _is_turbo(layer) and layer.inference.timesteps is None and steps is not None and steps < TURBO_STEPS:
        yield from layer.finding(
            "inference_steps",
            f"`inference_steps` is {steps} on a turbo checkpoint",
            why=f"turbo is distilled for {TURBO_STEPS} steps: fewer are faster and coarser",
            help=f"leave it out for {TURBO_STEPS}",
        )


def few_steps(layer: Layer) -> Iterator[Finding]:
    """Fewer steps than an undistilled checkpoint needs."""
    steps, checkpoint = layer.inference.inference_steps, layer.checkpoint
    if checkpoint and not _is_turbo(layer) and steps is not None and steps < MIN_GUIDED_STEPS:
        turbos = f"{TURBO_STEPS} is turbo's; " if steps == TURBO_STEPS else ""
        yield from layer.finding(
            "inference_steps",
            f"`inference_steps` is {steps} on {checkpoint.kind}",
            why=f"{turbos}{checkpoint.kind} checkpoints need {MIN_GUIDED_STEPS} to 64",
            help=f"leave it out for {checkpoint.steps}, or write that",
        )


def turbo_shift(layer: Layer) -> Iterator[Finding]:
    """A shift that a turbo checkpoint was not distilled for."""
    checkpoint, shift = layer.checkpoint, layer.inference.shift
    if checkpoint is None or checkpoint.shifts is None or shift is None or layer.inference.timesteps is not None:
        return
    if shift not in checkpoint.shifts:
        known = ", ".join(f"{one:g}" for one in checkpoint.shifts)
        yield from layer.finding(
            "shift",
            f"`shift` is {shift:g}",
            why=f"model `{layer.model}` is distilled for {known}",
            help=f"leave it out for {checkpoint.shift:g}, or write that",
        )


def undistilled_shift(layer: Layer) -> Iterator[Finding]:
    """A shift that an sft or base checkpoint was not trained with."""
    checkpoint, shift = layer.checkpoint, layer.inference.shift
    if checkpoint is None or _is_turbo(layer) or shift is None or layer.inference.timesteps is not None:
        return
    if shift != checkpoint.shift:
        turbos = f"; {TURBO_SHIFT:g} is turbo's" if shift == TURBO_SHIFT else ""
        yield from layer.finding(
            "shift",
            f"`shift` is {shift:g} on {checkpoint.kind}",
            why=f"{checkpoint.kind} checkpoints are trained with {checkpoint.shift:g}{turbos}",
            help=f"leave it out for {checkpoint.shift:g}, or write that",
        )


def undistilled_dcw(layer: Layer) -> Iterator[Finding]:
    """DCW on a checkpoint that isn't distilled."""
    checkpoint = layer.checkpoint
    if checkpoint and not _is_turbo(layer) and layer.inference.dcw_enabled:
        yield from layer.finding(
            "dcw_enabled",
            f"`dcw_enabled` is true on {checkpoint.kind}",
            why="DCW makes noise on checkpoints that aren't distilled; turbo has it on by itself",
            help="leave it out, or write false",
        )


def dcw_unused(layer: Layer) -> Iterator[Finding]:
    """Settings of a DCW that doesn't run, or not so."""
    inference, checkpoint = layer.inference, layer.checkpoint
    by_itself = checkpoint.dcw if checkpoint else True
    if not (by_itself if inference.dcw_enabled is None else inference.dcw_enabled):
        reason = "`dcw_enabled` is false" if inference.dcw_enabled is False else "DCW is off where it isn't switched on"
        for key in ("dcw_mode", "dcw_scaler", "dcw_high_scaler"):
            yield from layer.without_effect(key, reason)
    elif inference.dcw_mode != "double":
        yield from layer.without_effect(
            "dcw_high_scaler", f"mode `{inference.dcw_mode}` has one strength, `dcw_scaler`"
        )


def retake_unused(layer: Layer) -> Iterator[Finding]:
    """A retake's seed that nothing is turned towards."""
    if layer.inference.retake_variance == 0.0:
        yield from layer.without_effect("retake_seed", "`retake_variance` is 0")


def retake_of_itself(subject: Subject) -> Iterator[Finding]:
    """A retake towards a seed of the song's own."""
    seen = set()
    for layer in subject.layers:
        seed, turned = layer.inference.retake_seed, layer.inference.retake_variance > 0.0
        if turned and seed in layer.seeds and seed not in seen:
            seen.add(seed)
            yield Finding(
                path=(*layer.table, "retake_seed") if "retake_seed" in layer.written else ("seeds",),
                message=f"`retake_seed` {seed} is one of the song's `seeds`",
                why="that take's noise is not turned towards another but made louder",
                help="take another seed",
            )


def heun_beside_sde(layer: Layer) -> Iterator[Finding]:
    """Heun's method beside `sde`, which has none."""
    if layer.inference.sampler_mode == "heun" and layer.inference.infer_method == "sde":
        yield from layer.without_effect("sampler_mode", "`heun` is a method for `ode`")


def turbo_times(layer: Layer) -> Iterator[Finding]:
    """Own timesteps that a turbo checkpoint was not distilled on."""
    times = layer.inference.timesteps or ()
    odd = [time for time in times if min(abs(time - known) for known in TURBO_TIMES) > _TOLERANCE]
    if odd and _is_turbo(layer):
        yield from layer.finding(
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
    """Guidance outside of what works, or an interval for one that is off."""
    guidance, (low, high) = layer.inference.guidance_scale, USUAL_GUIDANCE
    if layer.checkpoint is None or _is_turbo(layer) or guidance is None:
        return
    if guidance <= 1:
        for key in ("cfg_interval_start", "cfg_interval_end"):
            yield from layer.without_effect(key, f"`guidance_scale` {guidance:g} switches guidance off")
    if not low <= guidance <= high:
        yield from layer.finding(
            "guidance_scale", f"`guidance_scale` is {guidance:g}", why=f"{low:g} to {high:g} work best", help="try 7"
        )


def steps_beside_times(layer: Layer) -> Iterator[Finding]:
    """Step count or shift beside own timesteps, which replace both."""
    if layer.inference.timesteps is not None:
        for key in ("inference_steps", "shift"):
            yield from layer.without_effect(key, "`timesteps` says when each step is")


def lm_unused(layer: Layer) -> Iterator[Finding]:
    """Settings of an LM that doesn't run."""
    if layer.runs_lm:
        return
    reason = "codes are pinned, and no LM runs" if layer.follows_pins else "with these settings the LM does not run"
    for key in rows(LmSampling):
        yield from layer.without_effect(key, reason)


def chain_skipped(layer: Layer) -> Iterator[Finding]:
    """Settings of a chain of thought that doesn't run."""
    if layer.runs_chain:
        return
    keys: tuple[str, ...] = ("lm_seed",) if layer.runs_codes else ()
    if layer.follows_pins:
        # Caption and language of a chain of thought that is pinned beside the codes are still heard.
        heard = ("use_cot_caption", "use_cot_language") if not layer.pinned_chain else ()
        keys, reason = ("use_cot_metas", *heard), "codes are pinned"
    elif layer.has_all_metas:
        keys = ("use_cot_metas", "use_cot_caption", "use_cot_language", *keys)
        reason = "bpm, keyscale, timesignature and duration are given"
    else:
        keys, reason = ("use_cot_caption", "use_cot_language", *keys), "`use_cot_metas` is false"
    for key in keys:
        # A switch that is off beside a chain that is off says what happens.
        if getattr(layer.inference, key) is not False:
            yield from layer.without_effect(key, f"the chain of thought is skipped: {reason}")


def lm_guidance_unused(layer: Layer) -> Iterator[Finding]:
    """Guidance of an LM that writes no codes, or is not guided."""
    if layer.runs_chain and not layer.runs_codes:
        for key in ("lm_cfg_scale", "lm_negative_prompt"):
            yield from layer.without_effect(key, "guidance is for codes, and none are written here")
    elif layer.runs_codes and layer.inference.lm_cfg_scale <= 1:
        yield from layer.without_effect("lm_negative_prompt", "`lm_cfg_scale` switches guidance off")


def lm_greedy(layer: Layer) -> Iterator[Finding]:
    """Settings of drawing where nothing is drawn."""
    if layer.runs_lm and layer.inference.lm_temperature == 0:
        keys = ("lm_top_k", "lm_top_p", "lm_seed") if layer.runs_chain else ("lm_top_k", "lm_top_p")
        for key in keys:
            yield from layer.without_effect(key, "at `lm_temperature` 0 the most probable token is taken")


def unconstrained(layer: Layer) -> Iterator[Finding]:
    """The LM without its grammar."""
    if not layer.inference.use_constrained_decoding:
        yield from layer.finding(
            "use_constrained_decoding",
            "the LM runs without its grammar",
            why="metas may be lost, yours are not put in, and the song's length is left to chance",
            help="leave it out",
        )
