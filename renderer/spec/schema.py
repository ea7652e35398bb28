"""What may stand in a spec and in `renderer.toml`: pydantic models of both, ranges and choices included.

Takes parsed TOML, gives checked values; None is what the file leaves out. Knows no files, spans or defaults.
"""

from __future__ import annotations

import re
from functools import cache, partial
from itertools import pairwise
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_type_hints

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
    create_model,
)
from pydantic_core import PydanticCustomError

from renderer.facts import LANGUAGES, MAX_DURATION, MAX_SEED, MAX_TIMESTEPS, MIN_DURATION, TRACKS
from renderer.formats.table import FORMATS
from renderer.settings import CotUse, EditSettings, Inference, LmPhases, LmSampling, Metas, rows
from renderer.song import MAX_SEEDS, PickSettings, Task
from renderer.spec.languages import KEYSCALE_PATTERN, TIMESIGNATURES, normalised_keyscale
from renderer.spec.name_lengths import NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from renderer.settings import Setting

AnyTable = TypeVar("AnyTable", bound="Table")

TIMESIGNATURE_FORMS = [*TIMESIGNATURES, *(int(form) for form in TIMESIGNATURES if form.isdigit())]

Language = Literal[*LANGUAGES]  # type: ignore[valid-type]  # the list is a constant; mypy wants it spelt out
FormatName = Literal[*FORMATS]  # type: ignore[valid-type]  # as above


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
    if "\0" in written or any(len(part.encode(errors="replace")) > NAME_BYTES for part in written.split("/")):
        raise PydanticCustomError("place", f"no file is called that: a name has {NAME_BYTES} bytes at most")
    return written


def _place_or_none(written: str) -> str:
    return written and _place(written)


def _descending(timesteps: list[float]) -> list[float]:
    if any(later > earlier for earlier, later in pairwise(timesteps)):
        raise PydanticCustomError("order", "time runs from 1 (noise) down to 0")
    steps = sum(time > 0 for time in timesteps)
    if not 0 < steps <= MAX_TIMESTEPS:
        raise PydanticCustomError("count", f"it takes 1 to {MAX_TIMESTEPS} times above 0")
    return timesteps


def _device(written: str) -> str:
    if not re.fullmatch(DEVICE_PATTERN, written):
        raise PydanticCustomError("form", "it takes auto, cpu, mps, mlx, cuda, cuda:0 or several as cuda:0,2")
    return written


def _at_form(written: Any) -> str:
    return "section" if isinstance(written, str) else "seconds"


def _windows(written: Any) -> Any:
    if isinstance(written, list) and any(isinstance(one, int | float) for one in written):
        raise PydanticCustomError("form", "each window is a pair in brackets of its own: `[[2.0, 5.0]]`")
    return written


def _lyrics_form(written: Any) -> str:
    return "sections" if isinstance(written, list) else "text"


Said = Annotated[str, AfterValidator(_said), Field(json_schema_extra={"pattern": r"\S"})]
Place = Annotated[Said, AfterValidator(_place)]
PlaceOrNone = Annotated[str, AfterValidator(_place_or_none)]
Keyscale = Annotated[str, AfterValidator(_keyscale), Field(json_schema_extra={"pattern": KEYSCALE_PATTERN})]
Timesignature = Annotated[str, BeforeValidator(_timesignature), WithJsonSchema({"enum": TIMESIGNATURE_FORMS})]
DEVICE_PATTERN = r"auto|cpu|mps|mlx|cuda(:\d{1,4}(,\d{1,4})*)?"
Device = Annotated[str, AfterValidator(_device), Field(json_schema_extra={"pattern": f"^({DEVICE_PATTERN})$"})]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Seeds = Annotated[list[Seed], Field(min_length=1, max_length=MAX_SEEDS, json_schema_extra={"uniqueItems": True})]
Timesteps = Annotated[
    list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1, max_length=200), AfterValidator(_descending)
]
_FORMS: Mapping[str, object] = {
    "keyscale": Keyscale,
    "timesignature": Timesignature,
    "vocal_language": Language,
    "timesteps": Timesteps,
}
"""Settings that are written in other ways than their values' types and ranges tell."""
VariantName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class Table(BaseModel):
    """A TOML table: nothing unknown, nothing converted, no nan or inf."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        defer_build=True,  # all but a file's own are only ever asked as parts of that
    )


@cache
def empty_table(table: type[AnyTable]) -> AnyTable:
    """One that says nothing: frozen, so that all files that leave it out share it, and nothing is checked for it."""
    return table.model_construct()


def _keys_of(group: type) -> Callable[[type[AnyTable]], type[AnyTable]]:
    """Give a table the keys of a group of settings, each as its row has it."""

    def with_keys(table: type[AnyTable]) -> type[AnyTable]:
        types = get_type_hints(group)
        keys: dict[str, Any] = {
            name: (_written(name, types[name], row) | None, Field(default=None, description=row.sentence))
            for name, row in rows(group).items()
        }
        return create_model(table.__name__, __base__=table, __doc__=table.__doc__, __module__=__name__, **keys)

    return with_keys


def _keys_of_table(other: type[Table], *, less: Collection[str]) -> Callable[[type[AnyTable]], type[AnyTable]]:
    """Give a table the keys of another, some left out."""

    def with_keys(table: type[AnyTable]) -> type[AnyTable]:
        keys: dict[str, Any] = {
            name: (field.rebuild_annotation(), field) for name, field in other.model_fields.items() if name not in less
        }
        return create_model(table.__name__, __base__=table, __doc__=table.__doc__, __module__=__name__, **keys)

    return with_keys


def _written(name: str, value_type: Any, row: Setting) -> Any:
    """How a setting's value is written, checked."""
    if name in _FORMS:
        return _FORMS[name]
    return Annotated[_without_none(value_type), Field(ge=row.low, le=row.high, max_length=row.longest)]


def _without_none(value_type: Any) -> Any:
    kinds = [kind for kind in get_args(value_type) if kind is not NoneType]
    return kinds[0] if NoneType in get_args(value_type) else value_type


@_keys_of(Metas)
class MetasTable(Table):
    """What the music is, in ACE-Step's terms; what is left out the LM decides."""


@_keys_of(Inference)
class InferenceTable(Table):
    """How it is rendered: ACE-Step's own settings under its own names."""

    dcw_wavelet: Annotated[Literal["haar"], WithJsonSchema({"enum": ["haar"]})] | None = Field(
        default=None, description="The wavelet; there is one."
    )


_MODEL = "A model name, a folder, or a DiT in one `.safetensors` file."
_REFERENCE = 'An audio file, relative to this file, whose timbre the takes have; `""` is none.'
_BASED_ON = "What a DiT in one file was made from, a model name or a folder: sizes, VAE, text encoder and LM are its."


class LoraTable(Table):
    """An adapter on the DiT."""

    path: Place = Field(description="A PEFT folder, relative to this file.")
    scale: Annotated[float, Field(ge=0, le=2)] = Field(default=1.0, description="1 is full strength.")


class LyricsTable(Table):
    """One section of the lyrics."""

    section: Said = Field(description="The section's tag: `verse`, `chorus 2`.")
    annotation: Said | None = Field(default=None, description="How it is played or sung: `whispered`.")
    text: str = Field(default="", description="The lines that are sung.")


Lyrics = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[LyricsTable], Field(min_length=1, max_length=500), Tag("sections")],
    Discriminator(_lyrics_form),
]


_CAPTION = "What the music sounds like: genre, instruments, mood, voice."
_LYRICS = "What is sung, in sections headed by tags such as `[verse]`."
_LYRICS_FILE = "A UTF-8 text file with the lyrics, relative to this file."
_INSTRUMENTAL = "Instead of lyrics: nobody sings."


@_keys_of(Metas)
class VariantTable(InferenceTable):
    """Another way to render the song, or another song on its ground: only what differs."""

    caption: Said | None = Field(default=None, description=_CAPTION)
    lyrics: Lyrics | None = Field(default=None, description=_LYRICS)
    lyrics_file: Place | None = Field(default=None, description=_LYRICS_FILE)
    instrumental: bool | None = Field(default=None, description=_INSTRUMENTAL)
    seeds: Seeds | None = Field(default=None, description="One take per seed, in place of the song's.")
    codes: PlaceOrNone | None = Field(
        default=None, description='A file of pinned codes, relative to this file; `""` has the LM write its own.'
    )
    model: Place | None = Field(default=None, description=_MODEL)
    based_on: Said | None = Field(default=None, description=_BASED_ON)
    lm: Place | None = Field(default=None, description="The 5 Hz LM: a name or a folder.")
    vae: Place | None = Field(default=None, description="The VAE that decodes: `official`, `scragvae` or a folder.")
    reference_audio: PlaceOrNone | None = Field(default=None, description=_REFERENCE)
    lora: list[LoraTable] | None = Field(default=None, description="Adapters, merged in this order.")


Seconds = Annotated[float, Field(ge=-MAX_DURATION, le=MAX_DURATION)]
At = Annotated[
    list[
        Annotated[
            Annotated[Said, Tag("section")]
            | Annotated[list[Seconds], Field(min_length=2, max_length=2), Tag("seconds")],
            Discriminator(_at_form),
        ]
    ],
    BeforeValidator(_windows),
    Field(min_length=1, max_length=100),
]
Track = Literal[*TRACKS]  # type: ignore[valid-type]  # as above
NOT_OF_EDITS = frozenset({"lm", "codes", "duration", *rows(LmSampling), *rows(CotUse), *rows(LmPhases)})
"""A variant's keys that an edit can't have: the LM stays out, and it is as long as its source."""


@_keys_of(EditSettings)
@_keys_of_table(VariantTable, less=NOT_OF_EDITS)
class EditTable(Table):
    """A take made from another, or from a file: a part of it anew, another style of it, a track more or alone."""

    task: Task | None = Field(default=None, description="What is made of the source.")
    src_audio: Place | None = Field(
        default=None,
        description="A take, `s2`, `wide.s2` or `other-song.s2`, or an audio file with its folder or ending.",
    )
    at: At | None = Field(
        default=None, description="What is made anew: pairs of seconds, or sections; several are passes in order."
    )
    repainting_start: Seconds | None = Field(default=None, description="The one window's start, in place of `at`.")
    repainting_end: Seconds | None = Field(
        default=None, description="The one window's end, in place of `at`; -1 or left out is the source's."
    )
    track: Track | None = Field(default=None, description="What `extract` takes out, or `lego` adds.")
    tracks: Annotated[list[Track], Field(min_length=1, max_length=len(TRACKS))] | None = Field(
        default=None, description="What `complete` adds."
    )
    if TYPE_CHECKING:  # of a variant's keys, those that are asked for by name
        seeds: list[int] | None
        model: str | None
        based_on: str | None
        vae: str | None
        reference_audio: str | None
        lora: list[LoraTable] | None


class OutputTable(Table):
    """How takes are written."""

    format: FormatName | None = Field(default=None, description="The audio files' format.")
    recipe: Literal["full", "key", "none"] | None = Field(
        default=None, description="What the audio files' tags tell of how they were made."
    )
    timestamps: bool | None = Field(
        default=None,
        description="Whether a `.lrc` beside the audio tells when each line is sung; left out, where there are words.",
    )


class PickTable(Table):
    """Many plans of a song, of which the best are finished."""

    plans: Annotated[int, Field(ge=1, le=MAX_SEEDS)] | None = Field(
        default=None,
        description=f"Plans that the LM writes: of `seeds`, then counted up; {PickSettings().plans} if unsaid.",
    )
    finish: Annotated[int, Field(ge=1, le=MAX_SEEDS)] | None = Field(
        default=None,
        description=f"How many, the best by their scores, are finished; {PickSettings().finish} if unsaid.",
    )


TABLES: Mapping[str, type[Table]] = {
    "metas": MetasTable,
    "inference": InferenceTable,
    "output": OutputTable,
    "pick": PickTable,
}
"""The tables that a spec and `renderer.toml` have in common, by name."""


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
    reference_audio: PlaceOrNone | None = Field(default=None, description=_REFERENCE)
    max_duration: Annotated[float, Field(ge=MIN_DURATION, le=MAX_DURATION)] | None = Field(
        default=None, description="Seconds a song may last: bounds what the LM may choose and a spec may ask."
    )
    metas: MetasTable = Field(default_factory=partial(empty_table, MetasTable))
    inference: InferenceTable = Field(default_factory=partial(empty_table, InferenceTable))
    output: OutputTable = Field(default_factory=partial(empty_table, OutputTable))
    pick: PickTable | None = Field(default=None, description="Has the LM write many plans, and finishes the best.")
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
    caption: Said = Field(description=_CAPTION)
    lyrics: Lyrics | None = Field(default=None, description=_LYRICS)
    lyrics_file: Place | None = Field(default=None, description=_LYRICS_FILE)
    codes: Place | None = Field(
        default=None, description="A file of pinned codes, relative to this file: followed instead of asking the LM."
    )
    instrumental: bool | None = Field(default=None, description=_INSTRUMENTAL)
    seeds: Seeds | None = Field(default=None, description="One take per seed.")
    base: bool | None = Field(
        default=None, description="`false` renders the variants alone, not the song as it stands above them."
    )
    variants: dict[VariantName, VariantTable] = Field(
        default_factory=dict, description="Other ways to render the song; each adds a take per seed."
    )
    edits: dict[VariantName, EditTable] = Field(
        default_factory=dict, description="Takes made from others, or from files; each adds a take per seed."
    )


def tables_of(spec: SongFile) -> Iterator[tuple[tuple[str, ...], SongFile | VariantTable | EditTable]]:
    """Where a take's keys may be written, with the place in the file: the spec itself, its variants, its edits."""
    yield (), spec
    yield from ((("variants", name), table) for name, table in spec.variants.items())
    yield from ((("edits", name), table) for name, table in spec.edits.items())


class DefaultsFile(SharedKeys):
    """`renderer.toml`: defaults for the specs beside and below it."""

    outputs: Place | None = Field(
        default=None, description="The folder that takes and report are written to, relative to this file."
    )
    device: Device | None = Field(
        default=None,
        description="Where takes are computed: `auto`, `cpu`, `mps`, `mlx`, `cuda` (all GPUs) or `cuda:0,2`.",
    )


def table_of(key: str) -> str | None:
    """The table of a spec that a key stands in; None for one that stands in none."""
    return next((name for name, model in TABLES.items() if key in model.model_fields), None)
