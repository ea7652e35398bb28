"""A project of edits whose worker, and then whose parent, are killed in stages that only edits have.

`python -m tests.kill.edit_stages FOLDER WARM [STAGE STAGE [SKIP]]` is one life: a render whose worker is killed at the
first sign of work in one stage, or as many signs later, and which is killed itself at the next one in another; without
them it goes on to the end.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.run.events import JobDone, JobProgress
from tests.pipeline.conftest import WITHOUT_LM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent

SPEC = """
caption = "calm piano"
lyrics = \"\"\"
[verse]
la la la
[chorus]
oh oh
\"\"\"
seeds = [1]
"""
SPEC += (
    WITHOUT_LM
    + """
[edits.fix]
task = "repaint"
src_audio = "s1"
at = ["chorus"]
seeds = [11]
[edits.again]
task = "repaint"
src_audio = "fix.s11"
at = [[1.0, 2.0], [3.0, 4.0]]
seeds = [12]
[edits.cov]
task = "cover"
src_audio = "again.s12"
reference_audio = "voice.wav"
seeds = [13]
[edits.demo]
task = "repaint"
src_audio = "demo.flac"
at = [[1.0, 2.0]]
seeds = [14]
"""
)
STAGES: Mapping[str, Callable[[Job], bool]] = {
    "source": lambda _: True,
    "reference": lambda _: True,
    "timestamps": lambda job: "one.fix.s11" in job.takes,
    "latents": lambda job: job.request.edit is not None,  # type: ignore[attr-defined]
    "audio_tokens": lambda _: True,
    "waveform": lambda job: job.request.splice is not None,  # type: ignore[attr-defined]
}
"""Stage -> whether a job of it is an edit's, in the order in which a render comes to them."""


def _none(_: Job) -> bool:
    return False


def write(folder: Path, model: Path) -> None:
    (folder / "specs").mkdir(parents=True)
    (folder / "renderer.toml").write_text(f'model = "{model}"\n', "utf-8")
    (folder / "specs" / "one.toml").write_text(SPEC, "utf-8")
    noise = np.random.default_rng(1).standard_normal((44_100 * 3, 2)) * 0.1
    soundfile.write(folder / "specs" / "voice.wav", noise, 44_100)
    soundfile.write(folder / "specs" / "demo.flac", noise[:, :1], 22_050)


def life(warm: Path, of_worker: str = "", of_parent: str = "", skip: str = "0") -> int:
    options = Options(device="cpu", threads=1, lm_slots=2)
    project = Project(select(["specs"], options).takes, options)
    executor, killed, signs = project.executor(), set[str](), 0

    def listen(event: RunEvent) -> None:
        nonlocal signs
        if not isinstance(event, JobProgress | JobDone) or not STAGES.get(event.job.stage, _none)(event.job):
            return
        if event.job.stage == of_worker and not killed:
            signs += 1
            if signs <= int(skip):
                return
            killed.add(of_worker)
            for child in executor.pids:
                os.kill(int((warm / str(child)).read_text()), signal.SIGKILL)
        elif event.job.stage == of_parent and killed:
            os.kill(os.getpid(), signal.SIGKILL)

    summary = render(project, listen=listen, executor=executor)
    executor.end()
    return 1 if summary.failures else 0


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    sys.executable = str(Path(sys.argv[2]) / "python")
    sys.exit(life(Path(sys.argv[2]), *sys.argv[3:]))
