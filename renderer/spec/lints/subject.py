"""What lints look at: a song with its draft, its lyrics measured once, and each place that writes settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from renderer.spec.checkpoints import Checkpoint, checkpoint_of
from renderer.spec.findings import Finding, Mark
from renderer.spec.headings import headings_in
from renderer.spec.lints.mark_gate import may_have_marks
from renderer.spec.script import letters, num_syllables
from renderer.spec.values import metas_of
from renderer.spec.variant_view import as_song, as_spec, table_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from renderer.settings import Inference, Metas
    from renderer.song import Section, Song
    from renderer.spec.build import CheckedSpec
    from renderer.spec.headings import Heading
    from renderer.spec.source import KeyPath

_TAG = re.compile(r"\[[^\[\]]*\]")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A song and the draft it came from."""

    song: Song
    draft: CheckedSpec

    @cached_property
    def lyrics(self) -> str:
        """What is sent; empty for an instrumental, which has no words to judge."""
        return "" if self.song.instrumental else self.song.lyrics

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of what is sent."""
        return tuple(self.lyrics.split("\n"))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The sections of what is sung."""
        return () if self.song.instrumental else self.song.sections

    @cached_property
    def headings(self) -> tuple[tuple[int, Heading], ...]:
        """The lines that are tags or head sections in another form, with their numbers in the lyrics, from 0."""
        return tuple(self.headings_by_line.items())

    @cached_property
    def headings_by_line(self) -> Mapping[int, Heading]:
        """The same by number."""
        return headings_in(self.lyrics)

    @cached_property
    def sung_lines(self) -> tuple[tuple[int, str], ...]:
        """The lines that are sung, with their numbers in the lyrics, from 0; blank ones and tags are left out."""
        tags = {number for number, one in self.headings if not one.words}
        return tuple(
            (number, line)
            for section in self.sections
            for number, line in enumerate(section.lines, section.first)
            if number not in tags and line.strip()
        )

    @cached_property
    def sung_text(self) -> str:
        """The lines that are sung, as they are written."""
        return "\n".join(line for _, line in self.sung_lines)

    @cached_property
    def sung(self) -> str:
        """The lines that are sung, without what stands in square brackets."""
        return _TAG.sub("", self.sung_text) if "[" in self.sung_text else self.sung_text

    @cached_property
    def may_have_marks(self) -> bool:
        """Whether it is worth looking for what is no word: most lyrics have nothing of the kind."""
        return may_have_marks(self.sung_text)

    @cached_property
    def syllables(self) -> tuple[int, ...]:
        """About how many each section has."""
        texts = ("\n".join(section.lines) for section in self.sections)
        return tuple(num_syllables(_TAG.sub("", text) if "[" in text else text) for text in texts)

    @cached_property
    def letters(self) -> Mapping[str, int]:
        """Letters of what is sung, by script."""
        return letters(self.sung)

    @cached_property
    def prompt_tokens(self) -> tuple[int, int] | None:
        """Tokens of the DiT's text prompt and lyric prompt, counted; None where they can only be estimated."""
        count = self.draft.project.overrides.count_prompts
        return None if count is None else count(self.song)

    @cached_property
    def views(self) -> tuple[Subject, ...]:
        """The variants that say something else than the song, each as a song of its own."""
        return tuple(
            Subject(song=as_song(self.song, variant), draft=as_spec(self.draft, variant.name))
            for variant in self.song.variants
            if variant.content is not None
        )

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The base and the variants, each with what it writes itself."""
        spec = self.draft.spec
        base, *variants = self.song.variants
        return (
            Layer(
                table=("inference",),
                model_path=("model",),
                written=spec.inference.model_fields_set | ({"model"} if spec.model else set()),
                has_all_metas=self.has_all_metas,
                model=base.trained_as,
                inference=base.inference,
                seeds=self.song.seeds,
                pinned=self.song.pinned is not None,
                pinned_chain=self.song.pinned is not None and self.song.pinned.cot is not None,
            ),
            *(
                Layer(
                    table=variant.table,
                    model_path=(*variant.table, "model"),
                    written=table_in(spec, variant.name).model_fields_set,
                    has_all_metas=all_metas(song.metas),
                    model=variant.trained_as,
                    inference=variant.inference,
                    seeds=song.seeds,
                    pinned=song.pinned is not None,
                    pinned_chain=song.pinned is not None and song.pinned.cot is not None,
                )
                for variant, song in ((variant, self.song.as_in(variant)) for variant in variants)
            ),
        )

    @cached_property
    def written_metas(self) -> Metas:
        """What the spec's own [metas] say."""
        return metas_of(self.draft.spec.metas)

    @cached_property
    def has_all_metas(self) -> bool:
        """Whether nothing is left for the LM's chain of thought to decide, which then doesn't run."""
        return all_metas(self.song.metas)


def all_metas(metas: Metas) -> bool:
    """Whether the metas that a chain of thought decides are all said."""
    return None not in {metas.bpm, metas.keyscale, metas.timesignature, metas.duration}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Settings as they hold in `[inference]`, a variant or `renderer.toml`, and which of them are written there."""

    table: KeyPath
    model_path: KeyPath
    written: Collection[str]
    has_all_metas: bool
    model: str
    inference: Inference
    seeds: tuple[int, ...] = ()
    pinned: bool = False
    """Whether the song follows pinned codes, where it thinks."""
    pinned_chain: bool = False
    """Whether the chain of thought they were written for is pinned with them."""

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What is known of the model; None for a folder of one's own."""
        return checkpoint_of(self.model)

    @property
    def follows_pins(self) -> bool:
        """Whether pinned codes take the LM's place."""
        return self.pinned and self.inference.thinking

    @property
    def runs_codes(self) -> bool:
        """Whether the LM writes codes."""
        return self.inference.thinking and not self.pinned

    @property
    def runs_chain(self) -> bool:
        """Whether the LM writes a chain of thought."""
        return self.inference.use_cot_metas and not self.has_all_metas and not self.follows_pins

    @property
    def runs_lm(self) -> bool:
        """Whether the LM is asked for anything."""
        return self.runs_codes or self.runs_chain

    def finding(self, key: str, message: str, *, why: str = "", help: str = "") -> tuple[Finding, ...]:  # noqa: A002 - as in diagnostics
        """A finding at `key`, or at the `model` that doesn't suit it; none where this layer writes neither."""
        if key in self.written:
            return (Finding(path=(*self.table, key), message=message, why=why, help=help),)
        if "model" in self.written:
            return (Finding(path=self.model_path, message=message, why=why, help=help),)
        return ()

    def without_effect(self, key: str, why: str) -> tuple[Finding, ...]:
        """That a key written here changes nothing; none where it isn't written here."""
        if key not in self.written:
            return ()
        return (Finding(path=(*self.table, key), message=f"`{key}` has no effect", why=why, mark=Mark.KEY),)
