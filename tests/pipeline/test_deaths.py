"""Workers that are killed, crash or hang; folders and disks that go away: a take at most, and a clear word."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from renderer.errors import StoreError, WorkerDied
from renderer.models.family import stored_kinds
from renderer.models.model_files import Residency
from renderer.pipeline.project import is_free, one_at_a_time
from renderer.pipeline.render import render
from renderer.pipeline.stop import Stop, StopCause
from renderer.run.events import JobDone, JobProgress, WorkerRestarted
from renderer.run.executor import DEFAULT, EXECUTORS, ExecutorConfig
from renderer.store.store import Store
from renderer.takes.result_writer import ResultWriter
from tests.impatient import Impatient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.run.events import RunEvent
    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow

LONG = 60.0  # seconds; what is shorter the worker has done and sent before anyone can disturb it

SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = "[verse]\\nla la la"
[metas]
bpm = 90
[inference]
thinking = false
use_cot_metas = false
"""


@pytest.fixture
def three(make_songs: Callable[[str], Songs]) -> Callable[[str], Songs]:
    """Projects of the same three takes."""

    def make(name: str) -> Songs:
        songs = make_songs(name)
        for song in ("eins", "zwei", "drei"):
            songs.write(song, SPEC)
        return songs

    return make


def signalled(songs: Songs, number: int) -> None:
    os.kill(songs.executor.pids[0], number)


def begun(event: RunEvent) -> TypeGuard[JobProgress]:
    """Whether a decode is under way, of which more than one tile takes longer than the news of the first."""
    return isinstance(event, JobProgress) and event.job.stage == "waveform" and event.done < event.total


def test_a_job_that_ends_its_worker_twice_costs_its_take_only(three: Callable[[str], Songs]) -> None:
    undisturbed, disturbed = three("undisturbed"), three("disturbed")
    undisturbed.render(preview=LONG)
    crashes, alive = [signal.SIGSEGV, signal.SIGKILL], {True}

    def disturb(event: RunEvent) -> None:
        disturbed.events.append(event)
        if isinstance(event, WorkerRestarted):
            alive.add(True)
        if begun(event) and event.job.takes == ("zwei.s0.preview60",) and crashes and alive:
            # What the dead one had sent before is told all the same.
            alive.clear()
            signalled(disturbed, crashes.pop())

    summary = render(disturbed.project(preview=LONG), listen=disturb, executor=disturbed.executor)

    assert [failure.take for failure in summary.failures] == ["zwei.s0.preview60"]
    assert "SIGSEGV" in summary.failures[0].error.message
    assert sorted(summary.rendered) == ["drei.s0.preview60", "eins.s0.preview60"]
    assert sum(isinstance(event, WorkerRestarted) for event in disturbed.events) == 2
    again = disturbed.render(preview=LONG)
    assert again.rendered == ("zwei.s0.preview60",)
    assert disturbed.audio() == undisturbed.audio()


def test_a_worker_that_hangs_is_ended_and_its_job_runs_again(three: Callable[[str], Songs], tmp_path: Path) -> None:
    songs = three("hanging")
    project = songs.project(preview=LONG)
    project.store.prepare()
    plan = project.plan()
    writer = ResultWriter(plan, project.store, project.settings, project.environment)
    hangs: list[signal.Signals] = [signal.SIGSTOP]
    events: list[RunEvent] = []
    watchdog = Impatient(hangs=lambda: not hangs and not any(isinstance(event, WorkerRestarted) for event in events))
    config = ExecutorConfig(
        settings=(project.settings,), log=tmp_path / "worker.log", residency=Residency.ALONE, watchdog=watchdog
    )
    songs.executor = EXECUTORS[DEFAULT].make(config)
    with one_at_a_time(project.store), ExitStack() as ending:
        ending.callback(songs.executor.end)
        for event in songs.executor.run(plan, sink=writer, is_wanted=lambda _: True):
            events.append(event)
            if begun(event) and hangs:
                signalled(songs, hangs.pop())

    (restarted,) = [event for event in events if isinstance(event, WorkerRestarted)]
    assert isinstance(restarted.error, WorkerDied)
    assert "said nothing" in restarted.error.message
    assert len(songs.audio()) == 3


CODES_ONLY = """
caption = "{name}"
lyrics = "[verse]\\nla la la"
[metas]
bpm = 90
keyscale = "A minor"
timesignature = "4"
duration = 10
[inference]
use_cot_metas = false
use_cot_caption = false
use_cot_language = false
"""


def test_nan_in_the_lm_costs_its_take_only_and_the_remedy_is_named(
    make_songs: Callable[[str], Songs], tiny_set: Path, tmp_path: Path
) -> None:
    songs = make_songs("nan")
    model = shutil.copytree(tiny_set, tmp_path / "model")
    for name in ("piano", "quiz", "strings"):
        songs.write(name, CODES_ONLY)
    (songs.folder / "renderer.toml").write_text(f'model = "{model}"\n', "utf-8")
    tokenizer = Tokenizer.from_file(str(model / "lm" / "tokenizer.json"))
    spelled, *others = (set(tokenizer.encode(f"# Caption\n{name}\n").ids) for name in ("quiz", "piano", "strings"))
    weights = load_file(model / "lm" / "model.safetensors")
    (embedding,) = [name for name in weights if name.endswith("embed_tokens.weight")]
    weights[embedding][max(spelled.difference(*others))] = np.nan
    save_file(weights, model / "lm" / "model.safetensors", metadata={"format": "pt"})

    summary = songs.render(preview=1.0)

    (failure,) = summary.failures
    assert (failure.take, failure.stage) == ("quiz.s0.preview1", "codes")
    assert failure.error.message == "the LM's logits hold NaN or inf"
    assert "--dtype bfloat16 or float32" in failure.error.help
    assert sorted(summary.rendered) == ["piano.s0.preview1", "strings.s0.preview1"]


def test_an_outputs_folder_deleted_mid_run_ends_it_with_a_clear_word(three: Callable[[str], Songs]) -> None:
    songs = three("deleted")

    def delete(event: RunEvent) -> None:
        if isinstance(event, JobDone):
            shutil.rmtree(songs.outputs)

    summary = render(songs.project(preview=1.0), listen=delete, executor=songs.executor)

    assert summary.fault is not None
    assert "was deleted or moved" in summary.fault.message
    assert summary.fault.help
    assert summary.rendered == ()
    again = songs.render(preview=1.0)
    assert (len(again.rendered), again.fault) == (3, None)


def test_a_stopped_run_goes_on_where_it_stopped(three: Callable[[str], Songs]) -> None:
    undisturbed, stopped = three("undisturbed"), three("stopped")
    undisturbed.render(preview=1.0)
    stop = Stop()
    done: list[str] = []

    def ask(event: RunEvent) -> None:
        if isinstance(event, JobDone):
            done.append(event.job.key)
            stop.now()

    first = render(stopped.project(preview=1.0), listen=ask, stop=stop, executor=stopped.executor)
    second = stopped.render(preview=1.0)

    assert (first.stopped, first.rendered) == (StopCause.SIGNAL, ())
    assert len(second.rendered) == 3
    done += [event.job.key for event in stopped.events if isinstance(event, JobDone)]
    assert len(done) == len(set(done)) == 6
    assert stopped.audio() == undisturbed.audio()


def test_two_renders_at_once_are_refused(three: Callable[[str], Songs]) -> None:
    songs = three("twice")
    project = songs.project()
    project.store.prepare()

    with one_at_a_time(project.store), pytest.raises(StoreError, match="another render"):
        songs.render()


def test_the_journal_can_be_deleted(three: Callable[[str], Songs]) -> None:
    songs = three("forgetful")
    songs.render(preview=1.0)
    (songs.outputs / ".store" / "journal.jsonl").unlink()

    again = songs.render(preview=1.0)

    assert len(again.kept) == 3


FULL = """
import sys
from pathlib import Path
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.run.events import TakeDone

options = Options(device="cpu", threads=1)
project = Project(select(["specs"], options).takes, options)
filler = project.store.outputs / "filler"

def fill(event):
    if isinstance(event, TakeDone) and not filler.exists():
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(100_000))
            except OSError:
                pass

full = render(project, listen=fill)
assert full.fault and full.fault.help, full
print("refused:", full.fault.message, "|", full.fault.why)
assert len(full.rendered) == 1 and not full.failures, full
filler.unlink()
free = render(project, listen=fill and (lambda event: None))
assert (len(free.rendered), len(free.kept), free.fault) == (2, 1, None), free
"""


def test_a_drive_that_runs_full_stops_the_run_and_space_lets_it_go_on(three: Callable[[str], Songs]) -> None:
    songs = three("full")
    defaults = songs.folder / "renderer.toml"
    defaults.write_text(defaults.read_text("utf-8") + '[output]\nformat = "wav"\n[metas]\nduration = 10\n', "utf-8")
    songs.outputs.mkdir()
    mounted = f"mount -t tmpfs -o size=60m tmpfs {songs.outputs}"
    if not small_drives_can_be_made(songs.outputs):
        pytest.skip("this system lets no one mount a drive of their own")

    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{mounted} && exec {sys.executable} -c '{FULL}'"],
        cwd=songs.folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )

    assert done.returncode == 0, done.stderr
    assert "refused: " in done.stdout


def small_drives_can_be_made(folder: Path) -> bool:
    try:
        tried = subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.mark.parametrize("damage", [lambda content: content[:-40], lambda content: content[:-1] + b"x"])
def test_a_damaged_artifact_is_set_aside_and_made_again_in_the_same_run(
    three: Callable[[str], Songs], damage: Callable[[bytes], bytes]
) -> None:
    songs = three("damaged")
    songs.render(preview=1.0)
    before = songs.audio()
    for path in songs.outputs.glob("*/*.flac"):
        path.unlink()
    artifact = next(songs.outputs.glob(".store/latents/*/*.safetensors"))
    artifact.write_bytes(damage(artifact.read_bytes()))

    summary = songs.render(preview=1.0)

    assert (len(summary.rendered), summary.failures) == (3, ())
    assert songs.audio() == before
    made_again = [
        event.job.key for event in songs.events if isinstance(event, JobDone) and event.job.stage == "latents"
    ]
    assert made_again == [artifact.stem]
    assert [line.fields["key"] for line in songs.project().store.journal.lines("set-aside")] == [artifact.stem]


def test_a_folder_is_free_unless_another_render_holds_it(three: Callable[[str], Songs], tmp_path: Path) -> None:
    store = three("free").project().store
    store.prepare()
    assert is_free(store)
    with one_at_a_time(store):
        assert not is_free(store)
    assert is_free(store)
    assert is_free(Store(tmp_path / "deleted", kinds=stored_kinds())), "whoever renders there is told what is amiss"
