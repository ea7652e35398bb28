"""What a request's fields are called where the user sets them, and where that is: `sampling.top_p` is `lm_top_p`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.song import Take

SPEC = ""  # the head of the spec needs no naming
METAS = "[metas]"
INFERENCE = "[inference]"
OUTPUT = "[output]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A value as its user knows it."""

    name: str
    place: str
    """A table of the spec, an option of the command line, or empty for what no one sets by hand."""


def _same(place: str, *names: str) -> dict[str, Word]:
    return {name: Word(name=name, place=place) for name in names}


WORDS: Mapping[str, Word] = {
    **_same(SPEC, "caption", "lyrics", "title", "max_duration", "model", "based_on", "lm", "vae", "lora", "codes"),
    **_same(
        INFERENCE,
        *("infer_method", "shift", "timesteps", "guidance_scale", "cfg_interval_start", "cfg_interval_end"),
        *("sampler_mode", "retake_seed", "retake_variance"),
        *("dcw_enabled", "dcw_mode", "dcw_scaler", "dcw_high_scaler"),
        *("thinking", "use_cot_metas", "use_cot_caption", "use_cot_language"),
    ),
    **_same(METAS, "vocal_language", "duration"),
    **_same(OUTPUT, "format", "recipe"),
    **{f"metas.{name}": Word(name=name, place=METAS) for name in ("bpm", "keyscale", "timesignature", "duration")},
    **{
        f"sampling.{name}": Word(name=f"lm_{name}", place=INFERENCE)
        for name in ("temperature", "cfg_scale", "top_k", "top_p", "repetition_penalty", "negative_prompt")
    },
    "sampling.constrained": Word(name="use_constrained_decoding", place=INFERENCE),
    "steps": Word(name="inference_steps", place=INFERENCE),
    "dtype": Word(name="dtype", place="--dtype"),
    "lm_slots": Word(name="lm_slots", place="--lm-slots"),
    "vae_tile": Word(name="vae_tile", place=""),
    "vae_overlap": Word(name="vae_overlap", place=""),
}
_LM_SEED = Word(name="lm_seed", place=INFERENCE)


def word(stage: str, field: str, take: Take) -> Word:
    """A request's field in the words of the take's spec."""
    if stage == "cot" and field == "seed":
        return _LM_SEED
    if field in ("weights", "version"):
        return Word(name=f"{field} of {stage}", place="")
    known = WORDS.get(field, Word(name=field, place=""))
    if is_left_out(known.name, take):
        return Word(name=known.name, place="")
    return Word(name=known.name, place=f"[variants.{take.variant.name}]") if _in_variant(known.name, take) else known


def is_left_out(name: str, take: Take) -> bool:
    """Whether a setting is nowhere said, so that the checkpoint's own value holds."""
    return getattr(take.variant.inference, name, "") is None


def _in_variant(name: str, take: Take) -> bool:
    """Whether the value is the variant's own and not the song's."""
    base = take.song.variants[0]
    for own, common in ((take.variant, base), (take.variant.inference, base.inference)):
        if hasattr(own, name) and getattr(own, name) != getattr(common, name):
            return True
    return False
