"""Files -> measurements and pictures, in a process of its own, kept by the audio's digest.

librosa takes seconds to import and the audio is on disk before any of this starts: nobody waits for it, and a crash in
it costs numbers, never sound.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from renderer.processes import SAFE_FOLDER, inherited, python
from renderer.store.disk import RealDisk, commit, make_folder, temp_beside, write_whole
from renderer.takes.measure.difference import compare_files, stored_difference
from renderer.takes.measure.values import Difference, Measured, SoundFile, SoundPair

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

LIBRARIES = ("librosa", "pyloudnorm", "scipy", "PIL")
_MEASURED = re.compile(r"[0-9a-f]{16}(-[0-9a-f]{16})?\.(json|webp)")
VERSION = 5  # raised when measuring changes: older results are made again


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What came of one file, or of a pair of files."""

    digest: str
    """The file's; a pair's name."""
    measured: Measured | None = None
    spectrogram: Path | None = None
    difference: Difference | None = None
    """A pair's."""
    problem: str = ""
    """Why there is nothing."""


def missing_libraries() -> tuple[str, ...]:
    """What of `renderer[measure]` is not installed."""
    return tuple(name for name in LIBRARIES if importlib.util.find_spec(name) is None)


def stored_measurement(digest: str, folder: Path) -> Measurement | None:
    """What was measured before; None when it wasn't, or by another version of this code."""
    try:
        kept = json.loads(_kept(digest, folder).read_text("utf-8"))
        told = {**kept["measured"], "beats": tuple(kept["measured"].get("beats", ()))}
        measured = Measured(**told) if kept["version"] == VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    picture = _picture(digest, folder)
    return Measurement(digest=digest, measured=measured, spectrogram=picture) if measured and picture.exists() else None


def measurement_names(digest: str) -> tuple[str, str]:
    """What a file's measurement and picture are called."""
    return _kept(digest, Path()).name, _picture(digest, Path()).name


def share_measurement(digest: str, other: str, folder: Path) -> None:
    """Let what was measured of one file hold for another that sounds the same.

    Raises: OSError as the disk gives it.
    """
    if stored_measurement(digest, folder) is None:
        return
    # The numbers last: without them the picture counts for nothing.
    for source, target in (
        (_picture(digest, folder), _picture(other, folder)),
        (_kept(digest, folder), _kept(other, folder)),
    ):
        shutil.copyfile(source, target.with_suffix(".tmp"))
        target.with_suffix(".tmp").replace(target)


def measurements_without(digests: Iterable[str], folder: Path) -> tuple[Path, ...]:
    """What lies below `folder` for files other than these: numbers and pictures nobody can ask for any more."""
    stems = {_kept(digest, folder).stem for digest in digests}
    found = sorted(path for path in folder.glob("*") if _MEASURED.fullmatch(path.name))
    return tuple(path for path in found if not stems.issuperset(path.stem.split("-")))


def _hear_nothing(end: Callable[[], None]) -> None:
    del end


def measure_files(
    files: Sequence[SoundFile | SoundPair],
    folder: Path,
    begun: Callable[[Callable[[], None]], None] = _hear_nothing,
) -> Generator[Measurement, None, None]:
    """Each one's measurement as it comes: those kept below `folder` at once, the others from the measuring process.

    Of files, call it when `missing_libraries()` is empty. What can't be measured gives a `problem`. `begun` is told of
    the process by what ends it, from any thread; what isn't measured by then gives a `problem` too.
    """
    todo = []
    for file in files:
        if stored := _stored(file, folder):
            yield stored
        else:
            todo.append(file)
    if todo:
        yield from _in_process(todo, folder, begun)


def _stored(file: SoundFile | SoundPair, folder: Path) -> Measurement | None:
    if isinstance(file, SoundFile):
        return stored_measurement(file.digest, folder)
    found = stored_difference(file.name, folder)
    return Measurement(digest=file.name, difference=found) if found else None


def _in_process(
    files: Sequence[SoundFile | SoundPair], folder: Path, begun: Callable[[Callable[[], None]], None]
) -> Iterator[Measurement]:
    make_folder(RealDisk(), folder)
    child = subprocess.Popen(
        python("-m", "renderer.takes.measure", str(folder.absolute())),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Nobody reads the libraries' warnings, and a pipe that is full would hold the process up.
        stderr=subprocess.DEVNULL,
        cwd=SAFE_FOLDER,
        env=inherited(),
        text=True,
        encoding="utf-8",
    )
    with child:
        assert child.stdin is not None  # noqa: S101 - for the type checker: both are pipes
        assert child.stdout is not None  # noqa: S101 - as above
        # The pipe stays open: when this process ends, however it does, so does the other.
        begun(child.terminate)
        _ask(child.stdin, [_request(file) for file in files])
        known = {file.name: file for file in files}
        left = dict(known)
        try:
            for line in child.stdout:
                answer = json.loads(line)
                left.pop(answer["name"], None)
                yield _measurement(known[answer["name"]], answer.get("problem", ""), folder)
        finally:
            child.terminate()
    for file in left.values():
        yield _not_measured(file, f"the measuring process ended ({child.returncode})")


def _request(file: SoundFile | SoundPair) -> dict[str, object]:
    """As the measuring process is asked."""
    if isinstance(file, SoundFile):
        return {"path": str(file.path.absolute()), "digest": file.digest}
    ends = {"edit": _request(file.edit), "source": _request(file.source)}
    return {**ends, "windows": file.windows, "lead_seconds": file.lead_seconds}


def _requested(request: dict[str, Any]) -> SoundFile | SoundPair:
    """What `_request` asks for."""
    if "path" in request:
        return SoundFile(path=Path(request["path"]), digest=request["digest"])
    edit, source = (
        SoundFile(path=Path(request[one]["path"]), digest=request[one]["digest"]) for one in ("edit", "source")
    )
    windows = tuple((start, end) for start, end in request["windows"])
    return SoundPair(edit=edit, source=source, windows=windows, lead_seconds=request["lead_seconds"])


def _ask(pipe: IO[str], files: Sequence[Mapping[str, object]]) -> None:
    try:
        pipe.write(f"{json.dumps(files)}\n")
        pipe.flush()
    except OSError:
        # It ended before it heard all: what it answered until then counts, the rest is told with its exit code.
        with suppress(OSError):
            pipe.close()


def main(folder: Path) -> None:
    """The measuring process: files as one line of JSON on stdin, one line of JSON a file on stdout.

    It ends when stdin does: nobody is left to measure for.
    """
    if hasattr(os, "nice"):
        os.nice(10)  # numbers can wait: whoever renders or listens goes first
    files = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, name="parent", daemon=True).start()
    for file in map(_requested, files):
        answer = {"name": file.name}
        try:
            if isinstance(file, SoundFile):
                _measure(file.path, file.digest, folder)
            else:
                compare_files(file, folder)
        except Exception as error:  # noqa: BLE001 - the boundary: one odd file must not end the others
            answer["problem"] = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _end_with_stdin() -> None:
    # Not sys.stdin, which a thread that waits would hold on to when the process ends by itself.
    while os.read(0, 1024):
        pass
    # At once: a song's analysis takes seconds, and no result is half written under its name.
    os._exit(0)


def _measure(path: Path, digest: str, folder: Path) -> None:
    import soundfile  # noqa: PLC0415 - in the measuring process only

    from renderer.takes.measure.analysis import analyse  # noqa: PLC0415 - as above
    from renderer.takes.measure.compiled import compile_once  # noqa: PLC0415 - as above
    from renderer.takes.measure.spectrogram import draw_spectrogram  # noqa: PLC0415 - as above

    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    compile_once()
    disk, picture = RealDisk(), _picture(digest, folder)
    temp = temp_beside(disk, picture)
    try:
        draw_spectrogram(sound, rate, temp)
        commit(disk, temp, picture, num_bytes=temp.stat().st_size)
    finally:
        temp.unlink(missing_ok=True)
    text = json.dumps({"version": VERSION, "measured": asdict(analyse(sound, rate))})
    write_whole(disk, _kept(digest, folder), text.encode())


def _measurement(file: SoundFile | SoundPair, problem: str, folder: Path) -> Measurement:
    stored = None if problem else _stored(file, folder)
    return stored or _not_measured(file, problem or "its result could not be read back")


def _not_measured(file: SoundFile | SoundPair, problem: str) -> Measurement:
    return Measurement(digest=file.name, problem=problem)


def _kept(digest: str, folder: Path) -> Path:
    return folder / f"{digest[:16]}.json"


def _picture(digest: str, folder: Path) -> Path:
    return folder / f"{digest[:16]}.webp"
