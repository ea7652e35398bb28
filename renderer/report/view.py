"""Report -> what the template prints: words and numbers laid out, nothing decided anew."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.report.compare import Flag, Words, changed_words, flags, tempo_error
from renderer.report.formatting import link, visible
from renderer.report.values import Outcome
from renderer.takes.agreement import same_key
from renderer.takes.peaks import NUM_BINS, fold_peaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from renderer.artifacts import CotMetas
    from renderer.report.values import FormerTake, ReportSong, ReportTake, Setting

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

    @property
    def stands_in(self) -> bool:
        """Whether what plays is a former version."""
        return self.take.audio is not None and self.take.outcome is not Outcome.DONE


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
    takes: tuple[TakeView, ...]

    @property
    def id(self) -> str:
        """What its elements are called after: no sign that a name may hold, and the same wherever the song stands."""
        return hashlib.sha256(self.song.name.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def song_view(song: ReportSong) -> SongView:
    """Everything the template needs of a song, in its order."""
    rows = tuple(_take_view(song, take, number) for number, take in enumerate(song.takes, start=1))
    variants = tuple(dict.fromkeys(take.variant for take in song.takes))
    metas = tuple(row for row in _metas(song, rows) if any(getattr(row, name) for name in ORIGINS))
    return SongView(
        song=song,
        metas=metas,
        meta_columns=tuple(name for name in ORIGINS if any(getattr(row, name) for row in metas)),
        variants=variants,
        settings=_settings(song, variants),
        captions=_captions(song, variants),
        takes=rows,
    )


def _take_view(song: ReportSong, take: ReportTake, number: int) -> TakeView:
    metas = take.metas or song.metas
    wanted = metas.keyscale or (take.decided and take.decided.keyscale) or ""
    measured = (take.measured and take.measured.keyscale) or ""
    same = bool(wanted and measured) and same_key(wanted, measured)
    return TakeView(take=take, number=number, keyscale=wanted if same else measured, flags=flags(take, metas))


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
            # `unknown` is what it writes where it decides on none.
            decided=_decided(decided, lambda cot: None if cot.language == "unknown" else cot.language),
            measured="",
            flagged=False,
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
    wrote: dict[str, list[str]] = {}
    for take in song.takes:
        written = take.decided.caption if take.decided else None
        if written and take.variant not in wrote.setdefault(written, []):
            wrote[written].append(take.variant)
    return tuple(
        CaptionView(
            words=changed_words(visible(song.caption), visible(written)),
            variants=tuple(by) if len(by) < len(variants) else (),
        )
        for written, by in wrote.items()
    )


def song_facts(song: SongView) -> dict[str, object]:
    """What the page's script knows of a song."""
    marks: dict[tuple[tuple[str, float], ...], int] = {}
    takes = []
    for row in song.takes:
        own = tuple((visible(mark.label), mark.start_seconds) for mark in row.take.marks)
        takes.append(_take_facts(row, song.song, marks.setdefault(own, len(marks))))
    return {
        "id": song.id,
        "name": song.song.name,
        "title": visible(song.song.title),
        "marks": list(marks),
        "takes": takes,
    }


def _take_facts(row: TakeView, song: ReportSong, marks: int) -> dict[str, object]:
    take = row.take
    return {
        "name": take.name,
        "number": row.number,
        "variant": visible(take.variant),
        "seed": take.seed,
        "outcome": take.outcome,
        "flags": [flag.code for flag in row.flags],
        "key": take.key8,
        "audio": link(take.audio) if take.audio else None,
        "seconds": round(take.duration_seconds, 3),
        "lufs": take.measured.loudness_lufs if take.measured else None,
        "off": tempo_error(take, take.metas or song.metas),
        "made": round(take.made_at),
        "marks": marks,
        "estimated": take.marks_estimated,
        "peaks": fold_peaks(take.peaks, NUM_BINS),
        "former": [_former_facts(former) for former in take.former],
    }


def _former_facts(former: FormerTake) -> dict[str, object]:
    return {
        "key": former.key8,
        "audio": link(former.audio),
        "seconds": round(former.duration_seconds, 3),
        "lufs": former.loudness_lufs,
    }
