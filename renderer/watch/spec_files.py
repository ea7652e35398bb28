"""Named specs -> the files they are made of, what these hold now, and the folders in which they may change.

Reads whole files and compares digests: what an editor touched without changing is no change.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from renderer.files import from_home, is_folder, is_regular, read_regular, real
from renderer.spec.load import find_specs, linked_folders
from renderer.spec.project import DEFAULTS_NAME, Overrides, SpecFolders
from renderer.spec.take_names import names_file
from renderer.store.takes import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_NAMING = {"lyrics_file", "codes", "src_audio", "reference_audio"}
"""Keys that name files."""
_SMALL = 1 << 20  # bytes: what is larger is a sound, and hashed once for each of its time stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFiles:
    """The state of everything that the named specs are read from."""

    digests: Mapping[Path, str]
    """File -> SHA-256 of its content: specs, what they name, and every `renderer.toml` that counts for them."""
    trees: frozenset[Path]
    """Folders to watch with all that lies below; those that are away are watched for."""
    folders: frozenset[Path]
    """Folders to watch for what lies in them."""
    outputs: frozenset[Path]
    """Outputs folders, resolved; what changes there is ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What became of the files between two looks."""

    changed: tuple[Path, ...] = ()
    added: tuple[Path, ...] = ()
    gone: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.gone)


def read_spec_files(paths: Iterable[Path]) -> SpecFiles:
    """Look at the specs at `paths` (files or folders) and at all they are made of; what isn't there is passed over."""
    projects = SpecFolders(Overrides())
    there = [path for path in paths if os.path.lexists(path)]
    specs = find_specs(path for path in there if path.is_dir() or path.suffix == ".toml")
    homes = {real(path) for path in there if path.is_dir()} | {real(spec.parent) for spec in specs}
    found = [projects.of(home) for home in homes]
    defaults = [folder / DEFAULTS_NAME for project in found for folder in _up_to(project.folder, project.root)]
    files = dict.fromkeys([*specs, *defaults, *(path for file in (*specs, *defaults) for path in _named_files(file))])
    return SpecFiles(
        digests={path: digest for path in files for digest in _digest(path)},
        trees=frozenset(path for path in paths if not is_regular(path)).union(
            *(linked_folders(path) for path in there if path.is_dir())
        ),
        # A link's own folder and its target's: either may change what is read.
        folders=frozenset(
            folder
            for path in (*files, *(path.absolute() for path in paths))
            for folder in (path.parent, real(path).parent)
            if is_folder(folder)
        ),
        outputs=frozenset(real(project.outputs) for project in found),
    )


def differences(old: SpecFiles, new: SpecFiles) -> Differences:
    """What differs in content, by path."""
    return Differences(
        changed=tuple(path for path, digest in new.digests.items() if old.digests.get(path, digest) != digest),
        added=tuple(path for path in new.digests if path not in old.digests),
        gone=tuple(path for path in old.digests if path not in new.digests),
    )


def _up_to(folder: Path, root: Path) -> Iterator[Path]:
    """The folder and those above it, as far as its project goes."""
    yield folder
    if folder.is_relative_to(root):
        yield from (above for above in folder.parents if above.is_relative_to(root))


def _named_files(file: Path) -> Iterator[Path]:
    """Lyrics, codes and sounds that a spec or `renderer.toml` names, whether they are there or not."""
    try:
        values = tomllib.loads(read_regular(file).decode())
    except (OSError, ValueError, RecursionError):
        return  # what can't be read names nothing
    below = [table for name in ("variants", "edits") for table in _tables(values.get(name))]
    for table in (values, *below):
        for key in _NAMING & table.keys():
            written = table[key]
            is_path = isinstance(written, str) and written and "\0" not in written
            if is_path and (key != "src_audio" or names_file(written)):
                yield file.parent / from_home(written)


def _tables(value: object) -> Iterator[dict[str, object]]:
    yield from (one for one in (value.values() if isinstance(value, dict) else ()) if isinstance(one, dict))


def _digest(path: Path) -> Iterator[str]:
    """The content's SHA-256; nothing when there is no such file."""
    try:
        state = path.stat()
        if state.st_size > _SMALL:
            yield _digest_of_large(path, state.st_size, state.st_mtime_ns)
        else:
            yield hashlib.sha256(read_regular(path)).hexdigest()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return
        yield f"unreadable: {error.strerror}"


@cache
def _digest_of_large(path: Path, _size: int, _mtime: int) -> str:
    return file_digest(path)
