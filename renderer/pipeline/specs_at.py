"""A revision -> the songs that the specs said then, planned and compared by the code that reads today's."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar, cast

from renderer.errors import SpecError, UsageError
from renderer.files import real
from renderer.folders import specs_folder
from renderer.history.checkout import check_out
from renderer.pipeline.select import with_options
from renderer.spec.diagnostics import Diagnostic, Level
from renderer.spec.load import load_songs
from renderer.spec.project import DEFAULTS_NAME
from renderer.spec.stand_ins import StandIns, standing_in, where_kept
from renderer.spec.take_names import song_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.history.revisions import History
    from renderer.pipeline.options import Options
    from renderer.song import Song

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecsThen:
    """What specs say at a time: of a revision, or of the working folder."""

    label: str
    """`HEAD~3`, or `the working folder`."""
    commit: str = ""
    """The revision's full id; empty for the working folder."""
    songs: tuple[Song, ...]
    faults: tuple[Diagnostic, ...] = ()
    remarks: tuple[str, ...] = ()
    place: Path | None = None
    """Where a revision's specs were written; None for the working folder."""

    def seen(self, fault: Diagnostic) -> Diagnostic:
        """A fault that somebody found in its specs, with its file as git names it: `HEAD~3:specs/night-bus.toml`."""
        return fault if self.place is None else _as_of(fault, self.label, self.place)

    @property
    def broken(self) -> frozenset[str]:
        """The songs whose specs have errors."""
        return frozenset(map(song_name, self._faulty))

    @property
    def _faulty(self) -> frozenset[Path]:
        """The files with errors, as they are called there."""
        files = (str(one.file) for one in self.faults if one.file is not None)
        return frozenset(Path(file.removeprefix(f"{self.label}:")) for file in files)

    def require_defaults(self) -> None:
        """Refuse to compare what was read without its defaults.

        Raises: SpecError where a `renderer.toml` has errors.
        """
        if any(file.name == DEFAULTS_NAME for file in self._faulty):
            raise SpecError(self.faults)


@contextmanager
def specs_at(history: History, revision: str, options: Options) -> Iterator[SpecsThen]:
    """The songs of a revision; what they name is there as long as the scope lasts.

    Raises: UsageError for a revision that isn't there or can't be read.
    """
    commit, root = history.commit(revision), history.folder.root
    with TemporaryDirectory(prefix="renderer-") as scratch:
        # By the project's own name, which messages tell.
        place = real(Path(scratch)) / (root.name or "project")
        written = check_out(history, commit, _specs_below(root), place)
        named = [written.specs] if written.specs.is_dir() else []
        with standing_in(StandIns(place=place, root=root, paths=written.elsewhere)):
            loaded = load_songs(named, model=options.model, vae=options.vae)
            songs = tuple(with_options(_as_here(song, place, root), options) for song in loaded.songs)
        yield SpecsThen(
            label=revision,
            commit=commit,
            songs=songs,
            faults=tuple(_as_of(one, revision, place) for one in loaded.diagnostics if one.level is Level.ERROR),
            remarks=written.remarks,
            place=place,
        )


def _as_of(fault: Diagnostic, revision: str, place: Path) -> Diagnostic:
    """A fault with its file as git names it: `HEAD~3:specs/night-bus.toml`."""
    file = fault.file
    is_ours = file is not None and file.is_relative_to(place)
    seen = Path(f"{revision}:{file.relative_to(place).as_posix()}") if file is not None and is_ours else file
    texts = {name: getattr(fault, name).replace(f"{place}{os.sep}", "") for name in ("message", "why", "help")}
    return replace(fault, file=seen, edits=(), **texts)


def _specs_below(root: Path) -> PurePosixPath:
    """Where the specs of the project we are in lie, from the root of its repository."""
    specs = Path(os.path.normpath(real(Path.cwd()) / specs_folder()))
    if not specs.is_relative_to(root):
        raise UsageError(
            f"the specs `{specs}` lie outside of the repository `{root}`",
            why="so its history tells nothing of them",
            help="ask in the repository that they are kept in",
        )
    return PurePosixPath(specs.relative_to(root).as_posix())


def _as_here(value: T, place: Path, root: Path) -> T:
    """With every path that git doesn't keep (models, audio, outputs) where the working folder has it."""
    if isinstance(value, str | Path):
        return cast(T, _path_here(value, place, root))
    if isinstance(value, tuple):
        return cast(T, tuple(_as_here(one, place, root) for one in value))
    if is_dataclass(value) and not isinstance(value, type):
        now = {one.name: getattr(value, one.name) for one in fields(value) if one.init}
        moved = {name: _as_here(one, place, root) for name, one in now.items()}
        return replace(value, **{name: one for name, one in moved.items() if one is not now[name]})
    return value


def _path_here(value: str | Path, place: Path, root: Path) -> str | Path:
    text = str(value)
    if (kept := where_kept(Path(value))) != Path(value):
        return type(value)(kept)
    if not text.startswith(f"{place}{os.sep}") or os.path.lexists(text):
        return value
    return type(value)(root / Path(text).relative_to(place))
