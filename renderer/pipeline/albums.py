"""Where albums lie, and what is wrong with one: its file, the songs and takes that it names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import SpecError, UsageError
from renderer.files import is_folder, real
from renderer.folders import SPECS_FOLDER, specs_folder
from renderer.spec.album import read_album
from renderer.spec.album_songs import ProjectSongs, name_faults
from renderer.spec.load import ALBUM_NAME, find_albums, load_songs
from renderer.spec.project import Overrides, SpecFolders
from renderer.spec.take_names import song_name
from renderer.takes.votes import all_picks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        specs = [one for one in self.loaded.errors if one.file is None or song_name(one.file) in named]
        if self.album is None or self.faults or specs:
            raise SpecError((*self.faults, *specs))
        return self.album


def is_album(named: str) -> bool:
    """Whether what is named on the command line is an album's file."""
    return Path(named).name == ALBUM_NAME


def albums_of(named: Sequence[str]) -> tuple[Path, ...]:
    """The albums among files and folders; nothing means those in the folder `specs` and beside it.

    Raises: UsageError for a file that isn't there.
    """
    found: list[Path] = []
    for path in map(Path, named or (specs_folder(),)):
        if path.name == ALBUM_NAME and not is_folder(path):
            found.append(_there(path))
        elif is_folder(path):
            beside = path.parent / ALBUM_NAME if real(path).name == SPECS_FOLDER else None
            found += [*([beside] if beside and os.path.lexists(beside) else []), *find_albums(path)]
    return tuple({real(path): path for path in found}.values())


def the_album(named: Path | None) -> Path:
    """The one album meant: a file, or a folder's; where none is named, that of the folder `specs` or beside it.

    Raises: UsageError where there is none, or more than one.
    """
    if named is not None:
        return _there(named / ALBUM_NAME if is_folder(named) else named)
    specs = specs_folder()
    found = [path for path in (specs.parent / ALBUM_NAME, specs / ALBUM_NAME) if os.path.lexists(path)]
    if len(found) > 1:
        raise UsageError(
            f"there are two albums: {' and '.join(f'`{path}`' for path in found)}", help=f"renderer album {found[0]}"
        )
    if not found:
        raise UsageError(
            f"there is no `{ALBUM_NAME}`",
            why=f"looked for it beside `{specs}` and in it",
            help='renderer new --album "A title" writes one with every song',
        )
    return found[0]


def read_with_songs(path: Path, loaded: Loaded | None = None) -> ReadAlbum:
    """An album with the songs of its project; `loaded` are those where they were read already.

    Raises: UsageError where a folder of specs can't be read.
    """
    album, faults = read_album(path)
    loaded = loaded if loaded is not None else load_songs([_specs_of(path)])
    picks, unread = _picks(loaded)
    known = ProjectSongs(
        songs={song.name: song for song in loaded.songs},
        faulty=frozenset(song_name(one.file) for one in loaded.errors if one.file is not None),
        picks=picks,
    )
    found = (*faults, *(name_faults(album, known) if album else ()))
    return ReadAlbum(album=album, known=known, loaded=loaded, faults=(*unread, *sorted(found, key=_place)))


def _picks(loaded: Loaded) -> tuple[Mapping[str, Pick], tuple[Diagnostic, ...]]:
    """The votes, or what is wrong with a file of them."""
    try:
        return all_picks(loaded.songs), ()
    except SpecError as error:
        return {}, error.diagnostics


def _place(fault: Diagnostic) -> tuple[int, int]:
    return (fault.span.line, fault.span.column) if fault.span else (0, 0)


def _there(path: Path) -> Path:
    if path.name != ALBUM_NAME:
        raise UsageError(
            f"`{path}` is no album",
            why=f"an album's file is called `{ALBUM_NAME}`; of several albums each has a folder of its own",
        )
    if not os.path.lexists(path):
        raise UsageError(f"`{path}` does not exist", help='renderer new --album "A title" writes one with every song')
    return path


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
