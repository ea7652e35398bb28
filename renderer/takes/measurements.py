"""Finished takes -> their measurements, after the audio is on disk; kept beside the report by the audio's digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.folders import MEASURED_FOLDER
from renderer.store.gc import lies_below
from renderer.takes.edited import pair_of
from renderer.takes.lyric_lines import lyric_lines, sung_language
from renderer.takes.measure import (
    SoundFile,
    SoundPair,
    SungFile,
    measure_files,
    measurements_without,
    missing_libraries,
    stored_difference,
    stored_measurement,
    stored_word_errors,
)
from renderer.takes.recogniser import recogniser_in
from renderer.takes.versions import current_version

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from renderer.pipeline.project import Project
    from renderer.plan.jobs import TakePlan
    from renderer.store.store import Store
    from renderer.takes.measure import Measurement
    from renderer.takes.recogniser import Recogniser


def unmeasured(project: Project) -> tuple[SoundFile | SoundPair | SungFile, ...]:
    """What has no measurement yet: takes on disk, former versions too, each file once, and edits beside their sources.

    Files are left out where `renderer[measure]` isn't installed. Last, for it takes longest, what is sung in takes as
    they are now, where the options name a recogniser.

    Raises: see `recogniser_in`.
    """
    store, plans = project.store, project.plan().takes
    folder = measured_folder(store.outputs)
    records = [] if missing_libraries() else [one for take in plans for one in store.versions(take.name)]
    found = {record.digest: store.find(record) for record in records}
    files = (SoundFile(path=path, digest=digest) for digest, path in found.items() if path is not None)
    pairs = (pair for plan in plans if plan.take.source and (pair := pair_of(plan, store)) is not None)
    return (
        *(file for file in files if stored_measurement(file.digest, folder) is None),
        *(pair for pair in pairs if stored_difference(pair.name, folder) is None),
        *(_unheard(plans, store, recogniser_in(project.options.asr)) if project.options.asr else ()),
    )


def _unheard(plans: Iterable[TakePlan], store: Store, recogniser: Recogniser) -> Iterator[SungFile]:
    """The takes whose words this recogniser hasn't heard; of a preview nobody knows how far it sings."""
    for plan in plans:
        record = current_version(store, plan.name) if plan.preview is None else None
        if record is None:
            continue
        known = stored_word_errors(record.digest, measured_folder(store.outputs))
        lines = () if known and known.digest == recogniser.digest else lyric_lines(record, store)
        if lines:
            yield SungFile(
                sound=SoundFile(path=store.outputs / record.file, digest=record.digest),
                lines=lines,
                language=sung_language(record),
                recogniser=recogniser.folder,
                recogniser_digest=recogniser.digest,
            )


def _hear_nothing(end: Callable[[], None]) -> None:
    del end


def measure_takes(
    project: Project, begun: Callable[[Callable[[], None]], None] = _hear_nothing
) -> Generator[Measurement, None, None]:
    """Measure what isn't yet, one after the other.

    `begun` is told of the measuring process by what ends it, from any thread.
    """
    yield from measure_files(unmeasured(project), measured_folder(project.store.outputs), begun)


def forget_measurements(store: Store) -> None:
    """Delete what was measured of files that no record tells of any more.

    Raises: OSError as the disk gives it.
    """
    digests = [version.digest for name in store.take_names() for version in store.versions(name)]
    for path in measurements_without(digests, measured_folder(store.outputs)):
        if lies_below(path, store.outputs):
            store.disk.remove(path)


def measured_folder(outputs: Path) -> Path:
    """Where measurements and spectrograms lie."""
    return outputs / MEASURED_FOLDER
