"""What a spec means: Song, its sections, metas, variants and takes. Frozen values; no I/O, no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Literal

from renderer.facts import CODE_RATE, MAX_SEED
from renderer.settings import EditSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from renderer.settings import Inference, Metas

MAX_TAKES = 10_000  # of a song; nobody listens to more
MAX_SEEDS = 10_000  # of a song
INSTRUMENTAL_LYRICS = "[Instrumental]"


def is_seed(number: object) -> bool:
    """Whether a number can be a take's seed, the LM's or a retake's."""
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= MAX_SEED


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A tagged part of the lyrics: `[verse 2] (whispered)` and the lines below it."""

    tag: str
    """As written without its number, e.g. `verse`, `Guitar Solo`; empty for lines before the first tag."""
    number: int | None = None
    annotation: str | None = None
    lines: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    """What stands in brackets inside the lines: backing vocals, sounds."""
    start: int = field(default=0, compare=False)
    """The line of the lyrics it begins at, from 0."""
    first: int = field(default=0, compare=False)
    """The line that the first of `lines` stands in: its heading's own, or one below the heading and its directions."""

    @property
    def numbered_tag(self) -> str:
        """The tag with its number: `verse 2`."""
        return self.tag if self.number is None else f"{self.tag} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """An adapter on the DiT: a PEFT folder and the user's scale (1.0 is full strength)."""

    path: Path
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedCot:
    """The chain of thought that pinned codes were written for."""

    text: str
    """As the LM wrote it."""
    bpm: int | None = None
    caption: str | None = None
    duration: int | None = None
    keyscale: str | None = None
    language: str | None = None
    timesignature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Audio codes that a spec names instead of having the LM write them."""

    codes: tuple[int, ...]
    """At 5 Hz."""
    cot: PinnedCot | None
    take: str
    """The take they were made for."""
    caption: str
    """The song's caption at that time."""
    codes_key: str
    """The key of the job that made the codes."""
    cot_key: str
    """The key of the job that made the chain of thought; empty when there was none."""
    digest: str
    """Of codes and chain of thought as they were pinned."""

    @property
    def content_digest(self) -> str:
        """SHA-256 over codes and chain of thought: tells whether somebody edited them."""
        content = {"codes": list(self.codes), "cot": asdict(self.cot) if self.cot else None}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def is_as_pinned(self) -> bool:
        """Whether nobody edited them since."""
        return self.digest == self.content_digest

    @property
    def seconds(self) -> float:
        """How long the codes last."""
        return len(self.codes) / CODE_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is played and sung, and how often."""

    caption: str
    lyrics: str
    """Exactly what the model is sent."""
    sections: tuple[Section, ...]
    instrumental: bool
    metas: Metas
    seeds: tuple[int, ...]
    pinned: Pinned | None = None
    """Codes to follow instead of asking the LM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSource:
    """Another take as what an edit starts from."""

    take: str
    """Its full name: `night-bus.s2`, `night-bus.wide.s2`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """An audio file as what an edit starts from."""

    path: Path
    """Absolute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What an edit makes anew, in seconds of its source: before 0 or behind the end, it makes the source longer."""

    start: float
    end: float | None = None
    """None is the source's end."""

    @property
    def name(self) -> str:
        """`62 to 75.5 s`."""
        return f"{self.start:g} s to the end" if self.end is None else f"{self.start:g} to {self.end:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionWindow:
    """The same by a section's tag, found in the source's timestamps."""

    tag: str
    number: int | None = None
    """Which of the sections of that tag, from 1; None is each of them."""

    @property
    def name(self) -> str:
        """`chorus 2`."""
        return self.tag if self.number is None else f"{self.tag} {self.number}"


Task = Literal["repaint", "cover", "cover-nofsq", "extract", "lego", "complete", "morph"]


@dataclass(frozen=True, kw_only=True)
class TakeEdit(EditSettings):
    """How a take is made from another, or from a file; without `at`, from the whole of it."""

    task: Task
    source: TakeSource | FileSource
    at: tuple[Window | SectionWindow, ...] = ()
    """One pass each, in this order."""
    track: str | None = None
    """Of `extract` and `lego`: one of `facts.TRACKS`."""
    tracks: tuple[str, ...] = ()
    """Of `complete`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to render the song; the base has the empty name."""

    name: str
    model: str
    lm: str | None
    """None is the LM that belongs to `model`."""
    inference: Inference
    lora: tuple[Lora, ...] = ()
    vae: str | None = None
    """A known name or a folder; None is the VAE of `model`."""
    based_on: str | None = None
    """What `model`, a DiT in one file, takes all the rest from: a known name or a folder; None is what lies beside."""
    edit: TakeEdit | None = None
    """What it is made from; None makes it anew."""
    reference_audio: Path | None = None
    """An audio file, absolute, whose timbre it takes."""
    content: Content | None = field(default=None, hash=False)
    """In place of the song's own, where its table writes any of it; None is the song's."""
    written: frozenset[str] = frozenset()
    """The keys of `content` that its own table writes."""

    @property
    def table(self) -> tuple[str, ...]:
        """Where a spec writes it: nowhere of its own, `variants.wide`, `edits.bridge2`."""
        return ("edits" if self.edit else "variants", self.name) if self.name else ()

    @property
    def lm_quantization(self) -> str | None:
        """What its LM's weights are held in; None as they are computed with, or where no LM runs."""
        said = self.inference
        runs_lm = said.thinking or said.use_cot_metas
        return said.lm_quantization if runs_lm and said.lm_quantization != "none" else None

    @property
    def trained_as(self) -> str:
        """Whose settings suit it: what a DiT in one file is based on, else the model."""
        return self.based_on or self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How takes are written."""

    format: str = "flac"
    recipe: str = "full"
    """What the audio's tags tell: `full`, `key` or `none`."""
    timestamps: bool | None = None
    """Whether it is told beside the audio when the lyrics are sung; None: where there are words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PickSettings:
    """The LM writes many plans and scores them, the best go on to become sound."""

    plans: int = 16
    """How many; a song with more seeds has a plan of each."""
    finish: int = 4
    """How many of them, the best."""

    def seeds(self, own: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the plans: a song's own, then counted up from the last."""
        more = (seed % (MAX_SEED + 1) for seed in count(own[-1] + 1))
        new = (seed for seed in more if seed not in own)
        return (*own, *islice(new, max(0, self.plans - len(own))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """One validated spec, defaults filled in."""

    name: str
    """The spec file's stem, NFC."""
    title: str
    caption: str
    lyrics: str
    """Exactly what the model is sent."""
    sections: tuple[Section, ...]
    instrumental: bool
    metas: Metas
    variants: tuple[Variant, ...]
    """The base first, then as written."""
    renders_base: bool = True
    """Whether the base is rendered, or only what is made of it."""
    seeds: tuple[int, ...]
    output: Output = field(default_factory=Output)
    max_duration: float | None = None
    """Seconds; None is the model's own limit."""
    pinned: Pinned | None = None
    """Codes to follow instead of asking the LM."""
    source: Path
    """The spec file."""
    outputs: Path
    """The outputs folder its defaults name."""
    device: str | None = None
    """Where its defaults have it computed, as `--device` takes it."""
    pick: PickSettings | None = None
    """How its takes come from more plans than are finished; None finishes every one."""
    scores_plans: bool = False
    """Whether the LM scores each plan though none is picked by it."""
    built_on: tuple[Song, ...] = field(default=(), compare=False, repr=False)
    """The other songs whose takes its edits are made from, and theirs."""
    unvaried: Song | None = field(default=None, compare=False, repr=False)
    """Of a song as it is in a variant: the song itself."""

    @property
    def rendered(self) -> tuple[Variant, ...]:
        """The variants that takes are made of."""
        return self.variants if self.renders_base else self.variants[1:]

    @property
    def num_takes(self) -> int:
        """Of all variants and seeds."""
        return sum(len(self.seeds_of(variant)) for variant in self.rendered)

    def seeds_of(self, variant: Variant) -> tuple[int, ...]:
        """Of a variant's takes; with those that are only planned where some are picked."""
        seeds, pick = self.as_in(variant).seeds, self.pick_in(variant)
        return seeds if pick is None else pick.seeds(seeds)

    def pick_in(self, variant: Variant) -> PickSettings | None:
        """How a variant's takes come from more plans than are finished; None where the LM writes no plans."""
        plans = variant.edit is None and variant.inference.thinking and self.as_in(variant).pinned is None
        return self.pick if plans else None

    def as_in(self, variant: Variant) -> Song:
        """The song with a variant's content in place of its own."""
        if variant.content is None:
            return self
        content = {one.name: getattr(variant.content, one.name) for one in fields(Content)}
        return replace(self, **content, unvaried=self)

    @property
    def as_written(self) -> Song:
        """The song with its own content, whatever variant it is looked at in."""
        return self.unvaried or self

    def with_seeds(self, seeds: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Song:
        """The song with other seeds in place of its own and of each variant's."""
        variants = (
            replace(one, content=replace(one.content, seeds=seeds(one.content.seeds))) if one.content else one
            for one in self.variants
        )
        return replace(self, seeds=seeds(self.seeds), variants=tuple(variants))

    @property
    def has_words(self) -> bool:
        """Whether anything is sung."""
        return not self.instrumental and any(line.strip() for section in self.sections for line in section.lines)

    def takes(self) -> Iterator[Take]:
        """Every variant with every seed, in the order written."""
        return self._takes_of(self.rendered)

    def possible_takes(self) -> Iterator[Take]:
        """The same with the base's, also where only what is made of it is rendered."""
        return self._takes_of(self.variants)

    def _takes_of(self, variants: Iterable[Variant]) -> Iterator[Take]:
        for variant in variants:
            song = self.as_in(variant)
            for seed in self.seeds_of(variant):
                yield Take(song=song, variant=variant, seed=seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A song × variant × seed: what becomes one audio file."""

    song: Song
    """As it is in the variant."""
    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """`chihuahua.s7`, `chihuahua.wide.s7`."""
        variant = f".{self.variant.name}" if self.variant.name else ""
        return f"{self.song.name}{variant}.s{self.seed}"

    @property
    def source(self) -> Take | None:
        """The take that it is made from; None where it is made anew, or from a file."""
        edit = self.variant.edit
        if edit is None or isinstance(edit.source, FileSource):
            return None
        named, _, rest = edit.source.take.partition(".")
        variant, _, seed = rest.rpartition(".")
        own = self.song.as_written
        song = next(one for one in (own, *own.built_on) if one.name == named)
        found = next(one for one in song.variants if one.name == variant)
        # Whatever seeds are rendered now: a source is made though it isn't asked for itself.
        known = tuple(one for one in (own, *own.built_on) if one.name != song.name)
        return Take(song=replace(song, built_on=known).as_in(found), variant=found, seed=int(seed[1:]))

    @property
    def sources(self) -> tuple[Take, ...]:
        """The take that it is made from, the one that is made from, and so on."""
        source = self.source
        return (source, *source.sources) if source else ()
