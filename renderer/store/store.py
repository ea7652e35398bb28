"""The store of an outputs folder: artifacts by stage and key, take records, journal. The only writer below `.store`.

It knows paths and bytes; what a key means it doesn't know.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import StoreError
from renderer.files import is_folder
from renderer.folders import MEASURED_FOLDER, REPORT_FOLDER, STORE_FOLDER
from renderer.store.disk import Disk, RealDisk, clear_temp_folders, clear_temps, is_temp, make_folder, write_whole
from renderer.store.encoding import decode, encode
from renderer.store.journal import NAME, Journal
from renderer.store.takes import TakeFile, TakeRecord, decode_file, decode_record, encode_record, file_digest, is_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from renderer.artifacts import Artifact
    from renderer.provenance import Origin

BAD_FOLDER = "bad"
_STALE_SECONDS = 3600.0  # no page takes an hour to write


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An artifact's file."""

    stage: str
    key: str
    path: Path
    num_bytes: int
    mtime_ns: int


class Store:
    """What is kept of one outputs folder; `kinds` are the stages whose artifacts it holds -> what those are."""

    def __init__(
        self, outputs: Path, disk: Disk | None = None, *, kinds: Mapping[str, type[Artifact]], shard: str = ""
    ) -> None:
        """`shard` names the one that writes here beside others: it has a journal of its own."""
        self.outputs = outputs
        self._kinds = kinds
        self.folder = outputs / STORE_FOLDER
        self._takes = self.folder / "takes"
        self.disk = disk or RealDisk()
        self._known: dict[str, set[str]] = {}
        self._records: dict[Path, TakeRecord] | None = None
        self._shard = shard

    @property
    def journal(self) -> Journal:
        """The runs' events."""
        return Journal(self.folder / (f"journal-{self._shard}.jsonl" if self._shard else NAME), self.disk)

    @property
    def lock_path(self) -> Path:
        """The file a render locks while it writes here."""
        return self.folder / "lock"

    @property
    def shards_folder(self) -> Path:
        """Where shards lock each other out, and tell which split they are of."""
        return self.folder / "shards"

    def prepare(self) -> None:
        """Make the folder.

        Raises: StoreError when the outputs folder can't be written.
        """
        try:
            make_folder(self.disk, self.folder)
        except OSError as error:
            raise StoreError(
                f"the outputs folder `{self.outputs}` can't be written",
                why=str(error),
                help="give another folder with --out, or set `outputs` in renderer.toml",
            ) from error

    def clear_leftovers(self) -> None:
        """Take away what a killed run left half written; only for whoever holds the lock."""
        for folder in self._written_folders():
            clear_temps(folder)
        # Page and measurements are written without the lock, just now too perhaps.
        measured = self.outputs / MEASURED_FOLDER
        for folder in (self.outputs / REPORT_FOLDER, measured, self.folder / "pages"):
            clear_temps(folder, older_than_seconds=_STALE_SECONDS)
        clear_temp_folders(measured, older_than_seconds=_STALE_SECONDS)

    def require_there(self) -> None:
        """Notice that somebody took the folder away under a render.

        Raises: StoreError when the locked file is gone.
        """
        if not self.lock_path.exists():
            raise StoreError(
                f"`{self.outputs}` was deleted or moved while it was rendered to",
                why="the lock that this render took is no longer there",
                help="start again: what is there is kept, what isn't is made again",
            )

    def has(self, stage: str, key: str) -> bool:
        """Whether the artifact is there; its digest is checked when it is read."""
        return key in self._keys(stage)

    def get(self, stage: str, key: str) -> Artifact | None:
        """The artifact, or None when there is none or it is damaged (it is then set aside)."""
        found = self.get_with_origin(stage, key)
        return found[0] if found else None

    def get_with_origin(self, stage: str, key: str) -> tuple[Artifact, Origin] | None:
        """The artifact and what it was made from; None of a stage that the store doesn't know."""
        if stage not in self._kinds or not is_name(key):
            return None
        path = self._path(stage, key)
        try:
            return decode(self._read(path), f"{stage}/{key}", self._kinds[stage])
        except FileNotFoundError:
            self._keys(stage).discard(key)
            return None
        except StoreError as error:
            self._set_aside(path, stage, key, error)
            return None

    def put(self, stage: str, key: str, artifact: Artifact, origin: Origin) -> int:
        """Keep the artifact; returns its size in bytes once it is on the drive.

        Raises: StoreError, OSError as the disk gives it; nothing is left half written then.
        """
        if fault := artifact.fault:
            raise StoreError(f"what `{stage}` gave isn't kept", why=fault)
        content = encode(artifact, origin, f"{stage}/{key}")
        write_whole(self.disk, self._path(stage, key), content)
        self._keys(stage).add(key)
        return len(content)

    def artifacts(self) -> Iterator[StoredFile]:
        """Every artifact's file, unread."""
        for stage in self._kinds:
            for path in sorted(self._files(stage)):
                stat = path.stat()
                yield StoredFile(
                    stage=stage, key=path.stem, path=path, num_bytes=stat.st_size, mtime_ns=stat.st_mtime_ns
                )

    def forget(self, artifact: StoredFile) -> None:
        """Delete an artifact.

        Raises: OSError as the disk gives it.
        """
        self.disk.remove(artifact.path)
        self._keys(artifact.stage).discard(artifact.key)

    @contextlib.contextmanager
    def remembering(self) -> Iterator[None]:
        """Read each take's record once while the scope lasts, whoever asks for it."""
        self._records = {}
        try:
            yield
        finally:
            self._records = None

    def put_take(self, record: TakeRecord) -> None:
        """Keep the record of an audio file.

        Raises: StoreError, OSError as the disk gives it.
        """
        write_whole(self.disk, self._take_path(record), encode_record(record))

    def take(self, name: str, key: str) -> TakeRecord | None:
        """The record of a take's audio under that key, if its file still is what was written, wherever it lies."""
        found = self.located(name, key)
        return found[0] if found else None

    def located(self, name: str, key: str) -> tuple[TakeRecord, Path] | None:
        """The record of a take's audio under that key, and where its file lies."""
        found = self._recorded(name, key)
        return (found[0], self.outputs / found[1]) if found else None

    def audio(self, name: str, key: str) -> tuple[TakeFile, str] | None:
        """What the record of a take's audio under that key tells of its file, and what that is called below the folder.

        As `located`, in a fraction of the time: a plan of thousands needs no more.
        """
        if self._records is not None or not (is_name(name) and is_name(key)):
            return self._recorded(name, key)
        path = self._takes.joinpath(name, f"{key}.json")
        try:
            file = decode_file(self._read(path))
        except FileNotFoundError:
            return None
        except StoreError:
            file = None
        if file is None or _is_swapped(file, path):
            return self._recorded(name, key)
        where = self._name_of(file)
        return (file, where) if where else None

    def _recorded(self, name: str, key: str) -> tuple[TakeRecord, str] | None:
        # Names come from command lines and from files: none leads out of the store.
        record = self._record(self._takes.joinpath(name, f"{key}.json")) if is_name(name) and is_name(key) else None
        where = self._name_of(record) if record else ""
        return (record, where) if record and where else None

    def find(self, record: TakeFile) -> Path | None:
        """Where the audio lies: under its own name, or in `old/`; None when it was deleted or altered."""
        name = self._name_of(record)
        return self.outputs / name if name else None

    def _name_of(self, record: TakeFile) -> str:
        """What the audio is called below the outputs folder now; empty when it was deleted or altered."""
        # Texts, as it takes longer to make a path than to look what lies there.
        if _holds(f"{self.outputs}/{record.file}", record):
            return record.file
        return record.old_file if _holds(f"{self.outputs}/{record.old_file}", record) else ""

    def versions(self, name: str) -> tuple[TakeRecord, ...]:
        """Every recorded version of a take, the newest first; none of a name that no take can have."""
        folder = self._takes / name
        # Not glob, which takes as long as the reading.
        files = list(folder.iterdir()) if is_name(name) and folder.is_dir() else []
        paths = [path for path in files if path.suffix == ".json" and not is_temp(path.name)]
        records = [self._record(path) for path in paths]
        return tuple(sorted((r for r in records if r), key=lambda r: r.mtime_ns, reverse=True))

    def take_names(self) -> tuple[str, ...]:
        """Every take with a record."""
        folder = self._takes
        return tuple(sorted(p.name for p in folder.iterdir())) if folder.is_dir() else ()

    def trust(self, record: TakeRecord, *, sound: bool) -> None:
        """Remember what reading a take's audio told: one that was damaged counts again only once its digest matches.

        Raises: StoreError, OSError as the disk gives it.
        """
        if record.distrusted == sound:
            self.put_take(replace(record, distrusted=not sound))

    def forget_take(self, record: TakeRecord) -> None:
        """Delete a record, when its file is gone for good.

        Raises: OSError as the disk gives it.
        """
        path = self._take_path(record)
        self.disk.remove(path)
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def _keys(self, stage: str) -> set[str]:
        if stage not in self._known:
            self._known[stage] = {path.stem for path in self._files(stage)}
        return self._known[stage]

    def _files(self, stage: str) -> Iterator[Path]:
        for path in (self.folder / stage).glob("*/*.safetensors"):
            if not is_temp(path.name):
                yield path

    def _path(self, stage: str, key: str) -> Path:
        return self.folder / stage / key[:2] / f"{key}.safetensors"

    def _take_path(self, record: TakeRecord) -> Path:
        return self._takes.joinpath(record.take, f"{record.stem}.json")

    def _record(self, path: Path) -> TakeRecord | None:
        if self._records is None:
            return self._read_record(path)
        if path not in self._records and (record := self._read_record(path)):
            self._records[path] = record
        return self._records.get(path)

    def _read_record(self, path: Path) -> TakeRecord | None:
        try:
            record = decode_record(self._read(path))
            _refuse_swapped(record, path)
            return self._as_it_lies(record)
        except FileNotFoundError:
            return None
        except StoreError as error:
            self._set_aside(path, "takes", path.stem, error)
            return None

    def _as_it_lies(self, record: TakeRecord) -> TakeRecord:
        """The record of the file that is there, where tags were to be written anew and it didn't come to that."""
        if not record.before or self.find(record):
            return record
        former = record.with_former_file
        return former if self.find(former) else record

    def _read(self, path: Path) -> bytes:
        try:
            return self.disk.read(path)
        except OSError as error:
            # A bad spot on the drive is the file's fault; whatever else refuses to be read is not.
            if error.errno == errno.EIO:
                raise StoreError("the drive can't read it any more", why=error.strerror or str(error)) from error
            raise

    def _set_aside(self, path: Path, stage: str, key: str, error: StoreError) -> None:
        self._keys(stage).discard(key)
        # On a drive that takes no writes the bad file stays where it is: it counts as missing all the same.
        with contextlib.suppress(OSError):
            folder = self.folder / BAD_FOLDER
            make_folder(self.disk, folder)
            self.disk.replace(path, folder / f"{stage}-{path.name}")
            for changed in (folder, path.parent):
                self.disk.flush_folder(changed)
            self.journal.append("set-aside", {"stage": stage, "key": key, "why": error.why or error.message})

    def _written_folders(self) -> Iterator[os.PathLike[str]]:
        """Every folder that who holds the lock writes files into under temporary names."""
        yield from (self.folder, self.shards_folder)
        for above in (self.outputs, *(self.folder / stage for stage in self._kinds), self._takes):
            if above.is_dir():
                # Not iterdir: of each of twenty thousand takes' folders it would ask again whether it is one.
                with os.scandir(above) as entries:
                    yield from (one for one in entries if is_folder(one) and one.name != REPORT_FOLDER)


def _refuse_swapped(record: TakeRecord, path: Path) -> None:
    if _is_swapped(record, path):
        raise StoreError("a take's record lies under the name of another", why=f"`{record.take}`'s, {record.stem[:8]}")


def _is_swapped(record: TakeFile, path: Path) -> bool:
    return path.parts[-2:] != (record.take, f"{record.stem}.json")


def _holds(place: str, record: TakeFile) -> bool:
    try:
        stat = os.stat(place)  # noqa: PTH116 - see `_name_of`
        if stat.st_size != record.num_bytes:
            return False
        # A copied or touched file keeps its content: only then is it read.
        touched = stat.st_mtime_ns != record.mtime_ns
        return not (touched or record.distrusted) or file_digest(Path(place)) == record.digest
    except OSError:
        return False
