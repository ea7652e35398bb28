"""What the journal tells of the last run -> what the page shows of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renderer.folders import REPORT_FOLDER, STORE_FOLDER
from renderer.report.kept_pieces import PIECES_FOLDER
from renderer.report.song_values import without_places
from renderer.report.values import ReportRun

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from renderer.pipeline.project import Project
    from renderer.report.last_run import LastRun
    from renderer.store.journal_lines import RunEndedLine


def make_run(project: Project, weights: Mapping[str, str], run: LastRun) -> ReportRun | None:
    """The run as a whole; None when nothing has run yet."""
    if run.started is None or run.last is None:
        return None
    ended = run.ended
    return ReportRun(
        started=run.started.astimezone().strftime("%Y-%m-%d %H:%M"),
        seconds=ended.seconds if ended else (run.last - run.started).total_seconds(),
        ended=_ending(ended),
        workers=run.workers,
        jobs=tuple(run.jobs),
        loads=tuple(run.loads),
        loads_song_by_song=ended.loads_song_by_song if ended else {},
        refused={
            without_places(place): without_places(what) for place, what in ((ended and ended.refused) or {}).items()
        },
        num_worker_restarts=run.num_worker_restarts,
        disk_bytes=_disk_bytes(project.store.outputs),
        device=project.settings.device,
        dtype=project.settings.dtype,
        threads=project.settings.threads,
        versions=project.environment.versions,
        weights=weights,
    )


def _ending(line: RunEndedLine | None) -> str:
    """`finished`, or why it stopped and what it left."""
    if line is None:
        return "still running, or cut off"
    return (line.ending or "interrupted") if line.stopped else "finished"


def _disk_bytes(outputs: Path) -> int:
    """Without what pages are kept in: with it a page would tell whether it was drawn anew."""
    left_out = {str(outputs / REPORT_FOLDER / "index.html"), str(outputs / STORE_FOLDER / PIECES_FOLDER)}
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _walk(str(outputs), left_out))


def _walk(folder: str, left_out: Collection[str]) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.path in left_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, left_out)
            else:
                yield entry
