"""Projects of real specs, rendered with the smallest real model set by one worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.models.model_files import Residency
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.run.executor import DEFAULT, EXECUTORS, ExecutorConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from renderer.pipeline.summary import Summary
    from renderer.run.events import RunEvent
    from renderer.run.executor import Executor

SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = \"\"\"
[verse]
la la la
\"\"\"
seeds = [1, 2]
[metas]
bpm = 90
duration = 10
"""
WITHOUT_LM = """
[metas]
bpm = 90
duration = 10
keyscale = "A minor"
timesignature = 4
vocal_language = "en"
[inference]
thinking = false
inference_steps = 2
"""
"""What a spec says for its takes to be two steps of the DiT, with nothing left for an LM to decide."""


class Songs:
    """A song project in a folder of its own."""

    def __init__(self, folder: Path, model: Path, executor: Executor) -> None:
        self.folder = folder
        self.executor = executor
        self.events: list[RunEvent] = []
        (folder / "specs").mkdir(parents=True)
        # A random LM's captions are as long as it may write them: most of a render, and no test's business here.
        (folder / "renderer.toml").write_text(f'model = "{model}"\n[inference]\nuse_cot_caption = false\n', "utf-8")

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def write(self, name: str, text: str | None = None) -> Path:
        path = self.folder / "specs" / f"{name}.toml"
        path.write_text((text or SPEC).replace("{name}", name), "utf-8")
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / "specs" / f"{name}.toml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def project(self, **options: object) -> Project:
        given = Options(device="cpu", threads=1, lm_slots=2, **options)  # type: ignore[arg-type]
        selection = select([str(self.folder / "specs")], given)
        assert not [found for found in selection.diagnostics if found.level == "error"]
        return Project(selection.takes, given)

    def render(self, **options: object) -> Summary:
        self.events.clear()
        return render(self.project(**options), listen=self.events.append, executor=self.executor)

    def audio(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.outputs.glob("*/*.flac"))}


@pytest.fixture(scope="session")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """One worker for all tests of this folder: its imports cost seconds."""
    settings = pick_settings(Options(device="cpu", threads=1, lm_slots=2))
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    config = ExecutorConfig(settings=(settings,), log=log, residency=Residency.ALONE)
    shared = EXECUTORS[DEFAULT].make(config)
    yield shared
    shared.end()


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path, executor: Executor) -> Songs:
    return Songs(tmp_path / "project", tiny_set, executor)


@pytest.fixture
def make_songs(tmp_path: Path, tiny_set: Path, executor: Executor) -> Callable[[str], Songs]:
    """Several projects side by side."""
    return lambda name: Songs(tmp_path / name, tiny_set, executor)
