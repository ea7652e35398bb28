"""Takes -> files for other programs in a folder of the user's; what is there is never written over."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from renderer.artifacts import Timestamps
from renderer.errors import UsageError
from renderer.models.family import stored_kinds
from renderer.pipeline.export_daw import DawFiles, daw_files
from renderer.pipeline.measure_now import quietly
from renderer.pipeline.put_files import put_files
from renderer.pipeline.rendered import rendered_takes
from renderer.pipeline.untimed import never_timed, whole_take
from renderer.store.store import Store
from renderer.takes.timed_text import labels_text, lrc_text, vtt_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from renderer.pipeline.measure_now import ShowProgress
    from renderer.song import Song
    from renderer.store.takes import TakeRecord

DAW = "daw"
FORMS: Mapping[str, tuple[str, Callable[[Timestamps], str]]] = {
    "lrc": (".lrc", lrc_text),
    "vtt": (".vtt", vtt_text),
    "markers": (".markers.txt", labels_text),
}
"""Option -> the files' ending, and what is written into them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written, or lay there with the very same content, and what there was none of."""

    paths: tuple[Path, ...]
    remarks: tuple[str, ...] = ()


def export(
    names: Sequence[str], folder: Path, forms: Sequence[str], outputs: Path | None, *, show: ShowProgress = quietly
) -> Exported:
    """Write takes in these forms, names of `FORMS` or `DAW`; none means all of `FORMS`.

    `show` is entered while sounds are measured for `DAW`.

    Raises: UsageError for takes that aren't rendered or have no timestamps where a form tells of nothing else, and for
    files that would be written over; StoreError for a take that was damaged.
    """
    takes = rendered_takes(names, outputs)
    timed = {
        name: _of(record, Store(outputs or song.outputs, kinds=stored_kinds()))
        for name, (song, record) in takes.items()
    }
    texts = [FORMS[form] for form in forms or FORMS if form != DAW]
    if texts:
        _refuse_untimed(timed, {name: song for name, (song, _) in takes.items()})
    files = {
        f"{name}{ending}": partial(_write, write, one)
        for name, one in timed.items()
        for ending, write in texts
        if one is not None
    }
    daw = daw_files(takes, timed, outputs, show) if DAW in forms else DawFiles(files={}, remarks=())
    return Exported(paths=put_files(folder, {**files, **daw.files}), remarks=daw.remarks)


def _write(write: Callable[[Timestamps], str], timestamps: Timestamps, path: Path) -> None:
    path.write_bytes(write(timestamps).encode())


def _refuse_untimed(timed: Mapping[str, Timestamps | None], songs: Mapping[str, Song]) -> None:
    """Raises UsageError naming every take that has no timestamps."""
    lacking = [name for name, one in timed.items() if one is None]
    if lacking:
        never = {name: why for name in lacking if (why := never_timed(name, songs[name]))}
        others = [name for name in lacking if name not in never]
        told = ["they were rendered without; previews have none"] if others else []
        told += dict.fromkeys(never.values())
        raise UsageError(
            f"there are no timestamps of {', '.join(f'`{name}`' for name in lacking)}",
            why="; ".join(told),
            help=f"renderer render --timestamps {shlex.join(dict.fromkeys(map(whole_take, others)))}" if others else "",
        )


def _of(record: TakeRecord, store: Store) -> Timestamps | None:
    kinds = stored_kinds()
    stored = (store.get(stage, key) for stage, key in record.keys.items() if kinds.get(stage) is Timestamps)
    return next((one for one in stored if isinstance(one, Timestamps)), None)
