"""Rendered takes -> a folder to send to somebody who is to hear them: copies without recipes, and a page of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.files import read_regular
from renderer.formats.table import FORMATS
from renderer.pipeline.rendered import rendered_takes, require_intact
from renderer.report.shared_page import SharedSong, SharedTake, shared_page
from renderer.spec.lyrics import parse
from renderer.spec.picks import Vote
from renderer.store.disk import RealDisk, write_new
from renderer.store.edits import sole_writer
from renderer.takes.audio import change_tags, read_sound, write_audio
from renderer.takes.votes import all_picks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from renderer.song import Song
    from renderer.store.takes import TakeRecord

SHARED_FOLDER = "shared"
"""In the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A take on its way into the folder."""

    take: str
    audio: Path
    """As it was rendered."""
    digest: str
    title: str
    lyrics: str
    """As they were sent; empty for an instrumental."""
    seconds: float
    label: str
    file: str
    """What it is called in the folder: neither seed nor variant."""
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFolder:
    """What was written, for the sender: the page itself tells no take's name."""

    page: Path
    labels: tuple[tuple[str, str, str], ...]
    """`Take 1`, `puerto.s1`, `puerto-1.flac`."""
    left_out: tuple[str, ...]
    """Rejected takes that a pattern alone named."""


def share(
    names: Sequence[str],
    folder: Path | None,
    outputs: Path | None,
    *,
    format: str | None = None,  # noqa: A002 - the spec's word
) -> SharedFolder:
    """Write takes and their page into `folder`, by default one of the project's.

    `format` None leaves every take in its own, whose sound then stays byte by byte. Rejected takes are sent by their
    own names alone.

    Raises: UsageError for takes that aren't rendered, and for files that would be written over; StoreError.
    """
    found = rendered_takes(names, outputs)
    picks = all_picks(song for song, _ in found.values())
    left_out = tuple(one for one in found if one not in names and one in picks and picks[one].vote is Vote.REJECT)
    rendered = {name: one for name, one in found.items() if name not in left_out}
    if not rendered:
        raise UsageError(
            f"all of {', '.join(f'`{name}`' for name in left_out)} are rejected",
            why="rejected takes are sent by their own names alone",
            help=f"renderer share {shlex.quote(left_out[0])}",
        )
    copies = tuple(_copies(rendered, outputs, format))
    folder = folder or _usual_folder([song for song, _ in rendered.values()], outputs)
    # Made elsewhere first: in the folder nothing is written before all of it is known to be fine.
    with TemporaryDirectory(prefix="renderer-") as scratch:
        files = [_make(copy, Path(scratch)) for copy in copies]
        page = Path(scratch) / "index.html"
        page.write_text(shared_page(_songs(copies)), "utf-8")
        _put([*files, page], folder)
    labels = tuple((copy.label, copy.take, copy.file) for copy in copies)
    return SharedFolder(page=folder / page.name, labels=labels, left_out=left_out)


def _usual_folder(songs: Sequence[Song], outputs: Path | None) -> Path:
    """`shared/night-bus`; of several songs, under the project's name."""
    project = (outputs or songs[0].outputs).absolute().parent
    names = {song.name for song in songs}
    return project / SHARED_FOLDER / (names.pop() if len(names) == 1 else project.name)


def _copies(
    rendered: dict[str, tuple[Song, TakeRecord]],
    outputs: Path | None,
    format: str | None,  # noqa: A002 - the spec's word
) -> Iterator[_Copy]:
    of_song: dict[str, int] = {}
    files: set[str] = set()
    sung = [song.name for song, _ in rendered.values()]
    for name, (song, record) in rendered.items():
        number = of_song[song.name] = of_song.get(song.name, 0) + 1
        audio = (outputs or song.outputs) / record.file
        kind = format or audio.suffix.lstrip(".")
        file = f"{song.name}-{number}.{kind}" if sung.count(song.name) > 1 else f"{song.name}.{kind}"
        further = count(number + 1)
        # Another song may be called as a take of this one would be.
        while file.casefold() in files:
            file = f"{song.name}-{next(further)}.{kind}"
        files.add(file.casefold())
        spec = record.recipe.spec  # what was sung, whatever the song's spec says by now
        yield _Copy(
            take=name,
            audio=audio,
            digest=record.digest,
            title=spec.get("title", song.title),
            lyrics="" if spec.get("instrumental", song.instrumental) else spec.get("lyrics", song.lyrics),
            seconds=record.page.seconds,
            label=f"Take {number}",
            file=file,
            format=kind,
        )


def _make(copy: _Copy, scratch: Path) -> Path:
    """The take's sound under its new name, with its title as the only tag.

    Raises: StoreError for one that was damaged, or can't be written.
    """
    require_intact(copy.audio, digest=copy.digest, take=copy.take)
    target, tags = scratch / copy.file, {"title": copy.title}
    if copy.audio.suffix == FORMATS[copy.format].suffix:
        change_tags(copy.audio, target, copy.format, tags)
    else:
        write_audio(read_sound(copy.audio), target, copy.format, tags)
    return target


def _songs(copies: Iterable[_Copy]) -> list[SharedSong]:
    """Takes by what is sung in them, in the order they were named."""
    groups: dict[tuple[str, str], list[_Copy]] = {}
    for copy in copies:
        groups.setdefault((copy.title, copy.lyrics), []).append(copy)
    return [
        SharedSong(
            title=title,
            sections=parse(lyrics) if lyrics else (),
            takes=tuple(SharedTake(label=one.label, file=one.file, seconds=one.seconds) for one in group),
        )
        for (title, lyrics), group in groups.items()
    ]


def _put(files: Sequence[Path], folder: Path) -> None:
    """The files into the folder, the page last; those that are there already with the very same content stay.

    Raises: UsageError naming every file that is there and holds something else; StoreError, OSError.
    """
    _refuse_others(files, folder)
    disk = RealDisk()
    with sole_writer(folder, disk):
        for file in files:
            if not (folder / file.name).exists():
                write_new(disk, folder / file.name, file.read_bytes())


def _refuse_others(files: Sequence[Path], folder: Path) -> None:
    there = [(file, folder / file.name) for file in files if (folder / file.name).exists()]
    other = [path for file, path in there if not path.is_file() or read_regular(path) != file.read_bytes()]
    if other:
        raise UsageError(
            f"{', '.join(f'`{path}`' for path in other)} would be written over",
            why="what lies there holds something else; nothing was written",
            help="give another folder with --to, or move them away",
        )
