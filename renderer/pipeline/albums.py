"""An album's file beside the songs of its project, and what is wrong with it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import SpecError
from renderer.files import is_folder, real
from renderer.folders import PICKS_NAME, SPECS_FOLDER
from renderer.spec.album import read_album
from renderer.spec.album_songs import ProjectSongs, name_faults
from renderer.spec.load import find_specs, load_songs
from renderer.spec.picks import read_picks
from renderer.spec.project import Overrides, SpecFolders
from renderer.spec.take_names import song_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.spec.album import Album
    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.load import Loaded
    from renderer.spec.picks import Pick


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAlbum:
    """An album's file beside the project that it names songs of."""

    album: Album | None
    """None where the file tells too little of one."""
    known: ProjectSongs
    loaded: Loaded
    faults: tuple[Diagnostic, ...]
    """Of the album alone, as a reader of the file meets them."""

    def require(self) -> Album:
        """The album.

        Raises: SpecError with all that is wrong with it, and with the specs of its songs.
        """
        named = {entry.song for entry in self.album.entries} if self.album else set()
        faulty = self.known.faulty
        # What isn't told in another song's spec may stand in lyrics, or in a `renderer.toml`.
        others = frozenset(faulty) - named
        errors = self.loaded.errors if named & set(faulty) else ()
        specs = [one for one in errors if one.file is None or song_name(one.file) not in others]
        if self.album is None or self.faults or specs:
            raise SpecError((*self.faults, *specs))
        return self.album


def read_with_songs(path: Path, loaded: Loaded | None = None) -> ReadAlbum:
    """An album with the songs of its project; `loaded` are those where they were read already.

    Raises: UsageError where a folder of specs can't be read.
    """
    album, faults = read_album(path)
    loaded = loaded if loaded is not None else load_songs([_specs_of(path)])
    picks, unread = _picks(loaded)
    known = ProjectSongs(
        songs={song.name: song for song in loaded.songs},
        faulty=frozenset(map(song_name, find_specs([_specs_of(path)]))) - {song.name for song in loaded.songs},
        picks=picks,
    )
    found = (*faults, *(name_faults(album, known) if album else ()))
    return ReadAlbum(album=album, known=known, loaded=loaded, faults=(*unread, *sorted(found, key=_place)))


def _picks(loaded: Loaded) -> tuple[Mapping[str, Pick], tuple[Diagnostic, ...]]:
    """The votes, or what is wrong with a file of them."""
    picks: dict[str, Pick] = {}
    try:
        # Not by `takes.votes`, which can write them: a check imports nothing that writes.
        for path in dict.fromkeys(song.source.parent / PICKS_NAME for song in loaded.songs):
            picks |= read_picks(path)
    except SpecError as error:
        return {}, error.diagnostics
    return picks, ()


def _place(fault: Diagnostic) -> tuple[int, int]:
    return (fault.span.line, fault.span.column) if fault.span else (0, 0)


def _specs_of(album: Path) -> Path:
    """The specs whose songs an album names: the folder `specs` that it lies in, or the nearest one beside or above."""
    folder = real(album.parent)
    root = SpecFolders(Overrides()).of(folder).root
    for above in (folder, *folder.parents):
        if above.name == SPECS_FOLDER or is_folder(above / SPECS_FOLDER):
            return Path(os.path.relpath(above if above.name == SPECS_FOLDER else above / SPECS_FOLDER))
        if above == root:
            break
    return Path(os.path.relpath(folder))
