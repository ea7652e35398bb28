"""Whether the takes that edits are made from are there: of their own song or others, none in a ring, none rejected.

Other songs are looked for among the specs beside and below the same `specs` folder, named by the caller or not.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from renderer.folders import PICKS_NAME, SPECS_FOLDER
from renderer.song import TakeSource
from renderer.spec.diagnostics import Diagnostic
from renderer.spec.edit_sections import unknown_sections
from renderer.spec.error_at import error_at
from renderer.spec.near import suggestion
from renderer.spec.picks import Pick, read_picks, rejection
from renderer.spec.take_names import song_name, take_named
from renderer.spec.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from renderer.song import Song, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class EditSources:
    """The songs that were loaded, and those that their edits name, loaded when they are needed."""

    loaded: Mapping[str, Song]
    specs: Callable[[Song], Iterable[Path]]
    """The spec files among which a song's edits find other songs."""
    load: Callable[[Path], Song | None]
    """The song of a spec; None where that has errors."""
    others: dict[str, Song | None] = field(default_factory=dict)
    picks: dict[Path, Mapping[str, Pick]] = field(default_factory=dict)

    def song(self, name: str, beside: Song) -> Song | None:
        """The song of that name; None where there is none without errors."""
        if name == beside.name:
            return beside
        if name in self.loaded:
            return self.loaded[name]
        if name not in self.others:
            file = next((one for one in self.specs(beside) if song_name(one) == name), None)
            self.others[name] = None if file is None else self.load(file)
        return self.others[name]

    def is_rejected(self, song: Song, take: str) -> bool:
        """Whether a listener rejected a song's take, whatever its version; of a vote on one, who plans takes can tell.

        Raises: SpecError for a picks file that can't be read.
        """
        path = song.source.parent / PICKS_NAME
        if path not in self.picks:
            self.picks[path] = read_picks(path)
        return take in self.picks[path] and self.picks[path][take].rejects("")

    def names(self, beside: Song) -> tuple[str, ...]:
        """The songs there are."""
        return tuple(dict.fromkeys((*self.loaded, *map(song_name, self.specs(beside)))))


def specs_folder(song: Song) -> Path:
    """The folder in which a song's edits find the others' specs: the outermost `specs` it lies in, else its own."""
    folder = song.source.parent
    around = [above for above in (folder, *folder.parents) if above.name == SPECS_FOLDER]
    return around[-1] if around else folder


def with_sources(song: Song, sources: EditSources) -> tuple[Song, tuple[Diagnostic, ...]]:
    """The song with the others that its edits build on, and what is wrong with the takes they name."""
    faults = [fault for variant in song.variants if variant.edit for fault in _faults(song, variant, sources)]
    if faults:
        return song, tuple(faults)
    others: dict[str, Song] = {}
    for variant in song.variants:
        for link in _links(song, variant, sources):
            others.setdefault(link[0].name, link[0])
    others.pop(song.name, None)
    return replace(song, built_on=tuple(others.values())), ()


def _faults(song: Song, variant: Variant, sources: EditSources) -> Iterator[Diagnostic]:
    assert variant.edit is not None  # noqa: S101 - for mypy: those alone are asked
    if not isinstance(variant.edit.source, TakeSource) or take_named(variant.edit.source.take) is None:
        return  # a file, or told of where it is written
    named = variant.edit.source.take
    found = _find(named, song, sources)
    if isinstance(found, str):
        of = sources.song(named.partition(".")[0], song)
        known = [take.name for one in (song, of) if one for take in one.possible_takes()]
        short = [name.removeprefix(f"{song.name}.") for name in known]
        what = named if of is not song else named.removeprefix(f"{song.name}.")
        yield _at(
            song,
            variant,
            code="edit-source-missing",
            message=f"there is no take `{what}`",
            why=found,
            advice=suggestion(what, [one for one in short if one != what] + list(sources.names(song))),
        )
        return
    source, of_variant = found
    ring = _ring(song, variant, sources)
    if ring:
        yield _at(
            song,
            variant,
            code="edit-ring",
            message=f"`{variant.name}` is made from itself",
            why=" is made from ".join(f"`{one}`" for one in ring),
            advice="make one of them from another take, or from a file",
        )
    elif source.name != song.name and of_variant.edit and any(_faults(source, of_variant, sources)):
        yield _at(
            song,
            variant,
            code="edit-source-missing",
            message=f"`{named}` can't be made",
            why=f"the spec of `{source.name}` has errors",
            advice=f"renderer check {shlex.quote(str(source.source))}",
        )
    elif unknown := [*unknown_sections(variant.edit, source.as_in(of_variant), of_variant)]:
        for place, message, why, advice in unknown:
            told = {"code": "edit-section", "message": message, "why": why, "advice": advice}
            yield _at(song, variant, "at", place, **told)
    elif sources.is_rejected(source, named):
        yield rejected_source(song, variant, named)


def rejected_source(song: Song, variant: Variant, named: str) -> Diagnostic:
    """That the take an edit is made from was rejected."""
    return _at(song, variant, code="edit-source-rejected", **rejection(named))


def _find(name: str, beside: Song, sources: EditSources) -> tuple[Song, Variant] | str:
    """The song and the variant of a take, or why there is none."""
    named, _, rest = name.partition(".")
    variant, _, seed = rest.rpartition(".")
    song = sources.song(named, beside)
    if song is None:
        if named not in sources.names(beside):
            return f"no song is called `{named}`, and no variant or edit of this one"
        return f"the spec of `{named}` has errors: renderer check"
    of = next((one for one in song.variants if one.name == variant), None)
    if of is None:
        return f"`{song.name}` has no variant or edit `{variant}`"
    if int(seed[1:]) not in song.seeds_of(of):
        return f"its `seeds` have no {seed[1:]}"
    return song, of


def _links(song: Song, variant: Variant, sources: EditSources) -> Iterator[tuple[Song, Variant]]:
    """What a variant is made from, what that is made from, and so on; ends where it comes round."""
    seen = {(song.name, variant.name)}
    while variant.edit and isinstance(variant.edit.source, TakeSource):
        named = take_named(variant.edit.source.take)
        found = _find(variant.edit.source.take, song, sources) if named else ""
        if isinstance(found, str):
            return
        song, variant = found
        yield found
        if (song.name, variant.name) in seen:
            return
        seen.add((song.name, variant.name))


def _ring(song: Song, variant: Variant, sources: EditSources) -> tuple[str, ...]:
    names = [f"{one.name}.{of.name}" for one, of in _links(song, variant, sources)]
    own = f"{song.name}.{variant.name}"
    return (own, *names[: names.index(own) + 1]) if own in names else ()


def _at(song: Song, variant: Variant, *below: str | int, code: str, message: str, why: str, advice: str) -> Diagnostic:
    parsed = read_toml(song.source)
    if isinstance(parsed, Diagnostic):  # gone since it was read
        return replace(parsed, code=code)
    span = parsed.source.value((*variant.table, *(below or ("src_audio",))))
    return error_at(parsed.source, span, code=code, message=message, why=why, advice=advice)
