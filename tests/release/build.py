"""Wheel and sdist of a checkout's last commit, built where nothing else lies, and what has to hold of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from packaging.metadata import Metadata

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The two files of a release."""

    wheel: Path
    sdist: Path


def export(commit: str, folder: Path) -> Path:
    """The commit's files, and nothing that lies beside them in a checkout."""
    folder.mkdir(parents=True)
    files = subprocess.run(["git", "archive", "--format=tar", commit], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=folder, input=files, check=True)
    return folder


def commit_time(commit: str) -> int:
    """In seconds since 1970: the time of every file in what is built of it."""
    command = ["git", "show", "--no-patch", "--format=%ct", commit]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def build(source: Path, folder: Path, *, epoch: int, umask: int = 0o022) -> Built:
    """Wheel and sdist of a folder, by the installed hatchling."""
    targets = ("-t", "sdist", "-t", "wheel")
    subprocess.run(
        [sys.executable, "-I", "-m", "hatchling", "build", "-d", str(folder), *targets],
        cwd=source,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch)},
        umask=umask,
        capture_output=True,
        check=True,
    )
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel=wheel, sdist=sdist)


def unpack(sdist: Path, folder: Path) -> tuple[Path, int]:
    """The sdist's files, and the time that they bear."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
        epoch = int(archive.getmembers()[0].mtime)
    (source,) = folder.iterdir()
    return source, epoch


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """Path in the wheel -> its bytes."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata_of(wheel: Path) -> Message:
    """The wheel's metadata, valid by the packaging specification.

    Raises: ExceptionGroup with all that is wrong with them.
    """
    (text,) = (data for name, data in wheel_files(wheel).items() if name.endswith(".dist-info/METADATA"))
    Metadata.from_email(text, validate=True)
    return message_from_bytes(text)
