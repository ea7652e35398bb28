"""A library of many finished takes: what each command costs that looks it over, and the page's first paint.

    python -m tests.bench.big_library [FOLDER] [--takes 1000,8000,20000] [--chromium PATH]

Nothing is rendered: songs of ten seeds, with the records, sidecars, journal and page of a finished run, written by the
store's own code. Of each command, start-up included: seconds by the clock, of the processor, and the most memory; ends
with a line of JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from renderer.artifacts import CotMetas, TimedLine, TimedWord, Timestamps
from renderer.models.family import family, stored_kinds
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from renderer.provenance import CodesNotes, CotNotes, DitNotes, VaeNotes
from renderer.store.recipe import Recipe
from renderer.store.store import Store
from renderer.store.takes import PageFacts, TakeRecord
from renderer.takes.peaks import encode_peaks
from renderer.takes.sung_facts import sung_facts_text
from renderer.takes.versions import put_version
from tests.pipeline.thousand import NUM_SEEDS, HastyDisk, write_specs
from tests.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.plan.jobs import TakePlan

SETTINGS = ("--model", "mini", "--device", "cpu", "--threads", "1")
PEAK_BINS = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one command, once."""

    seconds: float
    processor_seconds: float
    """Of the command and what it started: on a machine that others use, they say more than the clock does."""
    megabytes: float
    """The most that was resident."""


def cost(folder: Path, *arguments: str) -> Cost:
    """What a command takes; a limit of 20 minutes."""
    began = time.perf_counter()
    with (folder / "log").open("wb") as log:
        command = ["timeout", "1200", sys.executable, "-m", "renderer", *arguments]
        child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        _, code, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(code):
        print(f"{arguments} ended with {os.waitstatus_to_exitcode(code)}", file=sys.stderr)
        print((folder / "log").read_text("utf-8")[-2000:], file=sys.stderr)
        seconds = float("nan")
    per_megabyte = 1e6 if sys.platform == "darwin" else 1e3
    processor = used.ru_utime + used.ru_stime
    return Cost(seconds=seconds, processor_seconds=processor, megabytes=used.ru_maxrss / per_megabyte)


def finish(project: Project, plans: tuple[TakePlan, ...]) -> None:
    """Leave on disk what a render of these takes leaves: audio, sidecars, records, and the journal of the run."""
    store = Store(project.store.outputs, HastyDisk(), kinds=stored_kinds())
    store.prepare()
    journal = store.journal
    journal.append("run-started", {"takes": len(plans), "jobs": len(STAGES) * len(plans)})
    journal.append("loaded", {"component": "lm", "seconds": 0.1, "num_bytes": 1_000})
    for stage in STAGES:
        for plan in plans:
            fields = {
                "stage": str(stage),
                "part": family("ace_step").stages[stage].part,
                "key": plan.keys[stage],
                "takes": [plan.name],
            }
            journal.append("job-done", {**fields, "seconds": 0.01})
            if stage == "waveform":
                _put(project, store, plan)
                journal.append("take-done", {"take": plan.name, "key": plan.key, "file": plan.file})
    ended = {"rendered": len(plans), "failed": 0, "kept": 0, "stopped": False, "seconds": 60.0, "loads": {"lm": 1}}
    journal.append("run-ended", {**ended, "loads_song_by_song": {"lm": len(plans)}, "components": {"lm": ["lm"]}})


def _put(project: Project, store: Store, plan: TakePlan) -> None:
    audio = b"fLaC" + plan.key.encode()
    drawn = np.random.default_rng(int(plan.key[:12], 16))
    peaks = np.sort(drawn.integers(-127, 128, (PEAK_BINS, 2), dtype=np.int8), axis=1)
    temp = store.outputs / plan.take.song.name / f"{plan.name}.being-written"
    temp.parent.mkdir(parents=True, exist_ok=True)
    temp.write_bytes(audio)
    prompt = f"# Instruction\nfill in\n# Caption\n{plan.take.song.caption}\n# Lyric\n{plan.take.song.lyrics}\n"
    notes = {
        "cot": CotNotes(seconds=1.0, text=prompt, prompt=prompt, negative_prompt=prompt),
        "codes": CodesNotes(seconds=2.0, num_codes=150, prompt=prompt + plan.key),
        "latents": DitNotes(seconds=1.0, num_frames=750, text_prompt=prompt, lyric_prompt=prompt),
        "waveform": VaeNotes(seconds=1.0),
    }
    sidecar = f'recipe = 1\n[made]\ntake = "{plan.name}"\n'.encode()
    record = TakeRecord(
        key=plan.key,
        take=plan.name,
        song=plan.take.song.name,
        file=plan.file,
        num_bytes=len(audio),
        mtime_ns=temp.stat().st_mtime_ns,
        digest=hashlib.sha256(audio).hexdigest(),
        sidecar_digest=hashlib.sha256(sidecar).hexdigest(),
        requests=plan.requests,
        keys={str(stage): key for stage, key in plan.keys.items()},
        environment=project.environment,
        recipe=Recipe(decided=CotMetas(bpm=90, caption="calm piano and strings", keyscale="A minor", language="en")),
        page=PageFacts(peaks=encode_peaks(peaks), seconds=30.0, notes=notes, sung=_sung(drawn)),
    )
    put_version(store, record, temp, sidecar)


def _sung(drawn: np.random.Generator) -> str:
    """When the words of a song of three minutes are sung, no two takes alike."""
    lines = []
    for row in range(40):
        starts = 4.4 * row + np.cumsum(0.04 * drawn.integers(5, 15, 6))
        words = tuple(TimedWord(text=f"word{n}", start=float(at), end=float(at) + 0.2) for n, at in enumerate(starts))
        lines.append(
            TimedLine(text="words", start=words[0].start, end=words[-1].end, row=row, words=words, coverage=1.0)
        )
    return sung_facts_text(Timestamps(seconds=180.0, lines=tuple(lines), lm_score=0.5, dit_score=0.5))


def first_paint(page: Path, chromium: str) -> dict[str, float]:
    """Seconds until Chromium shows something of the page from disk, and until all of it is usable."""
    from playwright.sync_api import sync_playwright

    ask = "performance.getEntriesByType('paint').map((entry) => [entry.name, entry.startTime])"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(600_000)
        opened.goto(page.as_uri(), timeout=600_000)
        paints = dict(opened.evaluate(ask))
        whole = opened.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        browser.close()
    return {"first paint": paints.get("first-contentful-paint", float("nan")) / 1000, "page loaded": whole / 1000}


def costs(folder: Path, num_takes: int, chromium: str | None) -> Iterator[tuple[str, Cost | float]]:
    """Every command over a library of so many takes."""
    specs = folder / "specs"
    specs.mkdir(parents=True)
    write_specs(specs, num_takes // NUM_SEEDS)
    cost(folder, "plan", "--json", *SETTINGS, "specs/song000.toml")  # hashes the weights, which is remembered
    yield "check", cost(folder, "check", "specs")
    yield "plan, nothing rendered", cost(folder, "plan", "--json", *SETTINGS)
    options = Options(model="mini", device="cpu", threads=1)
    project = Project(select([str(specs)], options).takes, options)
    finish(project, project.plan().takes)
    yield "plan, finished", cost(folder, "plan", "--json", *SETTINGS)
    yield "status", cost(folder, "status", *SETTINGS)
    yield "page, first time", cost(folder, "report", *SETTINGS, "--no-measure")
    yield "render, writes page", cost(folder, "render", *SETTINGS, "--no-measure")
    yield "finished render", cost(folder, "render", *SETTINGS, "--no-measure")
    spec = specs / "song000.toml"
    spec.write_text(spec.read_text("utf-8").replace("seeds = [1, ", "seeds = [99, 1, "), "utf-8")
    project = Project(select([str(specs)], options).takes, options)
    finish(project, tuple(take for take in project.plan().takes if take.take.seed == 99))
    yield "page, after one take", cost(folder, "report", *SETTINGS, "--no-measure")
    page = folder / "outputs" / "report" / "index.html"
    yield "page in MB", page.stat().st_size / 1e6
    if chromium:
        yield from first_paint(page, chromium).items()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--takes", default="1000,8000,20000")
    parser.add_argument("--chromium", default="")
    given = parser.parse_args()
    table: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        for num_takes in map(int, given.takes.split(",")):
            for label, found in costs(Path(name) / str(num_takes), num_takes, given.chromium):
                if isinstance(found, Cost):
                    kept = [found.seconds, found.processor_seconds, found.megabytes]
                    told = "{:7.1f} s {:7.1f} s {:6.0f} MB".format(*kept)
                else:
                    told, kept = f"{found:7.1f}", [found]
                print(f"{num_takes:6} {label:<24} {told}", flush=True)
                table.setdefault(label, {})[str(num_takes)] = [round(value, 2) for value in kept]
    print(json.dumps({**table, "machine": f"{platform.machine()}, {os.cpu_count()} cores"}))


if __name__ == "__main__":
    main()
