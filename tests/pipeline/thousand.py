"""A thousand takes, finished in no time: specs, and what a render of them leaves on disk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from renderer.models.family import stored_kinds
from renderer.provenance import CotNotes
from renderer.store.disk import RealDisk
from renderer.store.store import Store
from renderer.store.takes import PageFacts, TakeRecord

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.pipeline.project import Project

NUM_SPECS, NUM_SEEDS = 100, 10
SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = \"\"\"
[verse]
la la la la la la la la
la la la la la la la la
[chorus]
la la la la la la la la
\"\"\"
seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
[metas]
bpm = 90
duration = 30
"""


class HastyDisk(RealDisk):
    """A disk that doesn't wait for the drive; a thousand takes are laid out in no time."""

    def flush(self, path: Path) -> None:
        pass

    def flush_folder(self, folder: Path) -> None:
        pass


def write_specs(folder: Path, num_specs: int = NUM_SPECS) -> None:
    """Of ten seeds each."""
    for number in range(num_specs):
        (folder / f"song{number:03}.toml").write_text(SPEC.replace("{name}", f"song{number:03}"), "utf-8")


def finish(project: Project, audio: bytes = b"fLaC") -> None:
    """Leave on disk what a finished render of all takes leaves, the same audio for each."""
    store = Store(project.store.outputs, HastyDisk(), kinds=stored_kinds())
    store.prepare()
    for take in project.plan().takes:
        path = store.outputs / take.file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(audio)
        record = TakeRecord(
            key=take.key,
            take=take.name,
            song=take.take.song.name,
            file=take.file,
            num_bytes=len(audio),
            mtime_ns=path.stat().st_mtime_ns,
            digest=hashlib.sha256(audio).hexdigest(),
            requests=take.requests,
            keys=dict(take.keys),
            environment=project.environment,
            page=PageFacts(
                peaks="A" * 2_000, seconds=30.0, notes={"cot": CotNotes(text="x" * 1_000, prompt="y" * 2_000)}
            ),
        )
        store.put_take(record)
