"""A variant as a spec of its own: the song's keys with the variant's in their places, each where it is written.

So what is built, checked and linted of a song is built, checked and linted of a variant by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from renderer.settings import Inference, Metas, rows
from renderer.spec.schema import SongFile
from renderer.spec.source import Source

if TYPE_CHECKING:
    from renderer.song import Song, Variant
    from renderer.spec.build import CheckedSpec
    from renderer.spec.diagnostics import Span
    from renderer.spec.source import KeyPath, Range

WORDS = ("lyrics", "lyrics_file", "instrumental")
"""The keys that say what is sung: who says one says it in place of the others."""
CONTENT_KEYS = frozenset({"caption", *WORDS, "seeds", "codes", *rows(Metas)})
"""What of a variant is the song's own content, written anew."""


@dataclass(frozen=True, kw_only=True)
class VariantSource(Source):
    """A spec's file, in which a song's keys stand in a variant's table where that writes them."""

    whole: Source
    table: KeyPath
    said: frozenset[str]
    """The keys that its table writes."""

    def value(self, path: KeyPath) -> Span:
        """See `Source.value`."""
        return self.whole.value(self.place(path))

    def key(self, path: KeyPath) -> Span:
        """See `Source.key`."""
        return self.whole.key(self.place(path))

    def has(self, path: KeyPath) -> bool:
        """See `Source.has`."""
        return self.whole.has(self.place(path))

    def value_range(self, path: KeyPath) -> Range | None:
        """See `Source.value_range`."""
        return self.whole.value_range(self.place(path))

    def key_range(self, path: KeyPath) -> Range | None:
        """See `Source.key_range`."""
        return self.whole.key_range(self.place(path))

    def inside(self, path: KeyPath, offset: int, length: int = 1) -> Span:
        """See `Source.inside`."""
        return self.whole.inside(self.place(path), offset, length)

    def own_lines(self) -> frozenset[int]:
        """The lines in which the variant's table writes its keys and their values."""
        size = len(self.table)
        paths = [path for path in self.whole.written() if path[:size] == self.table and len(path) > size]
        ranges = [one for path in paths for one in (self.whole.key_range(path), self.whole.value_range(path)) if one]
        return frozenset(
            line
            for start, end in ranges
            for line in range(self.whole.at(start, start).line, self.whole.at(max(start, end - 1), end).line + 1)
        )

    def place(self, path: KeyPath) -> KeyPath:
        """Where the file writes what a song's spec would have at `path`."""
        flat = path[1:] if path[0] in {"metas", "inference"} and len(path) > 1 else path
        return (*self.table, *flat) if flat[0] in self.said else path


def has_content(draft: CheckedSpec, name: str) -> bool:
    """Whether a variant writes any of the song's content anew."""
    return not CONTENT_KEYS.isdisjoint(draft.spec.variants[name].model_fields_set)


def as_spec(draft: CheckedSpec, name: str) -> CheckedSpec:
    """The song's spec as the variant has it: one song without variants."""
    spec, table = draft.spec, draft.spec.variants[name]
    says = {key: getattr(table, key) for key in table.model_fields_set}
    changes: dict[str, Any] = {key: value for key, value in says.items() if key in SongFile.model_fields}
    if any(says.get(key) for key in WORDS) or says.get("lyrics") is not None:
        changes = dict.fromkeys(WORDS) | changes
    if changes.get("codes") == "":
        changes["codes"] = None
    if changes.get("model") is not None:
        changes.setdefault("based_on", None)
    changes["metas"] = spec.metas.model_copy(update={key: says[key] for key in rows(Metas) if key in says})
    changes["inference"] = spec.inference.model_copy(update={key: says[key] for key in rows(Inference) if key in says})
    merged = spec.model_copy(update={**changes, "variants": {}, "base": None})
    whole = draft.parsed.source
    source = VariantSource(
        path=whole.path, text=whole.text, whole=whole, table=("variants", name), said=frozenset(says)
    )
    return replace(draft, spec=merged, parsed=replace(draft.parsed, source=source))


def as_song(song: Song, variant: Variant) -> Song:
    """The song as the variant has it, without others."""
    return replace(song.as_in(variant), variants=(variant,), renders_base=True)
