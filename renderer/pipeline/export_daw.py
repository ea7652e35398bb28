"""Takes -> what an audio workstation is given: sound named by its tempo, markers of sections and beats, stems."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from renderer.models.family import stored_kinds
from renderer.pipeline.measure_now import measure_now
from renderer.pipeline.rendered import in_numbers, require_intact
from renderer.pipeline.untimed import never_timed
from renderer.song import TakeSource
from renderer.spec.take_names import preview_named, take_named
from renderer.store.store import Store
from renderer.takes.audio import change_tags
from renderer.takes.daw_texts import beats_text, marked_sections, reaper_csv
from renderer.takes.measure import SoundFile, missing_libraries
from renderer.takes.measurements import measured_folder
from renderer.takes.recipe import song_tags
from renderer.takes.timed_text import labels_text
from renderer.takes.versions import current_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from renderer.artifacts import Timestamps
    from renderer.pipeline.measure_now import ShowProgress
    from renderer.song import Song
    from renderer.store.takes import TakeRecord
    from renderer.takes.measure.values import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class DawFiles:
    """What is written of takes, and what isn't there to be written."""

    files: Mapping[str, Callable[[Path], None]]
    """Name -> what writes it to a path."""
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stem:
    track: str
    """`vocals`."""
    record: TakeRecord


def daw_files(
    takes: Mapping[str, tuple[Song, TakeRecord]],
    timed: Mapping[str, Timestamps | None],
    outputs: Path | None,
    show: ShowProgress,
) -> DawFiles:
    """Of these takes all that there is; `timed` tells when their lyrics are sung.

    `show` is entered while sounds are measured.

    Raises: OSError where measurements can't be kept.
    """
    files: dict[str, Callable[[Path], None]] = {}
    remarks: dict[str, None] = {}
    stores = {name: Store(outputs or song.outputs, kinds=stored_kinds()) for name, (song, _) in takes.items()}
    found = _measured({name: (record, stores[name]) for name, (_, record) in takes.items()}, show)
    for name, (song, record) in takes.items():
        store, measured = stores[name], found.get(record.digest)
        stems, others = _stems(song, record, store)
        base, beats = f"{name}{_tempo(record, measured)}", measured.beats if measured else ()
        files |= _sounds(base, record, stems, store)
        files |= {ending: partial(_write, text) for ending, text in _texts(base, timed[name], beats)}
        lacks = (*_asked_tempo(name, record, measured), *_lacks(name, song, timed[name], measured))
        remarks |= dict.fromkeys((*lacks, *others))
    return DawFiles(files=files, remarks=tuple(remarks))


def _measured(takes: Mapping[str, tuple[TakeRecord, Store]], show: ShowProgress) -> dict[str, Measured | None]:
    """What sounds say, by their digests, measured now where they weren't yet; nothing where nothing measures."""
    if missing_libraries():
        return {}
    files: dict[Path, list[SoundFile]] = {}
    for record, store in takes.values():
        if place := store.find(record):
            file = SoundFile(path=place, digest=record.digest)
            files.setdefault(measured_folder(store.outputs), []).append(file)
    found = (one for folder, some in files.items() for one in measure_now(some, folder, show).values())
    return {one.digest: one.measured for one in found}


def _tempo(record: TakeRecord, measured: Measured | None) -> str:
    """`.92.34bpm`: what is measured, which a grid can be laid by, else what was asked or decided; or nothing."""
    bpm = f"{measured.bpm:.2f}" if measured and measured.bpm else song_tags(record.recipe).get("bpm", "")
    return f".{bpm.rstrip('0').rstrip('.') if '.' in bpm else bpm}bpm" if bpm else ""


def _asked_tempo(name: str, record: TakeRecord, measured: Measured | None) -> Iterator[str]:
    """Where the name tells of a tempo that no grid should be trusted to."""
    bpm = song_tags(record.recipe).get("bpm")
    if bpm and not (measured and measured.bpm):
        how = "asked" if "bpm" in record.recipe.spec.get("metas", {}) else "decided by the LM"
        yield f"{name}: {bpm} bpm {how}, none measured; its file's name tells that one"


def _sounds(
    base: str, record: TakeRecord, stems: tuple[_Stem, ...], store: Store
) -> Iterator[tuple[str, Callable[[Path], None]]]:
    suffix = record.file[record.file.rindex(".") :]
    yield f"{base}{suffix}", partial(_copy, record, store)
    tracks = [stem.track for stem in stems]
    for stem in stems:
        own = f".{stem.record.take.rpartition('.')[2]}" if tracks.count(stem.track) > 1 else ""
        suffix = stem.record.file[stem.record.file.rindex(".") :]
        yield f"{base}.{stem.track}{own}{suffix}", partial(_copy, stem.record, store)


def _texts(base: str, timed: Timestamps | None, beats: tuple[float, ...]) -> Iterator[tuple[str, str]]:
    sections = marked_sections(timed) if timed else ()
    if sections or beats:
        yield f"{base}.csv", reaper_csv(sections, beats)
    if timed and sections:
        yield f"{base}.sections.txt", labels_text(timed)
    if beats:
        yield f"{base}.beats.txt", beats_text(beats)


def _lacks(name: str, song: Song, timed: Timestamps | None, measured: Measured | None) -> Iterator[str]:
    if timed is None and preview_named(name):
        yield f"{name}: no sections, which previews never have"
    elif timed is None and (why := never_timed(name, song)):
        yield f"{name}: no sections, as {why}"
    elif timed is None:
        advice = f"renderer render --timestamps {shlex.quote(name)}"
        yield f"{name}: no sections, as nothing tells when its lyrics are sung: {advice}"
    if measured is None:
        yield "no beats, as nothing measures them: pip install 'renderer[measure]'"
    elif not measured.beats:
        yield f"{name}: no beats, as none are heard in it"


def _stems(song: Song, record: TakeRecord, store: Store) -> tuple[tuple[_Stem, ...], tuple[str, ...]]:
    """The tracks that edits took out of just this version of a take, and what is to be said of others."""
    tracks = {
        variant.name: variant.edit.track or ""
        for variant in song.variants
        if variant.edit and variant.edit.task == "extract" and variant.edit.source == TakeSource(take=record.take)
    }
    stems, others = [], []
    for name in sorted(store.take_names(), key=in_numbers) if tracks else ():
        named = take_named(name.removeprefix(f"{song.name}.")) if name.startswith(f"{song.name}.") else None
        stem = current_version(store, name) if named and named[0] in tracks else None
        if stem is None or named is None:
            continue
        if _is_made_from(stem, record, store):
            stems.append(_Stem(track=tracks[named[0]], record=stem))
        else:
            others.append(f"{name} left out: it was taken out of another version of {record.take}")
    return tuple(stems), tuple(others)


def _is_made_from(stem: TakeRecord, record: TakeRecord, store: Store) -> bool:
    """As the stem's own artifacts tell: each names what it was built on."""
    stored = (store.get_with_origin(stage, key) for stage, key in stem.keys.items())
    built_on = {key for found in stored if found for key in (found[1].upstream or {}).values()}
    return not built_on.isdisjoint(record.keys.values())


def _copy(record: TakeRecord, store: Store, path: Path) -> None:
    """The sound byte by byte, with the song's tags and no recipe.

    Raises: StoreError for one that was damaged, or can't be written.
    """
    audio = store.outputs / record.file
    require_intact(audio, digest=record.digest, take=record.take)
    change_tags(audio, path, audio.suffix.removeprefix("."), song_tags(record.recipe))


def _write(text: str, path: Path) -> None:
    path.write_bytes(text.encode())
