"""Finished takes on a disk that takes no writes, and disks without room: read what can be read, in words what can't."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from renderer.cli.main import run
from tests.cli.test_odd_files import refused_by_mode
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from collections.abc import Iterator

SET = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")


@pytest.fixture
def finished(tmp_path: Path, tiny_set: Path) -> Songs:
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("eins")
    carry_out(songs.project())
    return songs


@pytest.fixture
def sealed(finished: Songs) -> Iterator[Songs]:
    """The same with nothing in it that may be written."""
    everything = [finished.folder, *finished.folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in everything}
    for path in everything:
        path.chmod(modes[path] & ~0o222)
    yield finished
    for path, mode in modes.items():
        path.chmod(mode)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        *(("check",), ("plan", *SET), ("status", *SET), ("status", "eins.s1", *SET), ("show", *SET)),
        *(("store", "verify"), ("diff", "eins.s1", "eins.s2")),
    ],
    ids=" ".join,
)
def test_what_only_reads_works_where_nothing_can_be_written(sealed: Songs, command: tuple[str, ...]) -> None:
    before = {path: path.stat().st_mtime_ns for path in sealed.folder.rglob("*")}
    code, words = refused_by_mode(sealed.folder, *command)

    assert code == 0, words
    assert {path: path.stat().st_mtime_ns for path in sealed.folder.rglob("*")} == before


@pytest.mark.slow
def test_the_report_is_written_elsewhere_with_links_that_lead_to_the_takes(sealed: Songs, tmp_path: Path) -> None:
    elsewhere = tmp_path / "my pages" / "of today"
    code, words = refused_by_mode(sealed.folder, "report", "--to", str(elsewhere), *SET)

    assert code == 0, words
    page = (elsewhere / "index.html").read_text("utf-8")
    links = {unquote(found) for found in re.findall(r'"audio": ?"([^"]+)"', page)}
    assert len(links) == 2
    assert all((elsewhere / link).resolve().is_relative_to(sealed.outputs) for link in links)
    assert all((elsewhere / link).is_file() for link in links)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [("report", "--no-measure", *SET), ("render", "--force", *SET), ("keep", "eins.s1"), ("schema",), ("new", "zwei")],
    ids=lambda command: command[0],
)
def test_what_writes_says_why_it_cannot(sealed: Songs, command: tuple[str, ...]) -> None:
    code, words = refused_by_mode(sealed.folder, *command)

    assert code == 2
    assert "error: `" in words
    assert "= why: " in words


def test_the_page_tells_nobody_where_it_was_made(
    finished: Songs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.folder)
    message = {"message": f"`{tmp_path}/a b/vae` can't be read", "why": f"no such file: {tmp_path}/x y", "help": ""}
    finished.edit("eins", "seeds = [1, 2]", "seeds = [1, 2, 3]")
    project = finished.project()
    failed = next(take for take in project.plan().takes if take.take.seed == 3)
    project.store.journal.append("run-started", {"takes": 1, "jobs": 1})
    project.store.journal.append("take-failed", {"take": failed.name, "key": failed.key, "stage": "latents", **message})

    for arguments in ((), ("--to", str(tmp_path / "elsewhere"))):
        assert run(["report", "--no-measure", *SET, *arguments]) == 0
    for folder in (finished.outputs / "report", tmp_path / "elsewhere"):
        page = (folder / "index.html").read_text("utf-8")
        assert "can&#39;t be read" in page
        assert str(tmp_path) not in page
        assert str(Path.home()) + "/" not in page


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for next to nothing, where this process may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    finished: Songs, small: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.folder)
    example = finished.folder / "example.json"
    example.write_text('{"caption": "slow blues", "lyrics": "' + "la la la " * 4_000 + '"}', "utf-8")
    for command in (
        ("report", "--no-measure", "--to", str(small / "page"), *SET),
        ("schema", str(small / "schemas")),
        ("import", str(example), "--to", str(small / "specs")),
        ("render", "--no-measure", "--out", str(small / "outputs"), *SET),
    ):
        capfd.readouterr()
        assert run(list(command)) == 2, command
        words = capfd.readouterr().err
        assert "space" in words, command
        left = [path for path in small.rglob("*") if path.is_file() and "outputs" not in path.parts]
        assert all(path.stat().st_size for path in left)
        assert not [path for path in left if path.name.startswith(".")]
        for path in left:
            path.unlink()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", [("check",), ("plan", "--json", *SET), ("status", *SET), ("models",)], ids=" ".join)
def test_an_output_without_room_is_told(finished: Songs, command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "renderer", *command],
            cwd=finished.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=dict(os.environ),
        )

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "no space left on device" in done.stderr
