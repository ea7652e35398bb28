"""Specs with errors, by the names of their songs: whoever asks for one of their takes is told these."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from renderer.errors import SpecError
from renderer.files import real
from renderer.folders import specs_folder
from renderer.spec.load import find_specs, load_songs
from renderer.spec.project import Overrides, SpecFolders
from renderer.spec.take_names import song_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from renderer.song import Song


def faulty_specs(songs: Iterable[Song]) -> Mapping[str, Path]:
    """Song name -> file, of the specs in the folder `specs` that gave none of these songs."""
    sound = {real(song.source) for song in songs}
    there = find_specs([specs_folder()]) if specs_folder().is_dir() else ()
    return {song_name(file): file for file in there if real(file) not in sound}


def refuse_faulty(names: Iterable[str], songs: Iterable[Song]) -> None:
    """Look whether songs or takes of these names, `*`, `?` and `[…]` among them, are of specs that gave no song.

    Raises: SpecError with everything that is wrong with those specs.
    """
    of_songs = [name.partition(".")[0] for name in names]
    faulty = faulty_specs(songs).items() if of_songs else ()
    files = [file for song, file in faulty if any(fnmatchcase(song, name) for name in of_songs)]
    if files and (errors := load_songs(files).errors):
        raise SpecError(errors)


def outputs_of(spec: Path) -> Path:
    """Where the takes of a spec lie, whatever is wrong with it."""
    return SpecFolders(Overrides()).of(real(spec.parent)).outputs
