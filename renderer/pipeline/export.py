"""Takes' timestamps -> files in a folder of the user's; what is there is never written over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.artifacts import Timestamps
from renderer.errors import UsageError
from renderer.models.family import stored_kinds
from renderer.pipeline.rendered import rendered_takes
from renderer.store.disk import RealDisk, make_folder, write_new
from renderer.store.store import Store
from renderer.takes.timed_text import labels_text, lrc_text, vtt_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from renderer.store.takes import TakeRecord

FORMS: Mapping[str, tuple[str, Callable[[Timestamps], str]]] = {
    "lrc": (".lrc", lrc_text),
    "vtt": (".vtt", vtt_text),
    "markers": (".markers.txt", labels_text),
}
"""Option -> the files' ending, and what is written into them."""


def export(names: Sequence[str], folder: Path, forms: Sequence[str], outputs: Path | None) -> tuple[Path, ...]:
    """The files written, or there already with the very same content; `forms` are names of `FORMS`, none means all.

    Raises: UsageError for takes that aren't rendered or have no timestamps, and for files that would be written over.
    """
    timed = _timestamps(names, outputs)
    files = {
        folder / f"{name}{ending}": write(one).encode()
        for name, one in timed.items()
        for ending, write in (FORMS[form] for form in forms or FORMS)
    }
    missing = _missing(files)
    disk = RealDisk()
    make_folder(disk, folder)
    for path in missing:
        write_new(disk, path, files[path])
    return tuple(files)


def _timestamps(names: Sequence[str], outputs: Path | None) -> Mapping[str, Timestamps]:
    """Take name -> its timestamps.

    Raises: UsageError naming every take that has none.
    """
    found = {}
    for name, (song, record) in rendered_takes(names, outputs).items():
        found[name] = _of(record, Store(outputs or song.outputs, kinds=stored_kinds()))
    lacking = [name for name, one in found.items() if one is None]
    if lacking:
        raise UsageError(
            f"there are no timestamps of {', '.join(f'`{name}`' for name in lacking)}",
            why="they were rendered without, or nothing is sung in them; previews have none",
            help=f"renderer render --timestamps {' '.join(dict.fromkeys(map(_whole, lacking)))}",
        )
    return {name: one for name, one in found.items() if one is not None}


def _whole(name: str) -> str:
    """The take that a preview is the beginning of."""
    return name.partition(".preview")[0]


def _of(record: TakeRecord, store: Store) -> Timestamps | None:
    kinds = stored_kinds()
    stored = (store.get(stage, key) for stage, key in record.keys.items() if kinds.get(stage) is Timestamps)
    return next((one for one in stored if isinstance(one, Timestamps)), None)


def _missing(files: Mapping[Path, bytes]) -> Iterable[Path]:
    """Those that aren't there.

    Raises: UsageError naming every file that is there and holds something else.
    """
    there = [path for path in files if path.exists() or path.is_symlink()]
    other = [path for path in there if not path.is_file() or path.read_bytes() != files[path]]
    if other:
        raise UsageError(
            f"{', '.join(f'`{path}`' for path in other)} would be written over",
            why="what lies there holds something else; nothing was written",
            help="give another folder with --to, or move them away",
        )
    return [path for path in files if path not in there]
