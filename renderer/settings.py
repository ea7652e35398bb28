"""The settings: each key of a spec's [metas] and [inference] is one field, and all that is known of it is its row.

From these fields come what a spec may say (`spec/schema.py`), what stages are asked and what stands in their keys
(`models/ace_step/protocol/`), the reasons `status` gives, recipes, imports and editors' schemas, all under one name. A
setting to come is a field here and the place that computes with it. Knows no files, no specs, no torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from renderer.facts import MAX_BPM, MAX_DURATION, MAX_SEED, MIN_BPM, MIN_DURATION, NO_NEGATIVE_PROMPT, NUM_CODES

Off = Callable[[Any], bool]
"""Whether a value of one setting leaves another without effect."""
ABOVE_ZERO = sys.float_info.min  # editors' schemas, of draft 4, know no other "more than"
COT, CODES, DIT = ("cot",), ("codes",), ("latents",)
LM = (*COT, *CODES)
NOT_IN_KEY: Mapping[str, bool] = MappingProxyType({"not in key": True})
"""Metadata of a request's field that changes no bytes, such as where a file lies: neither keys nor records hold it."""
NOT_TOLD: Mapping[str, bool] = MappingProxyType({"not told": True})
"""Metadata of a request's field whose changes are told by what the spec names in its place, as the family has it."""
_ROW = "setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is known of a setting beside its name and type, which are its field's."""

    sentence: str
    """For editors and `check --explain`."""
    stages: tuple[str, ...]
    """Whose bytes, or whose being run at all, it changes."""
    neutral: Any
    """At which those stages compute as if there were no such setting, so that it is in no key; MISSING: there is no
    such value. Never what a checkpoint takes when nothing is said."""
    fact: str
    """The field of `ModelFacts` that holds when nothing is said; empty where the field's default does."""
    low: float | None
    high: float | None
    longest: int | None
    """Characters of a text."""
    switches: Mapping[str, Off | None]
    """What switches it off, by the value it is off at; None where only the change can be told. It may be its own."""
    former: str
    """Its name in records of takes until version 0.2.0."""
    aliases: tuple[str, ...]
    """Its names in files and interfaces of ACE-Step's."""


def setting(
    sentence: str,
    *,
    stages: tuple[str, ...],
    neutral: Any = MISSING,
    default: Any = MISSING,
    fact: str = "",
    low: float | None = None,
    high: float | None = None,
    longest: int | None = None,
    switches: Mapping[str, Off | None] = MappingProxyType({}),
    former: str = "",
    aliases: tuple[str, ...] = (),
) -> Any:
    """A row. What holds when nothing is said is `default`, else the checkpoint's `fact`, else `neutral`."""
    row = Setting(
        sentence=sentence,
        stages=stages,
        neutral=neutral,
        fact=fact,
        low=low,
        high=high,
        longest=longest,
        switches=switches,
        former=former,
        aliases=aliases,
    )
    return field(default=None if fact else neutral if default is MISSING else default, metadata={_ROW: row})


def rows(group: type) -> Mapping[str, Setting]:
    """The settings among a dataclass's fields, by name."""
    return _rows(group)


def neutral_values(request: type) -> Mapping[str, object]:
    """A dataclass's fields that have a neutral value, with that value: a setting's own, any other field's default."""
    return _neutral_values(request)


# Apart from the two above, as mypy takes no class of dataclasses for hashable.
@cache
def _rows(group: type) -> Mapping[str, Setting]:
    return {one.name: one.metadata[_ROW] for one in fields(group) if _ROW in one.metadata}


@cache
def _neutral_values(request: type) -> Mapping[str, object]:
    settings = rows(request)
    values = {one.name: settings[one.name].neutral if one.name in settings else one.default for one in fields(request)}
    return {name: value for name, value in values.items() if value is not MISSING}


def at_most(limit: float) -> Off:
    """Off at this number and below."""
    return lambda value: value is not None and value <= limit


def at(*values: object) -> Off:
    """Off at these values."""
    return lambda value: value in values


def is_said(value: object) -> bool:
    """Off at any value."""
    return value is not None


_LEAVES_NO_COT: Mapping[str, Off | None] = {
    **dict.fromkeys(("bpm", "keyscale", "timesignature", "duration"), is_said),
    "use_cot_metas": at(False),
    "thinking": None,
    "codes": None,
}
_DCW: Mapping[str, Off | None] = {"dcw_enabled": at(False), "model": None}
_GUIDED: Mapping[str, Off | None] = {"guidance_scale": at_most(1), "model": None}
DRAWN: Mapping[str, Off | None] = {"lm_temperature": at_most(0)}


@dataclass(frozen=True, kw_only=True)
class Metas:
    """What the music is, in ACE-Step's terms; None leaves the choice to the LM."""

    bpm: int | None = setting(
        "Beats a minute; 60 to 180 work best.",
        stages=(*LM, *DIT),
        neutral=None,
        low=MIN_BPM,
        high=MAX_BPM,
        aliases=("tempo",),
    )
    keyscale: str | None = setting(
        "`A minor`, `F# major`.", stages=(*LM, *DIT), neutral=None, aliases=("key", "key_scale")
    )
    """Normalised as in the training texts."""
    timesignature: str | None = setting(
        "Beats a bar: 2, 3, 4 or 6 (for 6/8).", stages=(*LM, *DIT), neutral=None, aliases=("time_signature",)
    )
    duration: float | None = setting(
        "Seconds; 30 to 240 work best.",
        stages=(*LM, *DIT, "waveform"),
        neutral=None,
        low=MIN_DURATION,
        high=MAX_DURATION,
        aliases=("audio_duration", "target_duration", "length"),
    )
    vocal_language: str | None = setting("The language that is sung.", stages=DIT, neutral=None, aliases=("language",))
    """One of `facts.LANGUAGES`. None: the chain of thought's, if it has one, else `unknown`."""


@dataclass(frozen=True, kw_only=True)
class DitSettings:
    """How the DiT makes latents of noise. Sources: ace-step/ACE-Step-1.5, acestep/inference.py, acestep/models."""

    inference_steps: int | None = setting(
        "Denoising steps; turbo checkpoints run 1 to 8, sft and base work best at 32 to 64.",
        stages=DIT,
        fact="steps",
        low=1,
        high=200,
        former="steps",
        aliases=("steps", "num_inference_steps", "infer_step", "infer_steps"),
    )
    guidance_scale: float | None = setting(
        "How strongly the DiT follows the prompt; without effect on turbo checkpoints.",
        stages=DIT,
        neutral=1.0,
        fact="guidance_scale",
        low=1,
        high=15,
        aliases=("cfg", "cfg_scale"),
    )
    infer_method: Literal["ode", "sde"] = setting("The solver.", stages=DIT, neutral="ode")
    shift: float | None = setting(
        "Above 1 spends more steps near pure noise; turbo is distilled for 1, 2 and 3, sft and base for 1.",
        stages=DIT,
        neutral=1.0,
        fact="shift",
        low=ABOVE_ZERO,
        high=10,
    )
    timesteps: tuple[float, ...] | None = setting(
        "The times of the denoising steps, from 1 down; instead of steps and shift.", stages=DIT, neutral=None
    )
    cfg_interval_start: float = setting(
        "Guidance runs from this time on; 1 is noise, 0 the end.",
        stages=DIT,
        neutral=0.0,
        low=0,
        high=1,
        switches=_GUIDED,
    )
    """In upstream's direction: guidance runs while start <= t <= end, t from 1 (noise) to 0."""
    cfg_interval_end: float = setting(
        "Guidance runs up to this time.", stages=DIT, neutral=1.0, low=0, high=1, switches=_GUIDED
    )
    sampler_mode: Literal["euler", "heun"] = setting(
        "`heun` looks twice at each step of `ode`, in twice the time.",
        stages=DIT,
        neutral="euler",
        # Heun's method is one for `ode`; upstream goes on with Euler's beside `sde`, too.
        switches={"infer_method": at("sde")},
    )
    dcw_enabled: bool | None = setting(
        "Whether steps are corrected in a wavelet's bands; left out, turbo does, others don't.",
        stages=DIT,
        neutral=False,
        fact="dcw",
    )
    dcw_mode: Literal["low", "high", "double", "pix"] | None = setting(
        "The bands that are corrected: one, both, or `pix` for no bands.",
        stages=DIT,
        neutral=None,
        default="double",
        switches=_DCW,
    )
    dcw_scaler: float | None = setting(
        "How strongly; in mode `double`, the low band.",
        stages=DIT,
        neutral=None,
        default=0.05,
        low=-1,
        high=1,
        switches=_DCW,
    )
    dcw_high_scaler: float | None = setting(
        "How strongly the high band, in mode `double`.",
        stages=DIT,
        neutral=None,
        default=0.02,
        low=-1,
        high=1,
        switches={**_DCW, "dcw_mode": at(None, "low", "high", "pix")},
    )
    retake_seed: int | None = setting(
        "The seed of the noise that `retake_variance` turns towards.",
        stages=DIT,
        neutral=None,
        low=0,
        high=MAX_SEED,
        aliases=("retake_seed_value",),
    )
    retake_variance: float = setting(
        "0 is the take itself, 1 that of `retake_seed`, between are relatives of it.",
        stages=DIT,
        neutral=0.0,
        low=0,
        high=1,
    )


@dataclass(frozen=True, kw_only=True)
class LmPhases:
    """Which of the LM's phases run at all."""

    thinking: bool = setting(
        "Whether the LM writes audio codes for the DiT to follow.", stages=CODES, default=True, aliases=("think",)
    )
    use_cot_metas: bool = setting("Whether the LM decides the metas left out.", stages=(*COT, *DIT), default=True)


@dataclass(frozen=True, kw_only=True)
class CotUse:
    """What is taken from the LM's chain of thought beside the metas left out."""

    use_cot_caption: bool = setting(
        "Whether the LM may rewrite the caption for the DiT.",
        stages=(*COT, *DIT),
        neutral=False,
        default=True,
        switches=_LEAVES_NO_COT,
    )
    use_cot_language: bool = setting(
        "Whether the LM names the language.",
        stages=(*COT, *DIT),
        neutral=False,
        default=True,
        switches={**_LEAVES_NO_COT, "vocal_language": is_said},
    )


@dataclass(frozen=True, kw_only=True)
class LmSampling:
    """How the LM computes and draws tokens. Source: ace-step/ACE-Step-1.5, acestep/llm_inference.py."""

    lm_temperature: float = setting(
        "0 is greedy.",
        stages=LM,
        default=0.85,
        low=0,
        high=2,
        former="temperature",
        aliases=("temperature",),
    )
    lm_cfg_scale: float = setting(
        "How strongly the LM follows caption and lyrics; off at 1 and below.",
        stages=CODES,  # on a chain of thought, guidance made captions end early: as upstream since March 2026
        neutral=1.0,
        default=2.0,
        low=0,
        high=10,
        switches={"lm_cfg_scale": at_most(1)},
        former="cfg_scale",
    )
    lm_top_k: int = setting(
        "0 is off.",
        stages=LM,
        neutral=0,
        low=0,
        high=NUM_CODES,
        switches=DRAWN,
        former="top_k",
        aliases=("top_k",),
    )
    lm_top_p: float = setting(
        "0 and 1 are off.",
        stages=LM,
        neutral=1.0,
        default=0.9,
        low=0,
        high=1,
        switches={**DRAWN, "lm_top_p": at(0)},
        former="top_p",
        aliases=("top_p",),
    )
    lm_repetition_penalty: float = setting(
        "1 is off.",
        stages=LM,
        neutral=1.0,
        low=0.5,
        high=2,
        former="repetition_penalty",
        aliases=("repetition_penalty",),
    )
    lm_negative_prompt: str = setting(
        "What the LM is led away from; `NO USER INPUT` is none.",
        stages=CODES,
        neutral="",
        default=NO_NEGATIVE_PROMPT,
        longest=4096,
        switches={"lm_cfg_scale": at_most(1)},
        former="negative_prompt",
        aliases=("negative_prompt",),
    )
    lm_seed: int = setting(
        "Seeds the chain of thought, which all takes of a song share.",
        stages=COT,
        neutral=0,
        low=0,
        high=MAX_SEED,
        switches=DRAWN,
        former="seed",
    )
    lm_quantization: Literal["none", "8bit"] = setting(
        "What the LM's weights are held in: `none` as it computes, `8bit` in half of that, on `--device mlx` alone.",
        stages=LM,
        neutral="none",
    )
    use_constrained_decoding: bool = setting(
        "Whether a grammar guides the LM.",
        stages=LM,
        neutral=False,
        default=True,
        former="constrained",
        aliases=("constrained", "constrained_decoding"),
    )

    @property
    def guided(self) -> bool:
        """Whether logits are pulled away from those of an unconditional row."""
        return self.lm_cfg_scale > 1


@dataclass(frozen=True, kw_only=True)
class Inference(LmSampling, CotUse, LmPhases, DitSettings):
    """ACE-Step's own settings under its own names; None is the checkpoint's known good value."""


@dataclass(frozen=True, kw_only=True)
class EditSettings:
    """How an edit follows its source. Source: ace-step/ACE-Step-1.5, acestep/inference.py."""

    repaint_mode: Literal["aggressive", "balanced", "conservative"] = setting(
        "How far a repaint holds on to what is around its window.", stages=DIT, default="balanced"
    )
    repaint_strength: float = setting(
        "Of `balanced`: 1 is as free as `aggressive`, 0 as careful as `conservative`.",
        stages=DIT,
        default=0.5,
        low=0,
        high=1,
        switches={"repaint_mode": at("aggressive", "conservative")},
    )
    chunk_mask_mode: Literal["auto", "explicit"] = setting(
        "Whether the DiT is shown the window (`explicit`), or finds it by itself.",
        stages=DIT,
        neutral="auto",
    )
    audio_cover_strength: float = setting(
        "Up to which share of the steps the source is followed.", stages=DIT, neutral=1.0, low=0, high=1
    )
    cover_noise_strength: float = setting(
        "How near to the source the noise begins; 0 is noise alone.", stages=DIT, neutral=0.0, low=0, high=1
    )
    flow_edit_source_caption: str = setting("The caption that the source was made from.", stages=DIT, neutral="")
    flow_edit_source_lyrics: str = setting("The lyrics that the source was made from.", stages=DIT, neutral="")
    flow_edit_n_min: float = setting(
        "From which share of the steps a morph moves the source.", stages=DIT, neutral=0.0, low=0, high=1
    )
    flow_edit_n_max: float = setting(
        "Up to which share of the steps a morph keeps to the source.", stages=DIT, neutral=1.0, low=0, high=1
    )
    flow_edit_n_avg: int = setting(
        "Over how many draws a morph's steps are averaged.", stages=DIT, neutral=1, low=1, high=16
    )


TABLES: Mapping[str, type] = {"metas": Metas, "inference": Inference}
"""A table of a spec -> its settings."""
SETTINGS: Mapping[str, Setting] = {name: row for group in TABLES.values() for name, row in rows(group).items()}
"""All of them."""
