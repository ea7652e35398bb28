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

from renderer.errors import RendererError
from renderer.json_values import from_json, to_json
from renderer.processes import SAFE_FOLDER, inherited, python
from renderer.store.disk import RealDisk, commit, make_folder, temp_name, write_whole
from renderer.takes.measure.difference import compare_files, stored_difference
from renderer.takes.measure.sung_words import compare_words, stored_word_errors, word_errors_name
from renderer.takes.measure.values import Difference, Measured, SoundFile, SoundPair, SungFile, WordErrors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

LIBRARIES = ("librosa", "pyloudnorm", "scipy", "PIL")
_MEASURED = re.compile(r"[0-9a-f]{16}(-[0-9a-f]{16})?(\.words)?\.(json|webp)")
VERSION = 5  # raised when measuring changes: older results are made again


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What came of one file, of a pair of files, or of what is sung in one."""

    digest: str
    """The file's; else the name of what was measured."""
    measured: Measured | None = None
    spectrogram: Path | None = None
    difference: Difference | None = None
    """A pair's."""
    words: WordErrors | None = None
    """Of what is sung."""
    problem: str = ""
    """Why there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRow:
    """One thing that is measured, in the measuring process, and kept below a folder."""

    kind: type[SoundFile | SoundPair | SungFile]
    """A value that says of what; its class's name goes through the pipe."""
    stored: Callable[[Any, Path], Measurement | None]
    """What was found before; None when nothing was, or by another version of its code."""
    measure: Callable[[Any, Path], None]
    """Put it there.

    Raises: RendererError, or whatever its library does: told as a problem.
    """


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


def measurement_names(digest: str) -> tuple[str, str, str]:
    """What a file's measurement, its picture and the errors of its words are called."""
    return _kept(digest, Path()).name, _picture(digest, Path()).name, word_errors_name(digest)


def share_measurement(digest: str, other: str, folder: Path) -> None:
    """Let what was measured of one file hold for another that sounds the same.

    Raises: OSError as the disk gives it.
    """
    # The numbers last: without them the picture counts for nothing.
    numbers, picture, words = zip(measurement_names(digest), measurement_names(other), strict=True)
    known = (picture, numbers) if stored_measurement(digest, folder) else ()
    for source, target in (*known, *([words] if (folder / words[0]).exists() else ())):
        temp = folder / f"{target}.tmp"
        shutil.copyfile(folder / source, temp)
        temp.replace(folder / target)


def measurements_without(digests: Iterable[str], folder: Path) -> tuple[Path, ...]:
    """What lies below `folder` for files other than these: numbers and pictures nobody can ask for any more."""
    stems = {_kept(digest, folder).stem for digest in digests}
    found = sorted(path for path in folder.glob("*") if _MEASURED.fullmatch(path.name))
    return tuple(path for path in found if not stems.issuperset(path.name.partition(".")[0].split("-")))


def _hear_nothing(end: Callable[[], None]) -> None:
    del end


def measure_files(
    files: Sequence[SoundFile | SoundPair | SungFile],
    folder: Path,
    begun: Callable[[Callable[[], None]], None] = _hear_nothing,
) -> Generator[Measurement, None, None]:
    """Each one's measurement as it comes: those kept below `folder` at once, the others from the measuring process.

    Of files, call it when `missing_libraries()` is empty. What can't be measured gives a `problem`. `begun` is told of
    the process by what ends it, from any thread; what isn't measured by then gives a `problem` too.
    """
    todo = []
    for file in files:
        if stored := _row(file).stored(file, folder):
            yield stored
        else:
            todo.append(file)
    if todo:
        yield from _in_process(todo, folder, begun)


def _in_process(
    files: Sequence[SoundFile | SoundPair | SungFile], folder: Path, begun: Callable[[Callable[[], None]], None]
) -> Iterator[Measurement]:
    try:
        make_folder(RealDisk(), folder)
    except OSError as error:
        yield from (_not_measured(file, f"{type(error).__name__}: {error}") for file in files)
        return
    # The process is ended in the midst of what it writes, and has no time to clear up after itself.
    unfinished = folder / temp_name()
    try:
        yield from _asked(files, folder, unfinished, begun)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _asked(
    files: Sequence[SoundFile | SoundPair | SungFile],
    folder: Path,
    unfinished: Path,
    begun: Callable[[Callable[[], None]], None],
) -> Iterator[Measurement]:
    child = subprocess.Popen(
        python("-m", "renderer.takes.measure", str(folder.absolute()), str(unfinished.absolute())),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Nobody reads the libraries' warnings, and a pipe that is full would hold the process up.
        stderr=subprocess.DEVNULL,
        cwd=SAFE_FOLDER,
        # What is measured lies on this machine: no library has anything to fetch.
        env=inherited() | {"HF_HUB_OFFLINE": "1"},
        text=True,
        encoding="utf-8",
    )
    with child:
        assert child.stdin is not None  # noqa: S101 - for the type checker: both are pipes
        assert child.stdout is not None  # noqa: S101 - as above
        # The pipe stays open: when this process ends, however it does, so does the other.
        begun(child.terminate)
        _ask(child.stdin, [[type(file).__name__, file.name, to_json(file)] for file in files])
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


def _ask(pipe: IO[str], files: Sequence[object]) -> None:
    try:
        pipe.write(f"{json.dumps(files)}\n")
        pipe.flush()
    except OSError:
        # It ended before it heard all: what it answered until then counts, the rest is told with its exit code.
        with suppress(OSError):
            pipe.close()


def main(folder: Path, unfinished: Path) -> None:
    """The measuring process: files as one line of JSON on stdin, one line of JSON a file on stdout.

    What it finds is written below `unfinished` and named below `folder` once it is whole. It ends when stdin does:
    nobody is left to measure for.
    """
    if hasattr(os, "nice"):
        os.nice(10)  # numbers can wait: whoever renders or listens goes first
    files = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, args=(unfinished,), name="parent", daemon=True).start()
    rows = {row.kind.__name__: row for row in MEASURES}
    for kind, name, told in files:
        answer = {"name": name}
        try:
            _keep(rows[kind], from_json(rows[kind].kind, told), folder, unfinished)
        except RendererError as error:
            answer["problem"] = "; ".join(filter(None, (error.message, error.why, error.help)))
        except Exception as error:  # noqa: BLE001 - the boundary: one odd file must not end the others
            answer["problem"] = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _keep(row: MeasureRow, file: SoundFile | SoundPair | SungFile, folder: Path, unfinished: Path) -> None:
    # Anew for each: what one that failed has left isn't whole, and a folder that lay unused for an hour is cleared.
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    row.measure(file, unfinished)
    # The numbers last: without them a picture counts for nothing.
    for path in sorted(unfinished.iterdir(), key=lambda path: path.suffix == ".json"):
        commit(RealDisk(), path, folder / path.name, num_bytes=path.stat().st_size)


def _end_with_stdin(unfinished: Path) -> None:
    # Not sys.stdin, which a thread that waits would hold on to when the process ends by itself.
    while os.read(0, 1024):
        pass
    # At once: a song's analysis takes seconds, and no result is half written under its name.
    shutil.rmtree(unfinished, ignore_errors=True)
    os._exit(0)


def _measure(path: Path, digest: str, folder: Path) -> None:
    import soundfile  # noqa: PLC0415 - in the measuring process only

    from renderer.takes.measure.analysis import analyse  # noqa: PLC0415 - as above
    from renderer.takes.measure.compiled import compile_once  # noqa: PLC0415 - as above
    from renderer.takes.measure.spectrogram import draw_spectrogram  # noqa: PLC0415 - as above

    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    compile_once()
    draw_spectrogram(sound, rate, _picture(digest, folder))
    text = json.dumps({"version": VERSION, "measured": asdict(analyse(sound, rate))})
    write_whole(RealDisk(), _kept(digest, folder), text.encode())


def _measurement(file: SoundFile | SoundPair | SungFile, problem: str, folder: Path) -> Measurement:
    stored = None if problem else _row(file).stored(file, folder)
    return stored or _not_measured(file, problem or "its result could not be read back")


def _not_measured(file: SoundFile | SoundPair | SungFile, problem: str) -> Measurement:
    return Measurement(digest=file.name, problem=problem)


def _row(file: SoundFile | SoundPair | SungFile) -> MeasureRow:
    return next(row for row in MEASURES if isinstance(file, row.kind))


def _stored_pair(pair: SoundPair, folder: Path) -> Measurement | None:
    found = stored_difference(pair.name, folder)
    return Measurement(digest=pair.name, difference=found) if found else None


def _stored_words(file: SungFile, folder: Path) -> Measurement | None:
    found = stored_word_errors(file.sound.digest, folder)
    # Another recogniser hears otherwise.
    return Measurement(digest=file.name, words=found) if found and found.digest == file.recogniser_digest else None


MEASURES = (
    MeasureRow(
        kind=SoundFile,
        stored=lambda file, folder: stored_measurement(file.digest, folder),
        measure=lambda file, folder: _measure(file.path, file.digest, folder),
    ),
    MeasureRow(kind=SoundPair, stored=_stored_pair, measure=compare_files),
    MeasureRow(kind=SungFile, stored=_stored_words, measure=compare_words),
)
"""What is measured of takes; what comes of it is shown by `report`, and compared by `takes.ranking.SCORES`."""


def _kept(digest: str, folder: Path) -> Path:
    return folder / f"{digest[:16]}.json"


def _picture(digest: str, folder: Path) -> Path:
    return folder / f"{digest[:16]}.webp"
