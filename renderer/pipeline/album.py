"""An album.toml -> its tracks, each with the version that was kept, and how loud it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import ResourceError, SpecError
from renderer.facts import SAMPLE_RATE
from renderer.models.family import stored_kinds
from renderer.pipeline.albums import read_with_songs
from renderer.pipeline.rendered import in_numbers, require_intact
from renderer.spec.album_songs import choose
from renderer.spec.picks import Vote
from renderer.store.store import Store
from renderer.takes.audio import read_sound
from renderer.takes.encoding import audio_length
from renderer.takes.mastering import Gain, Joined, Levels, gain_to, levels_of, with_fades
from renderer.takes.measure import missing_libraries, stored_measurement
from renderer.takes.measurements import measured_folder
from renderer.takes.recipe import song_tags
from renderer.takes.versions import current_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from renderer.song import Song
    from renderer.spec.album import Album, AlbumEntry
    from renderer.spec.album_songs import AlbumChoice, ProjectSongs
    from renderer.store.takes import TakeRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumTrack:
    """A song in its place, with the version of the take that is meant."""

    number: int
    """From 1."""
    song: Song
    record: TakeRecord
    audio: Path
    """As it was rendered."""
    joined: Joined
    seconds: float
    """Without the silence behind it."""
    bpm: float | None
    """Measured, else as it was asked or decided."""
    keyscale: str | None
    asked: tuple[str, ...]
    """Which of `bpm` and `key` are as they were asked or decided, for want of measurements."""
    levels: Levels | None
    """None where `renderer[measure]` isn't installed."""
    gain: Gain

    @property
    def loudness(self) -> float | None:
        """As it will be, in LUFS."""
        known = self.levels.loudness if self.levels else None
        return None if known is None else known + self.gain.decibels

    @property
    def is_as_rendered(self) -> bool:
        """Whether its sound stays as it is."""
        return self.joined == Joined() and not self.gain.decibels


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedAlbum:
    """An album with the takes that are there for it."""

    album: Album
    tracks: tuple[AlbumTrack, ...]
    missing: tuple[AlbumEntry, ...]
    """Songs of which no take is kept yet."""


def open_album(path: Path, outputs: Path | None, *, best: bool = False) -> PickedAlbum:
    """The album in a file, its takes found and measured; nothing is written.

    `best` takes, of a song without a kept take, the one that `renderer pick` puts first and nobody rejects.

    Raises: SpecError with all that is wrong with it, ResourceError where a loudness is asked for and nothing measures.
    """
    found = read_with_songs(path)
    album = found.require()
    if album.loudness is not None and (lacking := missing_libraries()):
        raise ResourceError(
            "the loudness of songs can't be measured here",
            why=f"{', '.join(lacking)} isn't installed",
            help="pip install 'renderer[measure]', or take `loudness` out of the album",
        )
    versions = {
        name: _versions(found.known.songs[name], found.known, outputs) for name in {one.song for one in album.entries}
    }
    choices, faults = choose(album, found.known, _keys(versions))
    if faults:
        raise SpecError(faults)
    takes = {choice.entry: choice.take or (_best(choice, found.known, outputs) if best else None) for choice in choices}
    return PickedAlbum(
        album=album,
        tracks=tuple(
            _track(choice, versions[choice.song.name][take], album, outputs)
            for choice in choices
            if (take := takes[choice.entry]) is not None
        ),
        missing=tuple(choice.entry for choice in choices if takes[choice.entry] is None),
    )


def _versions(song: Song, known: ProjectSongs, outputs: Path | None) -> dict[str, TakeRecord]:
    """The song's takes that can be heard: of a kept one the version that was kept, of others the current one."""
    store = Store(outputs or song.outputs, kinds=stored_kinds())
    names = (name for name in store.take_names() if name.partition(".")[0] == song.name)
    found = {name: _version(store, name, known) for name in sorted(names, key=in_numbers)}
    return {name: record for name, record in found.items() if record is not None}


def _keys(versions: Mapping[str, Mapping[str, TakeRecord]]) -> dict[str, dict[str, str]]:
    return {song: {name: record.key for name, record in takes.items()} for song, takes in versions.items()}


def _version(store: Store, name: str, known: ProjectSongs) -> TakeRecord | None:
    current, pick = current_version(store, name), known.picks.get(name)
    if pick is None or pick.vote is not Vote.KEEP or (current and pick.is_on(current.key)):
        return current
    # What was heard and kept counts, also once another version bears the name.
    kept = (one for one in store.versions(name) if pick.is_on(one.key) and store.find(one))
    return next(kept, None)


def _best(choice: AlbumChoice, known: ProjectSongs, outputs: Path | None) -> str | None:
    from renderer.pipeline.pick import ranking  # noqa: PLC0415 - looks at models, which few albums need

    songs = ranking([str(choice.song.source)], outputs).songs
    names = [take.name for song in songs for take in song.best(len(song.takes))]
    return next((name for name in names if not known.is_stem(name)), None)


def _track(choice: AlbumChoice, record: TakeRecord, album: Album, outputs: Path | None) -> AlbumTrack:
    store = Store(outputs or choice.song.outputs, kinds=stored_kinds())
    audio = store.find(record) or store.outputs / record.file
    joined = Joined(fade_in=choice.entry.fade_in, fade_out=choice.entry.fade_out, gap=choice.entry.gap)
    measured = stored_measurement(record.digest, measured_folder(store.outputs))
    heard, tags = measured.measured if measured else None, song_tags(record.recipe)
    levels = Levels(loudness=heard.loudness_lufs, true_peak=heard.true_peak_db) if heard else None
    if levels is None or joined.fade_in or joined.fade_out:
        levels = None if missing_libraries() else _levels(audio, record, joined)
    measures = {"bpm": heard and heard.bpm, "key": heard and heard.keyscale}
    return AlbumTrack(
        number=choice.entry.number,
        song=choice.song,
        record=record,
        audio=audio,
        joined=joined,
        seconds=record.page.seconds or audio_length(audio) / SAMPLE_RATE,
        bpm=heard.bpm if heard and heard.bpm else _number(tags.get("bpm")),
        keyscale=heard.keyscale if heard and heard.keyscale else tags.get("key"),
        asked=tuple(name for name, measure in measures.items() if tags.get(name) and not measure),
        levels=levels,
        gain=gain_to(album.loudness, levels) if levels else Gain(),
    )


def _levels(audio: Path, record: TakeRecord, joined: Joined) -> Levels:
    """How loud a take is with its fades.

    Raises: StoreError for one that was damaged.
    """
    require_intact(audio, digest=record.digest, take=record.take)
    return levels_of(with_fades(read_sound(audio).samples.T, joined))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
