"""Names of takes -> the versions that bear them now: what can be voted on, since it was heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.models.family import stored_kinds
from renderer.pipeline.options import Options
from renderer.pipeline.select import select
from renderer.spec.near import suggestion
from renderer.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from renderer.song import Song
    from renderer.store.takes import TakeRecord


def rendered_takes(names: Sequence[str], outputs: Path | None) -> dict[str, tuple[Song, TakeRecord]]:
    """Take name -> its song, and the version that bears the name now.

    Raises: UsageError for a name without a song or without audio.
    """
    songs = {song.name: song for song in select((), Options(outputs=outputs)).songs}
    found = {}
    for name in names:
        song = songs.get(name.partition(".")[0])
        record = _version(Store(outputs or song.outputs, kinds=stored_kinds()), name) if song else None
        if song is None or record is None:
            raise _unheard(name, songs.values(), outputs)
        found[name] = (song, record)
    return found


def _version(store: Store, name: str) -> TakeRecord | None:
    return next((one for one in store.versions(name) if store.find(one) == store.outputs / one.file), None)


def _unheard(name: str, songs: Iterable[Song], outputs: Path | None) -> UsageError:
    folders = {outputs} if outputs else {song.outputs for song in songs}
    known = [take for folder in folders if folder for take in Store(folder, kinds=stored_kinds()).take_names()]
    return UsageError(
        f"there is no rendered take `{name}`",
        why="a vote is on something that was heard",
        help=suggestion(name, known, most=3) or "see `renderer status`",
    )
