"""Files that are none, lead nowhere, can't be called that, or are someone else's: words, and never a traceback."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPEC = 'caption = "slow blues"\ninstrumental = true\nseeds = [1]\n[metas]\nbpm = 90\nduration = 20\n'
SONG = 'caption = "slow blues"\nseeds = [1]\n[metas]\nbpm = 90\nduration = 20\n'
COMMANDS = (("check",), ("plan", "--model", "mini"), ("status", "--model", "mini"), ("show", "--model", "mini"))
PASTED = "[verse]\nA light in the harbour\nand nobody there\n\n[chorus]\nOh the harbour light\n" * 20
LONG_NAME = "港灯" * 90


def without_roots_rights() -> None:
    """For a process that runs as root: what a mode forbids is forbidden to it, too."""
    if os.geteuid() == 0:
        drop, override, search = 24, 1, 2  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        system = ctypes.CDLL(None)
        assert [system.prctl(drop, right, 0, 0, 0) for right in (override, search)] == [0, 0]


class Said:
    """What a command line said, in this process, where an alarm ends what waits for ever."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capfd = capfd

    def code_and_words(self, *arguments: str) -> tuple[int, str]:
        self._capfd.readouterr()
        signal.alarm(int(PATIENCE_SECONDS))
        try:
            code = run(list(arguments))
        finally:
            signal.alarm(0)
        captured = self._capfd.readouterr()
        return code, captured.out + captured.err

    def refused(self, *arguments: str) -> str:
        """Of a command that must end with 2; anything unforeseen would have been raised."""
        code, words = self.code_and_words(*arguments)
        assert code == 2, words
        return words


@pytest.fixture
def said(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Said:
    monkeypatch.chdir(folder)
    return Said(folder, capfd)


def refused_by_mode(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and words of a process that files' modes hold for."""
    command = [sys.executable, "-P", "-m", "renderer", *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=without_roots_rights
    )
    words = done.stdout + done.stderr
    assert "Traceback" not in words, words
    return done.returncode, words


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "renderer.toml").touch()
    (tmp_path / "specs" / "good.toml").write_text(SPEC, "utf-8")
    return tmp_path


def pipe(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def ring(path: Path) -> None:
    other = path.with_name(f"{path.name}.other")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


def dead(path: Path) -> None:
    path.symlink_to("nowhere")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def directory(path: Path) -> None:
    path.mkdir()


def listener(path: Path) -> None:
    bound = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        bound.bind(path.name)
    finally:
        os.chdir(before)
        bound.close()


ODD = {
    "a named pipe": pipe,
    "a link to itself": loop,
    "two links to each other": ring,
    "a link to nothing": dead,
    "a link to a device": device,
    "a socket": listener,
}


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    make: Callable[[Path], None] = ODD[request.param]
    return make


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_spec_that_is_no_file_is_named_and_not_waited_for(
    folder: Path, odd: Callable[[Path], None], command: tuple[str, ...], said: Said
) -> None:
    odd(folder / "specs" / "odd.toml")
    code, words = said.code_and_words(*command)

    assert "specs/odd.toml" in words
    # Status shows the others all the same.
    assert code == (0 if command[0] == "status" else 2)


@pytest.mark.parametrize("name", ["renderer.toml", "picks.toml"])
def test_a_projects_own_file_that_is_no_file_is_named(
    folder: Path, odd: Callable[[Path], None], name: str, said: Said
) -> None:
    odd(folder / "specs" / name)
    if name == "picks.toml" and odd == dead:
        pytest.skip("a vote would make it")
    command = ("check",) if name == "renderer.toml" else ("report", "--model", "mini", "--no-measure")

    assert name in said.refused(*command)


@pytest.mark.parametrize("key", ["lyrics_file", "codes"])
def test_what_a_spec_names_and_is_no_file_is_told_at_its_line(
    folder: Path, odd: Callable[[Path], None], key: str, said: Said
) -> None:
    odd(folder / "specs" / "named")
    text = SONG if key == "lyrics_file" else SPEC
    (folder / "specs" / "song.toml").write_text(f'{key} = "named"\n{text}', "utf-8")

    assert "specs/song.toml:1:" in said.refused("check")


def test_what_is_no_file_is_not_imported(folder: Path, odd: Callable[[Path], None], said: Said) -> None:
    for name in ("odd.json", "odd.flac", "odd.wav", "odd.mp3", "odd.opus", "odd.toml"):
        odd(folder / name)
        assert name in said.refused("import", name)


@pytest.mark.parametrize("key", ["lyrics_file", "codes", "model", "lm", "vae", "outputs", "lora"])
@pytest.mark.parametrize(
    "written", [PASTED, LONG_NAME, "x" * 300, f"./{LONG_NAME}/x", "a\0b", "~nobody-of-that-name/x"]
)
def test_a_text_in_place_of_a_path_is_told_at_its_line(folder: Path, key: str, written: str, said: Said) -> None:
    if written.startswith("~") and key in ("model", "lm", "vae"):
        pytest.skip("whether a path is there is a matter for rendering")
    value = '"' + written.replace("\n", "\\n").replace("\0", "\\u0000") + '"'
    line = f"lora = [{{ path = {value} }}]" if key == "lora" else f"{key} = {value}"
    file = folder / "specs" / ("renderer.toml" if key == "outputs" else "song.toml")
    file.write_text(f"{line}\n" + ("" if key == "outputs" else SONG if key == "lyrics_file" else SPEC), "utf-8")
    if key == "outputs" and written.startswith("~"):
        assert said.code_and_words("check")[0] == 0  # a folder of that name may be made
        return
    words = said.refused("check")

    assert f"{file.name}:1:" in words
    assert "lyrics-missing" not in words


def test_pasted_lyrics_are_told_where_lyrics_go(folder: Path, said: Said) -> None:
    (folder / "specs" / "song.toml").write_text(f'lyrics_file = """\n{PASTED}"""\n{SONG}', "utf-8")
    words = said.refused("check")

    assert 'lyrics = """' in words
    assert words.count("error[") == 1


@pytest.mark.parametrize("option", ["--model", "--lm", "--vae", "--out"])
@pytest.mark.parametrize("written", [LONG_NAME, "~nobody-of-that-name/x", "x/" * 3000])
def test_an_option_that_no_file_can_be_called_is_told(option: str, written: str, said: Said) -> None:
    code, _ = said.code_and_words("plan", "--model", "mini", option, written)
    assert code == (0 if option == "--out" and written.startswith("~") else 2)


@pytest.mark.parametrize("name", [LONG_NAME, LONG_NAME + ".toml", "x/" * 3000, "a\x1b[31mb.toml", "\u202elmot.x.toml"])
def test_an_argument_that_no_file_can_be_called_is_told(name: str, said: Said) -> None:
    for command in COMMANDS:
        words = said.refused(*command, name)
        assert "\x1b[31m" not in words
        assert "\u202e" not in words


@pytest.mark.slow
def test_other_peoples_folders_and_files_are_named(folder: Path) -> None:
    secret = folder / "specs" / "secret"
    secret.mkdir()
    (secret / "song.toml").write_text(SPEC, "utf-8")
    own = folder / "specs" / "own.toml"
    own.write_text(SPEC, "utf-8")
    folder.chmod(0o755)
    for path in (own, secret):
        path.chmod(0)
        for command in COMMANDS:
            code, words = refused_by_mode(folder, *command)
            assert path.name in words
            assert code == (0 if command[0] == "status" and path == own else 2)
        path.chmod(0o755)


@pytest.mark.slow
def test_a_folder_in_someone_elses_that_an_option_names_is_told(folder: Path) -> None:
    locked = folder / "locked"
    (locked / "weights").mkdir(parents=True)
    locked.chmod(0)
    code, words = refused_by_mode(folder, "models", "fetch", "mini", "--dir", "locked/weights")
    locked.chmod(0o755)

    assert code == 2
    assert "`locked/weights`" in words


@pytest.mark.slow
def test_an_outputs_folder_of_someone_else_is_named(folder: Path) -> None:
    outputs = folder / "outputs"
    outputs.mkdir()
    for mode in (0o555, 0):
        outputs.chmod(mode)
        code, words = refused_by_mode(folder, "render", "--model", "mini", "--no-measure")
        assert code == 2
        assert "outputs" in words
    outputs.chmod(0o755)


def lock_errors() -> Iterator[int]:
    """Every error that Linux and macOS document for opening and locking a file."""
    names = "EACCES EPERM EROFS ENOSPC EDQUOT ENOLCK EIO EISDIR ELOOP EMFILE ENFILE ENAMETOOLONG ENOENT ENOMEM ENOTDIR"
    names += (
        " ENXIO EINVAL ENOSYS EOPNOTSUPP ENOTSUP EBADF EINTR EDEADLK ESTALE ETXTBSY EOVERFLOW EBUSY ENODEV EREMOTEIO"
    )
    yield from sorted({getattr(errno, name) for name in names.split() if hasattr(errno, name)})


@pytest.mark.parametrize("number", [*lock_errors()], ids=errno.errorcode.get)
def test_whatever_a_lock_answers_is_told(number: int, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    real_open = os.open

    def refuse(path: str | Path, *arguments: object, **named: object) -> int:
        if str(path).endswith("/.store/lock"):
            raise OSError(number, os.strerror(number), str(path))
        return real_open(path, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    words = said.refused("render", "--model", "mini", "--device", "cpu", "--no-measure")

    assert "outputs" in words
    assert "lock" in words
    assert "= why: " in words
    assert "= help: " in words


@pytest.mark.parametrize("make", [directory, loop, dead, device], ids=lambda make: make.__name__)
def test_something_else_in_the_locks_place_is_told(folder: Path, make: Callable[[Path], None], said: Said) -> None:
    (folder / "outputs" / ".store").mkdir(parents=True)
    make(folder / "outputs" / ".store" / "lock")
    words = said.refused("render", "--model", "mini", "--no-measure", "--device", "cpu")

    assert "lock" in words
