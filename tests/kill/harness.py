"""Kill the real processes at random moments, go on, and compare with a run that nobody disturbed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import soundfile

from renderer.formats.table import FORMATS
from renderer.models.family import stored_kinds
from renderer.store.journal_lines import JobDoneLine, TakeDoneLine
from renderer.store.store import Store
from renderer.store.verify import verify
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping

NAMES = tuple(FORMATS)
SPEC = """
caption = "calm piano number {number}"
lyrics = \"\"\"
[verse]
la la la {number}
\"\"\"
seeds = [1, 2]
[metas]
bpm = 90
[inference]
use_cot_caption = false
[variants.wide]
shift = 2.0
[output]
format = "{format}"
"""
TARGETS = ("parent", "worker", "both")
START_UP_SHARE = 0.15


WARM = Path(__file__).with_name("warm_workers.py")


@dataclass(slots=True)
class Project:
    """A folder of specs that is rendered, killed and rendered again."""

    folder: Path
    warm: Path | None = None
    """The folder of a process that workers are forked from; None starts each anew, as users do."""
    kills: Counter[str] = field(default_factory=Counter)
    workers: set[int] = field(default_factory=set)

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def journal(self) -> Path:
        return self.outputs / ".store" / "journal.jsonl"

    def start(self) -> subprocess.Popen[bytes]:
        render = (str(WARM), "render", str(self.warm)) if self.warm else ("-m", "renderer", "render")
        options = ("--device", "cpu", "--threads", "1", "--lm-slots", "4", "--preview", "1", "--no-measure")
        with (self.folder / "parent.log").open("ab") as log:
            return subprocess.Popen([sys.executable, *render, *options], cwd=self.folder, stdout=log, stderr=log)

    def workers_of(self, parent: subprocess.Popen[bytes]) -> list[int]:
        """The worker processes of a parent."""
        try:
            children = [child.pid for child in psutil.Process(parent.pid).children()]
        except psutil.NoSuchProcess:
            return []
        if self.warm is None:
            return children
        pid_files = [self.warm / str(child) for child in children]
        return [int(text) for pid_file in pid_files if (text := _text(pid_file))]

    def finish(self) -> None:
        """Render until nothing is left, undisturbed."""
        for _ in range(3):
            if self.start().wait(timeout=PATIENCE_SECONDS) == 0:
                return
        raise AssertionError((self.folder / "parent.log").read_text()[-3000:])


def make_project(folder: Path, model: Path, *, num_songs: int) -> Project:
    """Songs of four takes each, in every format."""
    (folder / "specs").mkdir(parents=True)
    (folder / "renderer.toml").write_text(f'model = "{model}"\n', "utf-8")
    for number in range(num_songs):
        text = SPEC.format(number=number, format=NAMES[number % len(NAMES)])
        (folder / "specs" / f"song{number:02}.toml").write_text(text, "utf-8")
    return Project(folder)


@contextlib.contextmanager
def warm_workers(folder: Path) -> Iterator[Path]:
    """A process that has a worker's imports done, and a command that asks it for workers."""
    folder.mkdir()
    shim = folder / "python"
    shim.write_text(f"#!/bin/sh\nexec {sys.executable} -S -E {WARM} attach {folder}\n", "utf-8")
    shim.chmod(0o755)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    server = subprocess.Popen([sys.executable, WARM, "serve", folder], env=environment, cwd=WARM.parents[2])
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (folder / "socket").exists():
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield folder
    finally:
        server.kill()
        server.wait()


def kill_and_resume(project: Project, *, num_kills: int, chance: random.Random, reference: Mapping[str, str]) -> int:
    """Kill and start again so many times, over as many whole batches as that takes; returns how many were completed."""
    batches = 0
    while project.kills.total() < num_kills:
        if _life(project, chance, most=num_kills - project.kills.total()):
            check_batch(project, reference)
            print(f"{project.kills.total()} kills, a batch done", flush=True)
            batches += 1
            shutil.rmtree(project.outputs)
    project.finish()
    check_batch(project, reference)
    return batches + 1


def sounds(project: Project) -> dict[str, str]:
    """File name -> digest of its bytes; of the decoded samples in Opus, whose stream number is drawn."""
    return {path.name: _digest(path) for path in project.outputs.glob("*/*") if path.suffix[1:] in FORMATS}


def _life(project: Project, chance: random.Random, *, most: int) -> bool:
    """One parent from its start to its end; whether it ended by itself with everything done."""
    parent = project.start()
    kills = 0
    try:
        while kills < most and _wait_for_moment(project, parent, chance):
            kills += 1
            target = chance.choice(TARGETS)
            if not _kill(project, parent, target, chance):
                target = "parent"
            project.kills[target] += 1
            if target != "worker":
                break
        if kills >= most:
            parent.kill()
        code = parent.wait(timeout=PATIENCE_SECONDS)
    finally:
        parent.kill()
        parent.wait()
    _check_no_orphans(project)
    check_promises(project)
    return code == 0


def _wait_for_moment(project: Project, parent: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Wait for the next random moment: in the start-up, or after some loads and commits; False when it ended before."""
    if chance.random() < START_UP_SHARE:
        return _wait(project, parent, chance.uniform(0, 3))
    wanted = _num_signs(project) + chance.randint(1, 6)
    while _num_signs(project) < wanted:
        if not _alive(project, parent):
            return False
    return _wait(project, parent, chance.uniform(0, 0.4))


def _wait(project: Project, parent: subprocess.Popen[bytes], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not _alive(project, parent):
            return False
    return parent.poll() is None


def _num_signs(project: Project) -> int:
    """Components loaded and results committed so far, by the journal."""
    with contextlib.suppress(OSError):
        lines = project.journal.read_bytes().splitlines()
        return sum(b'"loaded"' in line or b'"job-done"' in line for line in lines)
    return 0


def _alive(project: Project, parent: subprocess.Popen[bytes]) -> bool:
    time.sleep(0.005)
    project.workers |= set(project.workers_of(parent))
    return parent.poll() is None


def _kill(project: Project, parent: subprocess.Popen[bytes], target: str, chance: random.Random) -> bool:
    """Kill one of the processes or both; False when there was no worker, and the parent was killed instead."""
    workers = project.workers_of(parent)
    project.workers |= set(workers)
    if target != "parent":
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV)))
    if target != "worker" or not workers:
        parent.send_signal(signal.SIGKILL)
    return bool(workers) or target == "parent"


def _check_no_orphans(project: Project) -> None:
    """A worker ends by itself when its parent is gone."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while living := [pid for pid in project.workers if _runs(pid)]:
        assert time.monotonic() < deadline, f"workers {living} outlived their parent"
        time.sleep(0.02)
    project.workers.clear()


def _runs(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        command = process.cmdline()
        return process.status() != psutil.STATUS_ZOMBIE and ("renderer.run.worker" in command or str(WARM) in command)
    return False


def check_promises(project: Project) -> None:
    """What was reported done is on disk and whole; no committed job ran twice."""
    store = Store(project.outputs, kinds=stored_kinds())
    lines = [entry.line for entry in store.journal.lines()]
    for line in lines:
        if isinstance(line, TakeDoneLine):
            record = store.take(line.take, str(line.key))
            assert record is not None, f"{line.take} was reported done and isn't there"
            assert store.find(record) == project.outputs / record.file
    jobs = Counter((line.stage, line.key) for line in lines if isinstance(line, JobDoneLine))
    assert [job for job, times in jobs.items() if times > 1] == []


def check_batch(project: Project, reference: Mapping[str, str]) -> None:
    """As if nothing had happened."""
    assert sounds(project) == reference
    assert [checked for checked in verify(Store(project.outputs, kinds=stored_kinds())) if checked.fault] == []
    assert list(project.outputs.glob("*/old/*")) == []
    assert list(project.outputs.rglob(".tmp-*")) == []
    assert {path.stem for path in project.outputs.glob("*/*.toml")} == {name.rpartition(".")[0] for name in reference}


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".opus":
        content = soundfile.read(path, dtype="float32")[0].tobytes()
    return hashlib.sha256(content).hexdigest()


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text("utf-8")
    return ""
