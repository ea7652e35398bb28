"""A variant as a spec of its own: the song's keys with the variant's in their places, each where it is written.

So what is built, checked and linted of a song is built, checked and linted of a variant by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from renderer.settings import Inference, Metas, rows
from renderer.spec.schema import SongFile
from renderer.spec.source import Source
from renderer.spec.take_names import own_take, song_name

if TYPE_CHECKING:
    from renderer.song import Song, Variant
    from renderer.spec.build import CheckedSpec
    from renderer.spec.diagnostics import Span
    from renderer.spec.schema import EditTable, VariantTable
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
    """Whether a variant has other content than the song: it writes some anew, or is an edit, as long as its source."""
    return name in draft.spec.edits or not CONTENT_KEYS.isdisjoint(table_in(draft.spec, name).model_fields_set)


def table_in(spec: SongFile, name: str) -> VariantTable | EditTable:
    """What a spec writes of a variant, or of an edit."""
    return spec.variants[name] if name in spec.variants else spec.edits[name]


def as_spec(draft: CheckedSpec, name: str) -> CheckedSpec:
    """The song's spec as the variant has it: one song without variants. An edit says what its source does, and more."""
    if name in draft.spec.edits and name not in draft.spec.variants:
        return _as_edit(draft, name)
    return _as_spec(draft, ("variants", name), draft.spec.variants[name])


def _as_edit(draft: CheckedSpec, name: str) -> CheckedSpec:
    table, above = draft.spec.edits[name], edited_from(draft, name)
    found = _as_spec(as_spec(draft, above) if above else draft, ("edits", name), table)
    metas = found.spec.metas.model_copy(update={"duration": None})
    update = {"metas": metas, "codes": None, "seeds": table.seeds or draft.spec.seeds}
    return replace(found, spec=found.spec.model_copy(update=update))


def edited_from(draft: CheckedSpec, name: str) -> str:
    """The variant or edit of this song that an edit is made from; empty for the base, another song, a file, a ring."""
    return above if (above := _above(draft, name)) and name not in _chain(draft, above) else ""


def _chain(draft: CheckedSpec, name: str) -> tuple[str, ...]:
    found = [name]
    while (above := _above(draft, found[-1])) and above not in found:
        found.append(above)
    return (*found, above)


def _above(draft: CheckedSpec, name: str) -> str:
    spec = draft.spec
    written = spec.edits[name].src_audio if name in spec.edits and name not in spec.variants else None
    named = own_take(written or "", {*spec.variants, *spec.edits}, song_name(draft.parsed.source.path))
    return named[0] if named else ""


def _as_spec(draft: CheckedSpec, path: tuple[str, str], table: VariantTable | EditTable) -> CheckedSpec:
    spec = draft.spec
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
    merged = spec.model_copy(update={**changes, "variants": {}, "edits": {}, "base": None})
    whole = draft.parsed.source
    source = VariantSource(path=whole.path, text=whole.text, whole=whole, table=path, said=frozenset(says))
    return replace(draft, spec=merged, parsed=replace(draft.parsed, source=source))


def as_song(song: Song, variant: Variant) -> Song:
    """The song as the variant has it, without others."""
    return replace(song.as_in(variant), variants=(variant,), renders_base=True)
