"""What of a project's store could go, by its specs and votes, and its deletion."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from renderer.pipeline.page_after import shown_by
from renderer.pipeline.status import without_spec
from renderer.report.kept_pieces import forget_pieces
from renderer.store.disk_faults import disk_faults
from renderer.store.edits import sole_writer
from renderer.store.gc import Retention, find_garbage, free_artifact, free_version
from renderer.takes.measurements import forget_measurements
from renderer.takes.votes import all_picks, kept_by, picks_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.pipeline.project import Project
    from renderer.store.gc import Garbage


def find(project: Project, *, older_than_seconds: float, orphans: bool) -> tuple[Garbage, ...]:
    """What no spec of the project, no keeper and no remaining version needs.

    Raises: SpecError for a picks file that can't be read, ModelError for takes that can't be planned.
    """
    plan = project.plan()
    keys = {key for take in plan.takes for key in (take.key, *take.keys.values(), *take.builds_on)}
    picks = all_picks({take.take.song.name: take.take.song for take in plan.takes}.values())
    retention = Retention(
        keys=frozenset(keys),
        kept=kept_by(picks),
        orphans=frozenset(without_spec(project, plan) if orphans else ()),
        older_than_seconds=older_than_seconds,
    )
    return find_garbage(project.store, retention)


def clean(project: Project, garbage: Sequence[Garbage]) -> tuple[Garbage, ...]:
    """Delete it; returns what stayed: it isn't what was recorded, or somebody wants it by now.

    `project` is looked at again, so give one whose specs were read just now. Votes are looked at for each version,
    and none can be cast while it is deleted.
    Raises: StoreError when the disk refuses, UsageError, ModelError as `find` does.
    """
    store = project.store
    with disk_faults(store):
        stayed = [*_clean_versions(project, garbage), *_clean_artifacts(project, garbage)]
        forget_measurements(store)
        forget_pieces(store, {take.song.name for take in project.takes})
        # The report may offer what is gone: the next render writes it anew.
        shown_by(store).unlink(missing_ok=True)
        store.journal.append("freed", {"files": len(garbage) - len(stayed)})
    return tuple(stayed)


def _clean_versions(project: Project, garbage: Sequence[Garbage]) -> Iterator[Garbage]:
    plan = project.plan()
    asked = {take.key for take in plan.takes}
    songs = {take.take.song.name: take.take.song for take in plan.takes}.values()
    folders = sorted({picks_path(song).parent.resolve() for song in songs})
    for piece in garbage:
        if piece.record is None:
            continue
        with ExitStack() as held:
            for folder in folders:
                held.enter_context(sole_writer(folder))
            wanted = piece.record.key in asked or kept_by(all_picks(songs))(piece.record)
            if wanted or not free_version(project.store, piece.record):
                yield piece


def _clean_artifacts(project: Project, garbage: Sequence[Garbage]) -> Iterator[Garbage]:
    store = project.store
    needed = {key for take in project.plan().takes for key in (*take.keys.values(), *take.builds_on)}
    needed |= {key for name in store.take_names() for record in store.versions(name) for key in record.keys.values()}
    for piece in garbage:
        if piece.artifact and (piece.artifact.key in needed or not free_artifact(store, piece.artifact)):
            yield piece
