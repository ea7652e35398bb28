"""The page after a run: left as it is where it shows what is there. Nothing that draws pages is imported for that."""

from __future__ import annotations

import hashlib
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

from renderer import __version__
from renderer.files import open_regular
from renderer.folders import REPORT_FOLDER
from renderer.store.disk import write_whole
from renderer.takes.votes import all_picks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from renderer.pipeline.project import Project
    from renderer.pipeline.summary import Summary
    from renderer.store.store import Store

_END = b"</html>"


def page_after(
    project: Project, summary: Summary, writing: Callable[[], AbstractContextManager[object]] = nullcontext
) -> Path:
    """The report after a run; left as it is when nothing was done and the project is what it shows.

    `writing` makes what it is written within.

    Raises: StoreError, OSError when the outputs folder can't be written.
    """
    page, mark = project.store.outputs / REPORT_FOLDER / "index.html", shown_by(project.store)
    if project.options.shard:
        # The page shows all takes, and of those of other shards this one doesn't know what became.
        mark.unlink(missing_ok=True)
        return _written(project, writing)
    if (
        len(summary.kept) + len(summary.not_picked) == len(summary.plan.takes)
        and is_whole(page)
        and _text(mark) == _fingerprint(project)
    ):
        return page
    written = _written(project, writing)
    write_whole(project.store.disk, mark, _fingerprint(project).encode())
    return written


def _written(project: Project, writing: Callable[[], AbstractContextManager[object]]) -> Path:
    from renderer.report.build import write_page  # noqa: PLC0415 - see above

    with writing():
        return write_page(project)


def shown_by(store: Store) -> Path:
    """The file that tells what the page shows; without it the next run writes the page."""
    return store.folder / "page-shows"


def is_whole(page: Path) -> bool:
    """Whether a page is there to its end: a drive that lost power may have left an empty one, or zeros."""
    try:
        with open_regular(page) as file:
            file.seek(-len(_END), os.SEEK_END)
            return file.read() == _END
    except OSError:
        return False


def _fingerprint(project: Project) -> str:
    """What the page shows as long as nothing runs: these takes beside those of the specs as they are, and the votes."""
    songs = {take.song.name: take.song.as_written for take in project.takes}
    files = [(str(file), stat.st_size, stat.st_mtime_ns) for file in project.spec_files() for stat in _stats(file)]
    takes = [take.name for take in project.takes]
    picks = sorted((name, str(pick)) for name, pick in all_picks(songs.values()).items())
    titles = [(song.name, song.title) for song in songs.values()]
    shown = [takes, titles, files, picks, project.options.preview, project.store.journal.stamp()]
    return hashlib.sha256(f"{__version__} {shown}".encode()).hexdigest()


def _stats(file: Path) -> Iterator[os.stat_result]:
    if file.exists():
        yield file.stat()


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""
