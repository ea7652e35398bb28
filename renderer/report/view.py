"""Report -> what the template prints: words and numbers laid out, nothing decided anew."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.report.compare import Flag, Words, changed_words, flags
from renderer.report.formatting import decided_language, visible
from renderer.report.values import Outcome, ReportLyrics
from renderer.takes.agreement import same_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from renderer.artifacts import CotMetas
    from renderer.report.values import ReportSong, ReportTake, Setting

ORIGINS = ("asked", "decided", "measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaRow:
    """One meta of a song: asked for, decided by the LM, heard in its takes."""

    name: str
    asked: str
    decided: str
    measured: str
    flagged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One setting over all variants of a song."""

    name: str
    values: tuple[str, ...]
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionView:
    """A caption the LM wrote, against the asked one."""

    words: tuple[Words, ...]
    variants: tuple[str, ...]
    """Which wrote it; empty when all of the song did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeView:
    """A take's row."""

    take: ReportTake
    number: int
    """Within its song, from 1."""
    keyscale: str
    """The measured key, by the name that it was asked by."""
    flags: tuple[Flag, ...]
    generation: int
    """How many of its song's takes it is made from, one after the other."""
    source: str
    """Where the take that it is made from stands on the page: an id; empty where it is made from none."""
    lyrics: int
    """Which of the song's lyrics it has."""

    @property
    def stands_in(self) -> bool:
        """Whether what plays is a former version."""
        return self.take.audio is not None and self.take.outcome is not Outcome.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class LyricsView:
    """Lyrics that some of a song's takes have."""

    lyrics: ReportLyrics
    variants: tuple[str, ...]
    """Which have them; empty when all of the song do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SongView:
    """A song's card."""

    song: ReportSong
    metas: tuple[MetaRow, ...]
    """Those of which somebody said something."""
    meta_columns: tuple[str, ...]
    """Who said something: of ORIGINS, in that order."""
    variants: tuple[str, ...]
    settings: tuple[SettingRow, ...]
    """Those in which its variants differ first."""
    captions: tuple[CaptionView, ...]
    other_captions: tuple[CaptionView, ...]
    """What variants ask for in place of the song's own."""
    lyrics: tuple[LyricsView, ...]
    """The song's own first, where it is sung."""
    takes: tuple[TakeView, ...]
    """Edits behind what they are made from."""

    @property
    def id(self) -> str:
        """What its elements are called after."""
        return song_id(self.song.name)


def song_id(name: str) -> str:
    """No sign that a name may hold, and the same wherever the song stands."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def song_view(song: ReportSong) -> SongView:
    """Everything the template needs of a song, in its order."""
    lyrics = _lyrics(song)
    known = {one.lyrics: place for place, one in enumerate(lyrics)}
    family = in_families(song.takes)
    numbers = {take.name: number for number, (take, _) in enumerate(family, start=1)}
    rows = tuple(
        _take_view(song, take, numbers, generation=generation, lyrics=known[take.lyrics or _own_lyrics(song)])
        for take, generation in family
    )
    variants = tuple(dict.fromkeys(take.variant for take in song.takes))
    metas = tuple(row for row in _metas(song, rows) if any(getattr(row, name) for name in ORIGINS))
    return SongView(
        song=song,
        metas=metas,
        meta_columns=tuple(name for name in ORIGINS if any(getattr(row, name) for row in metas)),
        variants=variants,
        settings=_settings(song, variants),
        captions=_captions(song, variants),
        other_captions=_other_captions(song),
        lyrics=lyrics,
        takes=rows,
    )


def in_families(takes: Sequence[ReportTake]) -> tuple[tuple[ReportTake, int], ...]:
    """Takes in their order, each edit behind what it is made from and that one's edits, with its generation from 0."""
    known = {take.name for take in takes}
    edits: dict[str, list[ReportTake]] = {}
    for take in takes:
        edits.setdefault(_source_in(take, known), []).append(take)
    found: list[tuple[ReportTake, int]] = []
    waiting = [(take, 0) for take in reversed(edits.get("", ()))]
    while waiting:
        take, generation = waiting.pop()
        found.append((take, generation))
        waiting += [(one, generation + 1) for one in reversed(edits.get(take.name, ()))]
    return tuple(found)


def _source_in(take: ReportTake, known: Collection[str]) -> str:
    """The one of these takes that it is made from; empty for none."""
    made = take.made_from
    return made.source if made and made.is_take and made.source in known and made.source != take.name else ""


def _own_lyrics(song: ReportSong) -> ReportLyrics:
    return ReportLyrics(text=song.lyrics, sections=song.sections, instrumental=song.instrumental)


def _lyrics(song: ReportSong) -> tuple[LyricsView, ...]:
    variants: dict[ReportLyrics, dict[str, None]] = {_own_lyrics(song): {}}
    for take in song.takes:
        variants.setdefault(take.lyrics or _own_lyrics(song), {})[take.variant] = None
    sung = {one: tuple(by) for one, by in variants.items() if by} or {_own_lyrics(song): ()}
    return tuple(LyricsView(lyrics=one, variants=by if len(sung) > 1 else ()) for one, by in sung.items())


def _other_captions(song: ReportSong) -> tuple[CaptionView, ...]:
    variants: dict[str, dict[str, None]] = {}
    for take in song.takes:
        if take.caption is not None:
            variants.setdefault(take.caption, {})[take.variant] = None
    return tuple(
        CaptionView(words=(Words(text=visible(caption), kind="same"),), variants=tuple(by))
        for caption, by in variants.items()
    )


def _source_id(take: ReportTake, song: ReportSong, numbers: Mapping[str, int]) -> str:
    """Its row, or, of another song, that song."""
    made = take.made_from
    if made is None or not made.is_take:
        return ""
    if made.source in numbers:
        return f"take-{song_id(song.name)}-{numbers[made.source]}"
    return f"song-{song_id(made.source.partition('.')[0])}"


def _take_view(
    song: ReportSong, take: ReportTake, numbers: Mapping[str, int], *, generation: int, lyrics: int
) -> TakeView:
    metas = take.metas or song.metas
    wanted = metas.keyscale or (take.decided and take.decided.keyscale) or ""
    measured = (take.measured and take.measured.keyscale) or ""
    same = bool(wanted and measured) and same_key(wanted, measured)
    return TakeView(
        take=take,
        number=numbers[take.name],
        keyscale=wanted if same else measured,
        flags=flags(take, metas),
        generation=generation,
        source=_source_id(take, song, numbers),
        lyrics=lyrics,
    )


def _metas(song: ReportSong, rows: Sequence[TakeView]) -> tuple[MetaRow, ...]:
    metas = song.metas
    flagged = {flag.code for row in rows for flag in row.flags}
    decided = [take.decided for take in song.takes if take.decided]
    measured = [take.measured for take in song.takes if take.measured]
    return (
        MetaRow(
            name="bpm",
            asked=_written(metas.bpm),
            decided=_decided(decided, lambda cot: cot.bpm),
            measured=_span([one.bpm for one in measured], "{:.0f}"),
            flagged="tempo" in flagged,
        ),
        MetaRow(
            name="key",
            asked=_written(metas.keyscale),
            decided=_decided(decided, lambda cot: cot.keyscale),
            measured=_measured_keys(rows),
            flagged="key" in flagged,
        ),
        MetaRow(
            name="time",
            asked=_written(metas.timesignature),
            decided=_decided(decided, lambda cot: cot.timesignature),
            measured="",
            flagged=False,
        ),
        MetaRow(
            name="duration",
            asked=f"{metas.duration:g} s" if metas.duration is not None else "",
            decided=_decided(decided, lambda cot: f"{cot.duration} s" if cot.duration is not None else None),
            measured=_span([one.duration_seconds for one in measured], "{:.1f}", " s"),
            flagged="length" in flagged,
        ),
        MetaRow(
            name="language",
            asked=_written(metas.vocal_language),
            decided=_decided(decided, decided_language),
            measured=" · ".join(dict.fromkeys(one.word_errors.recognised for one in song.takes if one.word_errors)),
            flagged="language" in flagged,
        ),
    )


def _written(value: float | str | None) -> str:
    return "" if value is None else str(value)


def _decided(cots: Iterable[CotMetas], pick: Callable[[CotMetas], object]) -> str:
    found = dict.fromkeys(str(value) for cot in cots if (value := pick(cot)) is not None)
    return " · ".join(found)


def _span(values: Iterable[float | None], form: str, unit: str = "") -> str:
    found = sorted(value for value in values if value is not None)
    if not found:
        return ""
    low, high = form.format(found[0]), form.format(found[-1])
    return f"{low}{unit}" if low == high else f"{low}–{high}{unit}"


def _measured_keys(rows: Iterable[TakeView]) -> str:
    counts = Counter(row.keyscale for row in rows if row.keyscale)
    if len(counts) <= 1:
        return "".join(counts)
    return " · ".join(f"{key} ×{count}" for key, count in counts.most_common(3))


def _settings(song: ReportSong, variants: Sequence[str]) -> tuple[SettingRow, ...]:
    by_variant = {take.variant: {**_models(take), **take.settings} for take in song.takes}
    names = dict.fromkeys(name for settings in by_variant.values() for name in settings)
    rows = []
    for name in names:
        values = tuple(_value(by_variant[variant].get(name)) for variant in variants)
        rows.append(SettingRow(name=name, values=values, differs=len(set(values)) > 1))
    return tuple(sorted(rows, key=lambda row: not row.differs))


def _models(take: ReportTake) -> dict[str, Setting]:
    # The last two are told only where some variant has them.
    named = {"model": take.model, "lm": take.lm, "based_on": take.based_on, "vae": take.vae}
    return {name: value for name, value in named.items() if name in ("model", "lm") or value}


def _value(value: Setting) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _captions(song: ReportSong, variants: Sequence[str]) -> tuple[CaptionView, ...]:
    wrote: dict[tuple[str, str], list[str]] = {}
    for take in song.takes:
        asked = song.caption if take.caption is None else take.caption
        written = take.decided.caption if take.decided else None
        if written and take.variant not in wrote.setdefault((asked, written), []):
            wrote[asked, written].append(take.variant)
    return tuple(
        CaptionView(
            words=changed_words(visible(asked), visible(written)),
            variants=tuple(by) if len(by) < len(variants) else (),
        )
        for (asked, written), by in wrote.items()
    )
