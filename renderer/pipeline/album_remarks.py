"""An album's tracks -> what to know before it is sent out: neighbours, loudness, voice, missing picks."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from renderer.plurals import counted
from renderer.store.takes import file_digest
from renderer.takes.agreement import keys_apart, tempo_difference
from renderer.takes.mastering import PEAK_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renderer.pipeline.album import AlbumTrack, PickedAlbum

SPREAD_LU = 3.0
"""Between the loudest and the quietest track, above which somebody reaches for the volume."""
TEMPO_APART = 0.25
"""Of the tempo before, half and double time being the same."""
KEYS_APART = 3
"""Fifths between two keys; a key and its relative are one."""
_SHOWN = 0.05  # decibels: less isn't seen in what is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumRemark:
    """One thing to know."""

    code: str
    """`tempo-neighbours`."""
    songs: tuple[str, ...]
    """That it is about."""
    text: str
    help: str = ""


def album_remarks(picked: PickedAlbum) -> tuple[AlbumRemark, ...]:
    """All there is to say, of every kind in the order of the tracks."""
    return tuple(remark for rule in RULES for remark in rule(picked))


def _missing(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    for entry in picked.missing:
        yield AlbumRemark(
            code="missing-pick",
            songs=(entry.song,),
            text=f"no take of `{entry.song}` is kept",
            help=f"renderer pick {shlex.quote(entry.song)}, then renderer keep TAKE",
        )


def _tempos(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    for before, after in _neighbours(picked):
        if before.bpm and after.bpm and tempo_difference(before.bpm, after.bpm) > TEMPO_APART:
            text = f"{_pair(before, after)}: from {before.bpm:.0f} to {after.bpm:.0f} bpm"
            yield AlbumRemark(code="tempo-neighbours", songs=(before.song.name, after.song.name), text=text)


def _keys(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    for before, after in _neighbours(picked):
        apart = keys_apart(before.keyscale, after.keyscale) if before.keyscale and after.keyscale else None
        if apart is not None and apart >= KEYS_APART:
            text = f"{_pair(before, after)}: from {before.keyscale} to {after.keyscale}, {apart} fifths apart"
            yield AlbumRemark(code="key-neighbours", songs=(before.song.name, after.song.name), text=text)


def _neighbours(picked: PickedAlbum) -> Iterator[tuple[AlbumTrack, AlbumTrack]]:
    """Tracks that follow each other, whatever is still missing elsewhere."""
    return ((one, other) for one, other in pairwise(picked.tracks) if one.number + 1 == other.number)


def _pair(before: AlbumTrack, after: AlbumTrack) -> str:
    return f"{before.number:02d} {before.song.name} → {after.number:02d} {after.song.name}"


def _spread(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    known = sorted((track.loudness, track.song.name) for track in picked.tracks if track.loudness is not None)
    if not known or known[-1][0] - known[0][0] <= SPREAD_LU:
        return
    (least, quietest), (most, loudest) = known[0], known[-1]
    yield AlbumRemark(
        code="loudness-spread",
        songs=(loudest, quietest),
        text=f"{most - least:.1f} LU between {loudest} ({most:.1f} LUFS) and {quietest} ({least:.1f} LUFS)",
        help="" if picked.album.loudness is not None else f"write `loudness = {least:.0f}` in the album",
    )


def _lowered(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    lowered = [track for track in picked.tracks if track.gain.lowered_by >= _SHOWN]
    for track in lowered:
        # A lowered one is as loud as it can be: the quietest of them is what all can be brought to.
        reached = math.floor(min(one.loudness for one in lowered if one.loudness is not None))
        yield AlbumRemark(
            code="gain-lowered",
            songs=(track.song.name,),
            text=f"{track.number:02d} {track.song.name} stays {track.gain.lowered_by:.1f} dB below "
            f"{picked.album.loudness:g} LUFS, for its peak would come above {PEAK_LIMIT:g} dBTP",
            help=f"all reach `loudness = {reached}`" if track is lowered[-1] else "",
        )


def _fades(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    for track in picked.tracks:
        faded = track.joined.fade_in + track.joined.fade_out
        if faded > track.seconds:
            yield AlbumRemark(
                code="fades-overlap",
                songs=(track.song.name,),
                text=f"{track.number:02d} {track.song.name} lasts {track.seconds:.0f} s, and its fades {faded:g} s: it "
                "never comes to its full level",
            )


def _voice(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    voice = picked.album.voice
    wanted = file_digest(voice) if voice else ""
    other = [track for track in picked.tracks if voice and _reference(track) != wanted]
    if voice and other:
        yield AlbumRemark(
            code="voice",
            songs=tuple(track.song.name for track in other),
            text=f"{counted(len(other), 'take')} without the album's voice: "
            + ", ".join(track.record.take for track in other),
            help=f"name {voice.name} as `reference_audio` in renderer.toml, then render them",
        )


def _reference(track: AlbumTrack) -> str:
    """The digest of the file whose timbre a take has; empty where it has its own."""
    asked = track.record.requests.get("reference", {}).get("file", {})
    return str(asked.get("digest", "")) if isinstance(asked, dict) else ""


def _as_asked(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    for what in sorted({track.asked for track in picked.tracks if track.asked}):
        tracks = [track for track in picked.tracks if track.asked == what]
        yield AlbumRemark(
            code="as-asked",
            songs=tuple(track.song.name for track in tracks),
            text=f"{' and '.join(what)} of {', '.join(track.record.take for track in tracks)} as asked: none measured",
        )


def _unmeasured(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    if any(track.levels is None for track in picked.tracks):
        yield AlbumRemark(
            code="not-measured",
            songs=tuple(track.song.name for track in picked.tracks if track.levels is None),
            text="nothing measured how loud the songs are",
            help="pip install 'renderer[measure]'",
        )


def _unknown_loudness(picked: PickedAlbum) -> Iterator[AlbumRemark]:
    for track in picked.tracks:
        if picked.album.loudness is not None and track.levels is not None and track.loudness is None:
            yield AlbumRemark(
                code="loudness-unknown",
                songs=(track.song.name,),
                text=f"{track.number:02d} {track.song.name} stays as it is: it is silent, or too short to measure",
            )


RULES: tuple[Callable[[PickedAlbum], Iterator[AlbumRemark]], ...] = (
    _missing, _tempos, _keys, _spread, _lowered, _fades, _unknown_loudness, _voice, _as_asked, _unmeasured,
)  # fmt: skip
