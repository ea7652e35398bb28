"""What may stand in a spec and in `renderer.toml`: pydantic models of both, ranges and choices included.

Takes parsed TOML, gives checked values; None is what the file leaves out. Knows no files, spans or defaults.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from renderer.facts import LANGUAGES, MAX_BPM, MAX_DURATION, MIN_BPM, MIN_DURATION, NUM_CODES
from renderer.song import MAX_SEED, MAX_SEEDS
from renderer.spec.languages import KEYSCALE_PATTERN, TIMESIGNATURES, normalised_keyscale

MAX_TIMESTEPS = 20  # that upstream takes from a list
MAX_NAME_BYTES = 255  # of every file system in use
ABOVE_ZERO = sys.float_info.min  # editors' schemas, of draft 4, know no other "more than"

TIMESIGNATURE_FORMS = [*TIMESIGNATURES, *(int(form) for form in TIMESIGNATURES if form.isdigit())]

Language = Literal[*LANGUAGES]  # type: ignore[valid-type]  # the list is a constant; mypy wants it spelt out


def _keyscale(written: str) -> str:
    normalised = normalised_keyscale(written)
    if normalised is None:
        raise PydanticCustomError("form", "a key signature is a note, `#` or `b`, and `major` or `minor`")
    return normalised


def _timesignature(written: Any) -> str:
    if isinstance(written, float) and written.is_integer():
        written = int(written)  # JSON, which editors check against, has one kind of number
    if isinstance(written, bool) or not isinstance(written, int | str):
        raise PydanticCustomError("string_type", "a string")
    normalised = TIMESIGNATURES.get(str(written).strip())
    if normalised is None:
        raise PydanticCustomError("choice", "ACE-Step takes `2`, `3`, `4` or `6`")
    return normalised


def _said(written: str) -> str:
    if not written.strip():
        raise PydanticCustomError("empty", "an empty text")
    return written


def _place(written: str) -> str:
    if "\n" in written.strip() or "\r" in written.strip():
        raise PydanticCustomError("place", "a file's name stands in one line")
    if "\0" in written or any(len(part.encode(errors="replace")) > MAX_NAME_BYTES for part in written.split("/")):
        raise PydanticCustomError("place", f"no file is called that: a name has {MAX_NAME_BYTES} bytes at most")
    return written


def _descending(timesteps: list[float]) -> list[float]:
    if any(later > earlier for earlier, later in pairwise(timesteps)):
        raise PydanticCustomError("order", "time runs from 1 (noise) down to 0")
    steps = sum(time > 0 for time in timesteps)
    if not 0 < steps <= MAX_TIMESTEPS:
        raise PydanticCustomError("count", f"it takes 1 to {MAX_TIMESTEPS} times above 0")
    return timesteps


def _lyrics_form(written: Any) -> str:
    return "sections" if isinstance(written, list) else "text"


Said = Annotated[str, AfterValidator(_said), Field(json_schema_extra={"pattern": r"\S"})]
Place = Annotated[Said, AfterValidator(_place)]
Keyscale = Annotated[str, AfterValidator(_keyscale), Field(json_schema_extra={"pattern": KEYSCALE_PATTERN})]
Timesignature = Annotated[str, BeforeValidator(_timesignature), WithJsonSchema({"enum": TIMESIGNATURE_FORMS})]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
VariantName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class Table(BaseModel):
    """A TOML table: nothing unknown, nothing converted, no nan or inf."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class MetasTable(Table):
    """What the music is, in ACE-Step's terms; what is left out the LM decides."""

    bpm: Annotated[int, Field(ge=MIN_BPM, le=MAX_BPM)] | None = Field(
        default=None, description="Beats a minute; 60 to 180 work best."
    )
    keyscale: Keyscale | None = Field(default=None, description="`A minor`, `F# major`.")
    timesignature: Timesignature | None = Field(default=None, description="Beats a bar: 2, 3, 4 or 6 (for 6/8).")
    duration: Annotated[float, Field(ge=MIN_DURATION, le=MAX_DURATION)] | None = Field(
        default=None, description="Seconds; 30 to 240 work best."
    )
    vocal_language: Language | None = Field(default=None, description="The language that is sung.")


class InferenceTable(Table):
    """How it is rendered: ACE-Step's own settings under its own names."""

    inference_steps: Annotated[int, Field(ge=1, le=200)] | None = Field(
        default=None, description="Denoising steps; turbo checkpoints run 1 to 8, sft and base work best at 32 to 64."
    )
    guidance_scale: Annotated[float, Field(ge=1, le=15)] | None = Field(
        default=None, description="How strongly the DiT follows the prompt; without effect on turbo checkpoints."
    )
    infer_method: Literal["ode", "sde"] | None = Field(default=None, description="The solver.")
    shift: Annotated[float, Field(ge=ABOVE_ZERO, le=10)] | None = Field(
        default=None,
        description="Above 1 spends more steps near pure noise; turbo is distilled for 1, 2 and 3, sft and base for 1.",
    )
    timesteps: (
        Annotated[
            list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1, max_length=200), AfterValidator(_descending)
        ]
        | None
    ) = Field(default=None, description="The times of the denoising steps, from 1 down; instead of steps and shift.")
    sampler_mode: Literal["euler", "heun"] | None = Field(
        default=None, description="`heun` looks twice at each step of `ode`, in twice the time."
    )
    dcw_enabled: bool | None = Field(
        default=None,
        description="Whether steps are corrected in a wavelet's bands; left out, turbo does, others don't.",
    )
    dcw_mode: Literal["low", "high", "double", "pix"] | None = Field(
        default=None, description="The bands that are corrected: one, both, or `pix` for no bands."
    )
    dcw_scaler: Annotated[float, Field(ge=-1, le=1)] | None = Field(
        default=None, description="How strongly; in mode `double`, the low band."
    )
    dcw_high_scaler: Annotated[float, Field(ge=-1, le=1)] | None = Field(
        default=None, description="How strongly the high band, in mode `double`."
    )
    dcw_wavelet: Annotated[Literal["haar"], WithJsonSchema({"enum": ["haar"]})] | None = Field(
        default=None, description="The wavelet; there is one."
    )
    retake_seed: Seed | None = Field(
        default=None, description="The seed of the noise that `retake_variance` turns towards."
    )
    retake_variance: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="0 is the take itself, 1 that of `retake_seed`, between are relatives of it."
    )
    thinking: bool | None = Field(default=None, description="Whether the LM writes audio codes for the DiT to follow.")
    lm_temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(default=None, description="0 is greedy.")
    lm_cfg_scale: Annotated[float, Field(ge=0, le=10)] | None = Field(
        default=None, description="How strongly the LM follows caption and lyrics; off at 1 and below."
    )
    lm_top_k: Annotated[int, Field(ge=0, le=NUM_CODES)] | None = Field(default=None, description="0 is off.")
    lm_top_p: Annotated[float, Field(ge=0, le=1)] | None = Field(default=None, description="0 and 1 are off.")
    lm_repetition_penalty: Annotated[float, Field(ge=0.5, le=2)] | None = Field(default=None, description="1 is off.")
    lm_negative_prompt: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None, description="What the LM is led away from; `NO USER INPUT` is none."
    )
    lm_seed: Seed | None = Field(
        default=None, description="Seeds the chain of thought, which all takes of a song share."
    )
    use_cot_metas: bool | None = Field(default=None, description="Whether the LM decides the metas left out.")
    use_cot_caption: bool | None = Field(
        default=None, description="Whether the LM may rewrite the caption for the DiT."
    )
    use_cot_language: bool | None = Field(default=None, description="Whether the LM names the language.")
    use_constrained_decoding: bool | None = Field(default=None, description="Whether a grammar guides the LM.")
    cfg_interval_start: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Guidance runs from this time on; 1 is noise, 0 the end."
    )
    cfg_interval_end: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="Guidance runs up to this time."
    )


_MODEL = "A model name, a folder, or a DiT in one `.safetensors` file."
_BASED_ON = "What a DiT in one file was made from, a model name or a folder: sizes, VAE, text encoder and LM are its."


class LoraTable(Table):
    """An adapter on the DiT."""

    path: Place = Field(description="A PEFT folder, relative to this file.")
    scale: Annotated[float, Field(ge=0, le=2)] = Field(default=1.0, description="1 is full strength.")


class VariantTable(InferenceTable):
    """Another way to render the song: only what differs."""

    model: Place | None = Field(default=None, description=_MODEL)
    based_on: Said | None = Field(default=None, description=_BASED_ON)
    lm: Place | None = Field(default=None, description="The 5 Hz LM: a name or a folder.")
    vae: Place | None = Field(default=None, description="The VAE that decodes: `official`, `scragvae` or a folder.")
    lora: list[LoraTable] | None = Field(default=None, description="Adapters, merged in this order.")


class OutputTable(Table):
    """How takes are written."""

    format: Literal["wav", "flac", "mp3", "opus"] | None = Field(default=None, description="The audio files' format.")
    recipe: Literal["full", "key", "none"] | None = Field(
        default=None, description="What the audio files' tags tell of how they were made."
    )


class LyricsTable(Table):
    """One section of the lyrics."""

    section: Said = Field(description="The section's tag: `verse`, `chorus 2`.")
    annotation: Said | None = Field(default=None, description="How it is played or sung: `whispered`.")
    text: str = Field(default="", description="The lines that are sung.")


Lyrics = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[LyricsTable], Field(min_length=1, max_length=500), Tag("sections")],
    Discriminator(_lyrics_form),
]


class SharedKeys(Table):
    """What a spec and `renderer.toml` have in common."""

    model: Place | None = Field(default=None, description=_MODEL)
    based_on: Said | None = Field(default=None, description=_BASED_ON)
    lm: Place | None = Field(
        default=None, description="The 5 Hz LM: a name or a folder; left out, the one that belongs to the model."
    )
    vae: Place | None = Field(
        default=None,
        description="The VAE that decodes: `official`, `scragvae` or a folder; left out, the one of the model.",
    )
    max_duration: Annotated[float, Field(ge=MIN_DURATION, le=MAX_DURATION)] | None = Field(
        default=None, description="Seconds a song may last: bounds what the LM may choose and a spec may ask."
    )
    metas: MetasTable = Field(default_factory=MetasTable)
    inference: InferenceTable = Field(default_factory=InferenceTable)
    output: OutputTable = Field(default_factory=OutputTable)
    lora: list[LoraTable] | None = Field(default=None, description="Adapters on the DiT, merged in this order.")
    annotation_style: Literal["as-written", "paren", "bracket"] | None = Field(
        default=None, description="How annotations are written for the model: `[bridge] (…)` or `[bridge - …]`."
    )
    allow: list[str] | None = Field(default=None, description="Codes of warnings and notes that are meant to be.")


class SongFile(SharedKeys):
    """A song spec."""

    title: Annotated[Said, Field(max_length=300)] | None = Field(
        default=None, description="Shown and tagged; left out, the file's name."
    )
    caption: Said = Field(description="What the music sounds like: genre, instruments, mood, voice.")
    lyrics: Lyrics | None = Field(
        default=None, description="What is sung, in sections headed by tags such as `[verse]`."
    )
    lyrics_file: Place | None = Field(
        default=None, description="A UTF-8 text file with the lyrics, relative to this file."
    )
    codes: Place | None = Field(
        default=None, description="A file of pinned codes, relative to this file: followed instead of asking the LM."
    )
    instrumental: bool | None = Field(default=None, description="Instead of lyrics: nobody sings.")
    seeds: (
        Annotated[list[Seed], Field(min_length=1, max_length=MAX_SEEDS, json_schema_extra={"uniqueItems": True})] | None
    ) = Field(default=None, description="One take per seed.")
    variants: dict[VariantName, VariantTable] = Field(
        default_factory=dict, description="Other ways to render the song; each adds a take per seed."
    )


class DefaultsFile(SharedKeys):
    """`renderer.toml`: defaults for the specs beside and below it."""

    outputs: Place | None = Field(
        default=None, description="The folder that takes and report are written to, relative to this file."
    )
