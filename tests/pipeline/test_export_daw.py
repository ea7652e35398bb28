"""What an audio workstation is given: sound named by its tempo, markers that lie on its beats and sections, stems."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import TimedLine, TimedWord, Timestamps, Waveform
from renderer.cli.main import run
from renderer.facts import SAMPLE_RATE
from renderer.formats.read import read_tags
from renderer.formats.table import FORMATS
from renderer.takes.encoding import sound_digest
from tests.pipeline.conftest import Songs
from tests.pipeline.test_timestamps import hearing_set
from tests.pipeline.without_models import carry_out, made

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.plan.jobs import Job

pytestmark = pytest.mark.slow

SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = '''
[verse 1]
la la la
[chorus]
oh oh
'''
seeds = [1]
[metas]
bpm = 90
duration = 10
[output]
timestamps = true
[edits.voice]
task = "extract"
track = "vocals"
src_audio = "s1"
seeds = [4]
[edits.rhythm]
task = "extract"
track = "drums"
src_audio = "s1"
seeds = [4, 5]
[edits.fixed]
task = "repaint"
src_audio = "s1"
seeds = [4]
at = [[2, 5]]
"""
BPM, SECONDS = 100, 10


def clicking(job: Job) -> Artifact:
    """Clicks at a steady tempo, and sections at known times."""
    if job.spec.artifact is Waveform:
        frames = np.arange(SECONDS * SAMPLE_RATE)
        since = frames % round(60 / BPM * SAMPLE_RATE) / SAMPLE_RATE
        tone = np.sin(2 * np.pi * 220 * since) * np.exp(-12 * since)
        drawn = np.random.default_rng(int(job.key[:12], 16)).normal(0, 1e-4, (2, len(frames)))
        return Waveform(samples=(0.6 * tone + drawn).astype(np.float32))
    if job.spec.artifact is Timestamps:
        word = TimedWord(text="la", start=0.5, end=1.0)
        sung = TimedLine(text="la la la", start=0.5, end=4.0, row=1, words=(word,), coverage=1.0)
        tags = [
            TimedLine(text=text, start=start, end=start, row=row, words=())
            for text, start, row in (("[verse 1]", 0.25, 0), ("[chorus]", 4.0, 2))
        ]
        lines = (tags[0], sung, tags[1], replace(sung, start=4.5, end=9.0, row=3))
        return Timestamps(seconds=float(SECONDS), lines=lines, lm_score=0.25, dit_score=0.5)
    return made(job)


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> Songs:
    model = hearing_set(tiny_set, tmp_path / "set")
    config = model / "transformer" / "config.json"
    told = {**json.loads(config.read_text("utf-8")), "is_turbo": False, "model_version": "base"}
    config.write_text(json.dumps(told), "utf-8")
    found = Songs(tmp_path / "project", model, None)  # type: ignore[arg-type]  # no worker runs
    monkeypatch.chdir(found.folder)
    found.write("eins", SPEC)
    carry_out(found.project(), clicking)
    # The take anew, and one of the stems of it: the other one was taken out of what it was.
    found.edit("eins", "calm piano", "wild piano")
    project = found.project()
    anew = [take for take in project.takes if take.variant.name in ("", "rhythm")]
    carry_out(project.only(anew), clicking)
    return found


def test_a_take_with_markers_on_its_beats_and_sections_and_its_stems(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", "eins.s1", "--daw", "--to", "daw"]) == 0

    told = capsys.readouterr().err
    assert "eins.voice.s4 left out: it was taken out of another version of eins.s1" in told
    assert "none measured" not in told
    assert "measuring 1 sound\n" in told
    folder = songs.folder / "daw"
    (sound,) = (path for path in folder.glob("*.flac") if re.fullmatch(r"eins\.s1\.[\d.]+bpm\.flac", path.name))
    base = sound.name.removesuffix(".flac")
    assert abs(float(base.removeprefix("eins.s1.").removesuffix("bpm")) - BPM) < 1
    assert sorted(path.name.removeprefix(base) for path in folder.iterdir()) == [
        *(".beats.txt", ".csv", ".drums.s4.flac", ".drums.s5.flac", ".flac", ".sections.txt"),
    ]
    for take, file in (("eins.s1", ".flac"), ("eins.rhythm.s5", ".drums.s5.flac")):
        own, sent = songs.outputs / "eins" / f"{take}.flac", folder / f"{base}{file}"
        assert sound_digest(own, FORMATS["flac"]) == sound_digest(sent, FORMATS["flac"])
        assert "renderer_recipe" not in read_tags(sent)
    with (folder / f"{base}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    regions = [(row["Name"], row["Start"], row["End"], row["Length"]) for row in rows if row["#"].startswith("R")]
    assert regions == [
        ("verse 1", "0:00.250", "0:04.000", "0:03.750"),
        ("chorus", "0:04.000", "0:10.000", "0:06.000"),
    ]
    beats = [float(row["Start"].removeprefix("0:")) for row in rows if row["#"].startswith("M")]
    assert len(beats) >= 12
    # The last one is taken for a beat where the sound ends.
    assert all(min(beat % 0.6, 0.6 - beat % 0.6) < 0.02 for beat in beats[:-1])
    labels = [line.split("\t") for line in (folder / f"{base}.beats.txt").read_text("utf-8").splitlines()]
    assert [float(start) for start, _, _ in labels] == pytest.approx(beats)
    assert (folder / f"{base}.sections.txt").read_text("utf-8").splitlines()[1] == "4.000000\t10.000000\tchorus"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(["export", "eins.s1", "--daw", "--to", "daw"]) == 0
    assert "measuring" not in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    sound.write_bytes(b"mine")
    assert run(["export", "eins.s1", "--daw", "--to", "daw"]) == 2
    assert sound.name in capsys.readouterr().err


def test_a_tempo_that_is_only_asked_is_told_so(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    songs.write("zwei", SPEC.partition("[edits")[0])
    carry_out(songs.project())  # too short for a tempo to be heard in it

    assert run(["export", "zwei.s1", "--daw", "--to", "daw"]) == 0

    assert (songs.folder / "daw" / "zwei.s1.90bpm.flac").exists()
    assert "zwei.s1: 90 bpm asked, none measured" in capsys.readouterr().err
