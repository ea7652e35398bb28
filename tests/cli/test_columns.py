"""Every command on a terminal of 80 columns, character by character: nothing is cut, and folded only between words.

`RENDERER_WRITE_SNAPSHOTS=1 pytest tests/cli/test_columns.py` writes the snapshots anew; read the difference.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from rich.cells import cell_len

from renderer.cli.main import COMMANDS, cli
from tests.history.repositories import Repository
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SNAPSHOTS = Path(__file__).parent / "snapshots"
COLUMNS = 80
WHOLE = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")
NIGHT = """
title = "The night bus home"
caption = "Warm indie pop, clean electric guitar, soft drums, a close and calm vocal"
lyrics = '''
[verse 1]
Morning comes in sideways
through the kitchen door
[chorus]
Stay a little longer
'''
seeds = [1, 2]
[metas]
bpm = 96
duration = 10
vocal_language = "en"
[variants.wide-open]
shift = 2.0
seeds = [1]
"""
HARBOUR = """
title = "Harbour lights"
caption = "A slow accordion waltz"
instrumental = true
[metas]
duration = 10
"""
BROKEN = """
title = "Broken"
caption = "A slow accordion waltz, recorded in a small and very quiet room"
instrumental = true
[metas]
bpm = 9000
durations = 12
"""
ALBUM = """
title = "Night lines"
songs = ["night-bus.s1", { song = "harbour", gap = 1 }, "night-bus.wide-open.s1"]
"""
DRIVER = """
import json, sys
from renderer.cli.main import run
for name, arguments in json.loads(sys.argv[1]).items():
    print(f"\\x02{name}", flush=True)
    code = run(arguments)
    sys.stderr.flush()
    print(f"[ends with {code}]", flush=True)
print("\\x02", flush=True)
"""
RUNS: Mapping[str, tuple[str, ...]] = {
    "check": ("check",),
    "check-explain": ("check", "--explain", "turning-character"),
    "check-nothing": ("check", "specs/nowhere.toml"),
    "plan": ("plan", "night-bus", "harbour", *WHOLE),
    "plan-until": ("plan", "night-bus", "harbour", "--force", "--until", "07:00", *WHOLE),
    "plan-broken": ("plan", *WHOLE),
    "status": ("status", *WHOLE),
    "status-take": ("status", "night-bus.wide-open.s1", *WHOLE),
    "status-since": ("status", "--since", "HEAD~1", *WHOLE),
    "diff": ("diff", "night-bus.s1", "night-bus.wide-open.s1", "--no-measure"),
    "diff-rev": ("diff", "--rev", "HEAD~1", *WHOLE),
    "diff-unknown": ("diff", "--rev", "mian", *WHOLE),
    "diff-nothing": ("diff",),
    "show": ("show", "harbour", *WHOLE),
    "keep": ("keep", "night-bus.s*", "--note", "the bridge is right"),
    "keep-unknown": ("keep", "night-buss.s1"),
    "export-none": ("export", "harbour.s0", "--to", "video"),
    "share": ("share", "night-bus.s1", "night-bus.s2"),
    "share-again": ("share", "night-bus.wide-open.s1"),
    "album-nowhere": ("album", "nowhere/album.toml"),
    "new-album": ("new", "--album", "Night lines"),
    "album": ("album",),
    "check-album": ("check", "album.toml"),
    "pin-several": ("pin", "night-bus", *WHOLE),
    "fix": ("fix", "night-bus.s1", "--at", "2..5"),
    "report": ("report", "--no-measure", "night-bus", *WHOLE),
    "render-refused": ("render", "--no-measure", *WHOLE),
    "render-missing": ("render", "harbour", "--model", "turbo", *WHOLE),
    "store-gc": ("store", "gc", "--older-than", "0"),
    "store-verify": ("store", "verify"),
    "models": ("models", "--device", "cpu"),
    "doctor": ("doctor", "--device", "cpu"),
    "new": ("new", "second-song"),
    "new-again": ("new", "second-song"),
    "new-project": ("new", "--project", "album"),
    "import-nothing": ("import", "nowhere.json"),
    "schema": ("schema",),
    "completion-fish": ("completion", "fish"),
    "unknown-command": ("rendr",),
    "unknown-option": ("render", "--untill", "07:00"),
    "missing-option": ("export", "harbour.s0"),
    "wrong-choice": ("check", "--format", "xml"),
    "wrong-value": ("render", "--until", "7 in the morning"),
}


def helps() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every command and subcommand, asked for help."""
    yield "help", ("--help",)
    context = click.Context(cli)
    for name in COMMANDS:
        yield f"help-{name}", (name, "--help")
        command = cli.get_command(context, name)
        for sub in command.commands if isinstance(command, click.Group) else ():
            yield f"help-{name}-{sub}", (name, sub, "--help")


EVERY = {**dict(helps()), **RUNS}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> dict[str, str]:
    """What each of them prints, one after the other in one project."""
    folder = tmp_path_factory.mktemp("columns")
    songs = Songs(folder / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("night-bus", NIGHT.replace("kitchen door", "garden door").replace("clean electric", "acoustic"))
    repository = Repository(songs.folder)
    repository.commit()
    songs.write("night-bus", NIGHT)
    songs.write("harbour", HARBOUR)
    repository.commit()
    carry_out(songs.project())
    songs.edit("night-bus", "shift = 2.0", "shift = 1.0")
    songs.write("broken", BROKEN)
    (songs.folder / "album.toml").write_text(ALBUM, "utf-8")
    shown = on_a_terminal([sys.executable, "-c", DRIVER, json.dumps(EVERY)], songs.folder, folder)
    parts = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.replace("\r", "")).split("\x02")[1:-1]
    return {name: steady(name, text, songs.folder) for name, _, text in (part.partition("\n") for part in parts)}


def on_a_terminal(command: list[str], folder: Path, home: Path) -> str:
    """All that a process prints to a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    caches = {"HF_HOME": str(home / "hub"), "XDG_CACHE_HOME": str(home / "cache"), "TERM": "xterm-256color"}
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=variables | caches | {"PYTHONPATH": root}
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # so Linux tells that nobody is at the other end any more
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    return shown.decode()


def steady(name: str, text: str, folder: Path) -> str:
    """The text without what differs from machine to machine and from time to time."""
    text = re.sub(*OF_THE_MACHINE[name], text) if name in OF_THE_MACHINE else text
    for place, shown in ((folder, "…"), (folder.parent, "…/..")):
        text = text.replace(str(place.resolve()), shown).replace(str(place), shown)
    text = re.sub(r"\b[0-9a-f]{8,64}\b", lambda match: "0" * len(match[0]), text)
    text = re.sub(r"\d+\.\d+(?: (?=[kMG]?B\b))?", lambda match: re.sub(r"\d", "0", match[0]), text)
    text = re.sub(r"\d+(?= [kMG]?B\b)", lambda match: "0" * len(match[0]), text)  # sizes: paths' lengths are in them
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


OF_THE_MACHINE: Mapping[str, tuple[str, str]] = {
    "doctor": (r"\d[\w.+]*|\b(?:Linux|Darwin) \w+", "0"),
    "models": (r"yes|no ", "yes"),
}
"""What two of them tell of the machine, and what stands in its place."""


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_a_command_prints_as_it_did_on_80_columns(printed: dict[str, str], name: str) -> None:
    snapshot = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("RENDERER_WRITE_SNAPSHOTS"):
        snapshot.write_text(printed[name], encoding="utf-8")

    assert printed[name] == snapshot.read_text(encoding="utf-8")


@pytest.mark.slow
def test_no_line_is_wider_than_the_terminal(printed: dict[str, str]) -> None:
    wide = [
        f"{name}: {line}"
        for name, text in printed.items()
        for line in text.split("\n")
        # What has no blank can't be folded: a path, an address.
        if cell_len(line) > COLUMNS and " " in line.strip() and name != "completion-fish"
    ]
    assert wide == []


@pytest.mark.slow
def test_nothing_is_cut_with_dots(printed: dict[str, str]) -> None:
    cut = [
        line
        for text in printed.values()
        for line in text.split("\n")
        if re.search(r"\w(\.\.\.|…)$", line) and "Usage" not in line
    ]
    assert cut == []


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.txt")} == set(EVERY)
