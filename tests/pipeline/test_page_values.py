"""What the page tells of takes as they lie on disk: their words and times, edits and sources, previews, refusals."""

from __future__ import annotations

import dataclasses
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from renderer.artifacts import TimedLine, TimedWord, Timestamps
from renderer.pipeline.pick import ranking
from renderer.pipeline.project import Project
from renderer.pipeline.refused_specs import refused_specs
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.report import Outcome
from renderer.report.build import make_report, write_page
from renderer.report.page import render_page
from renderer.report.sung import advice, windows_to_mend
from renderer.takes.measure import measure_files, measurement_names
from renderer.takes.measure.process import VERSION
from renderer.takes.measure.values import Measured
from renderer.takes.measurements import measured_folder, unmeasured
from renderer.takes.sung_facts import read_sung_facts, sung_facts_text
from tests.pipeline.conftest import Songs
from tests.pipeline.test_timestamps import SPEC as SUNG
from tests.pipeline.test_timestamps import hearing_set
from tests.pipeline.without_models import carry_out, made

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.plan.jobs import Job
    from renderer.report import ReportTake
    from renderer.run.executor import Executor
    from renderer.takes.sung_facts import SungFacts

EDITED = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = "[verse]\\nla la la"
seeds = [1, 2]
[metas]
bpm = 90
duration = 10
[inference]
thinking = false
inference_steps = 2
[edits.fix]
task = "repaint"
src_audio = "s1"
at = [[-1.0, 2.0], [6.0, 8.0]]
seeds = [11]
[edits.cov]
task = "cover"
src_audio = "fix.s11"
seeds = [12]
"""


def on_page(songs: Songs, **options: object) -> dict[str, ReportTake]:
    return {take.name: take for take in make_report(songs.project(**options)).takes}


def line(text: str, start: float, end: float, *, row: int = 0, coverage: float | None = 1.0) -> TimedLine:
    words = tuple(TimedWord(text=word, start=start, end=end) for word in text.split())
    return TimedLine(text=text, start=start, end=end, row=row, words=words, coverage=coverage)


def timestamps(*lines: TimedLine, seconds: float = 60.0) -> Timestamps:
    return Timestamps(seconds=seconds, lines=lines, lm_score=0.5, dit_score=0.5)


def facts_of(told: Timestamps) -> SungFacts:
    facts = read_sung_facts(sung_facts_text(told))
    assert facts
    return facts


def sung(job: Job) -> Artifact:
    """As `made`, with both lines of the lyrics and their tags."""
    if job.spec.artifact is not Timestamps:
        return made(job)
    tags = line("[verse]", 0.1, 0.1, row=0, coverage=None), line("[chorus]", 0.5, 0.5, row=2, coverage=None)
    lines = tags[0], line("la la la", 0.1, 0.4, row=1), tags[1], line("oh oh", 0.5, 0.9, row=3, coverage=0.0)
    return timestamps(*lines, seconds=1.0)


def test_words_marks_and_score_come_to_the_page_when_they_are_made(
    tmp_path: Path, tiny_set: Path, executor: Executor
) -> None:
    songs = Songs(tmp_path / "project", hearing_set(tiny_set, tmp_path / "set"), executor)
    songs.write("eins", SUNG)
    songs.edit("eins", "seeds = [1, 2]", "seeds = [1]")
    plain = "[output]\ntimestamps = false\n"
    songs.edit("eins", "[metas]", f"{plain}[metas]")
    carry_out(songs.project())
    before = on_page(songs)["eins.s1"]
    assert (before.words, before.lyrics_score, before.marks_estimated) == ("", None, True)
    assert write_page(songs.project()).exists()

    songs.edit("eins", plain, "")
    carry_out(songs.project(timestamps=True), sung)
    project = songs.project()
    take = on_page(songs)["eins.s1"]
    assert (take.words, take.times) == ('[[1,"la","la","la"],[3,"oh","oh"]]', "[10,30,0,30,0,30,40,40,0,40]")
    assert (take.lyrics_score, take.marks_estimated) == (0.5, False)
    assert [(mark.label, mark.start_seconds) for mark in take.marks] == [("verse", 0.1), ("chorus", 0.5)]
    assert [one.text for one in take.skipped] == ["oh oh"]
    assert write_page(project).read_text("utf-8") == render_page(make_report(project)), "its piece is made anew"

    shutil.rmtree(songs.outputs / ".store" / "timestamps")
    assert on_page(songs)["eins.s1"] == take, "its record tells of them"


@pytest.mark.slow
def test_an_edit_tells_its_chain_its_windows_and_by_numbers_that_only_they_differ(songs: Songs) -> None:
    songs.write("eins", EDITED)
    songs.render()
    project = songs.project()
    pairs = [one for one in unmeasured(project) if "-" in one.name]
    assert [pair.edit.path.name for pair in pairs] == ["eins.fix.s11.flac"]  # type: ignore[union-attr]
    assert on_page(songs)["eins.fix.s11"].made_from.difference is None  # type: ignore[union-attr]
    before = write_page(project).read_text("utf-8")
    assert not [one.problem for one in measure_files(pairs, measured_folder(songs.outputs)) if one.problem]

    takes = on_page(songs)
    fixed, cover = takes["eins.fix.s11"].made_from, takes["eins.cov.s12"].made_from
    assert fixed
    assert cover
    assert (fixed.task, fixed.source, fixed.lead_seconds) == ("repaint", "eins.s1", 1.0)
    assert fixed.windows == ((0.0, 3.0), (7.0, 9.0))
    assert (cover.chain, cover.windows, cover.difference) == (("eins.fix.s11", "eins.s1"), (), None)
    found = fixed.difference
    assert found
    assert (found.num_outside_differing, found.outside_peak_db, found.lossless) == (0, None, True)
    assert found.num_inside_differing > 0.9 * found.num_inside > 0
    # From 3.1 to 6.9 s and from 9.1 to the end, 11 s, of two channels.
    assert found.num_outside == pytest.approx(2 * 48_000 * (3.8 + 1.9), abs=4 * 1_920)
    page = write_page(songs.project()).read_text("utf-8")
    assert page != before
    assert "Only that differs: 0 of " in page

    path = next(measured_folder(songs.outputs).glob("*-*.json"))
    kept = json.loads(path.read_text("utf-8"))
    kept["difference"] |= {"num_outside_differing": 7, "outside_peak_db": -40.0}
    path.write_text(json.dumps(kept), "utf-8")
    page = write_page(songs.project()).read_text("utf-8")
    assert "it differs from its source outside of its windows, too" in page
    assert "Outside of that 7 of" in page

    songs.edit("eins", "bpm = 90", "bpm = 100")
    stale = on_page(songs)["eins.fix.s11"]
    assert stale.outcome is Outcome.WAITING
    assert stale.made_from
    assert (stale.made_from.windows, stale.made_from.difference) == (fixed.windows, None)


def test_previews_stay_on_the_page_when_nobody_asks_for_them(songs: Songs) -> None:
    songs.write("eins")
    songs.write("zwei", EDITED)
    carry_out(songs.project(preview=5.0))
    takes = on_page(songs)
    assert list(takes) == [
        *("eins.s1", "eins.s1.preview5", "eins.s2", "eins.s2.preview5"),
        *("zwei.s1", "zwei.s1.preview5", "zwei.s2", "zwei.s2.preview5", "zwei.fix.s11", "zwei.cov.s12"),
    ]
    assert (takes["eins.s1"].outcome, takes["eins.s1.preview5"].outcome) == (Outcome.WAITING, Outcome.DONE)
    assert takes["eins.s1.preview5"].preview_seconds == 5.0
    page = write_page(songs.project()).read_text("utf-8")
    assert page.count('<span class="preview">preview, 5 s</span>') == 4
    assert page == render_page(make_report(songs.project()))

    songs.edit("eins", "bpm = 90", "bpm = 100")
    assert "eins.s1.preview5" not in on_page(songs), "nobody waits for it to be made again"
    (songs.outputs / "zwei" / "zwei.s1.preview5.flac").unlink()
    assert "zwei.s1.preview5" not in on_page(songs)
    assert "zwei.s2.preview5" in write_page(songs.project()).read_text("utf-8")


def test_rendering_edits_alone_leaves_all_others_on_the_page(songs: Songs) -> None:
    songs.write("eins", EDITED)
    songs.write("zwei")
    carry_out(songs.project())
    takes = on_page(songs, only_edits=True)
    assert list(takes) == ["eins.s1", "eins.s2", "eins.fix.s11", "eins.cov.s12", "zwei.s1", "zwei.s2"]
    assert {take.outcome for take in takes.values()} == {Outcome.DONE}


def test_a_variants_own_words_are_told_of_its_takes(songs: Songs) -> None:
    songs.write("eins")
    songs.edit("eins", "[metas]", '[variants.loud]\ncaption = "choir"\nlyrics = "[chorus]\\nhey hey"\n[metas]')
    takes = on_page(songs)
    assert takes["eins.s1"].lyrics is None
    own = takes["eins.loud.s1"].lyrics
    assert own
    assert (own.text, own.sections[0].lines, takes["eins.loud.s1"].caption) == (
        "[chorus]\nhey hey",
        ("hey hey",),
        "choir",
    )


def test_what_the_last_run_refused_stands_on_the_page_with_its_place(songs: Songs) -> None:
    songs.write("eins")
    project = songs.project()
    bad = songs.write("zwei", 'title = "x"\ncaption = "y"\nlyrics = "[verse]\\nla"\nseeds = [1]\n[metas]\nbpm = 9000\n')
    options = dataclasses.replace(project.options, keep_going=True)
    refused = refused_specs(select([str(songs.folder / "specs")], options).diagnostics)
    project = Project(project.takes, options, refused=refused)
    render(project, listen=songs.events.append, executor=songs.executor)
    bad.unlink()
    page = write_page(songs.project()).read_text("utf-8")
    assert "1 spec refused" in page
    assert "zwei.toml:6:7</code>" in page
    assert str(songs.folder) not in page


def test_the_advice_spans_what_is_skipped_and_stays_within_the_sound() -> None:
    told = timestamps(
        line("[verse]", 10.0, 10.0, coverage=None),
        line("one", 10.0, 14.0),
        line("two", 14.0, 14.2, coverage=0.0),
        line("three", 14.2, 14.3, coverage=0.0),
        line("four", 22.04, 25.0),
        line("five", 25.0, 30.0),
        line("six", 58.0, 59.0, coverage=0.0),
    )
    assert list(windows_to_mend(facts_of(told))) == [(14.0, 22.1), (50.0, 59.0)]


@pytest.mark.parametrize(
    ("skipped", "command"),
    [((), ""), ((2,), "renderer fix eins.s1 --at 18..30"), ((0, 2), "renderer render eins --seeds 3..6")],
)
def test_a_line_is_mended_and_half_a_song_is_rendered_otherwise(
    songs: Songs, skipped: tuple[int, ...], command: str
) -> None:
    songs.write("eins")
    lines = [line(str(n), 10.0 * n, 10.0 * n + 8, coverage=0.0 if n in skipped else 1.0) for n in range(4)]
    told = timestamps(*lines, seconds=40.0)
    song = songs.project().takes[0].song
    assert advice(facts_of(told), "eins.s1", song) == command
    if skipped:
        assert advice(facts_of(told), None, song) == "renderer render eins --seeds 3..6", "no spec asks for it"


def test_takes_stand_in_the_order_of_pick(songs: Songs) -> None:
    songs.write("eins")
    carry_out(songs.project())
    assert {take.rank for take in on_page(songs).values()} == {None}, "nothing tells them apart"
    project = songs.project()
    records = {name: project.store.versions(name)[0] for name in ("eins.s1", "eins.s2")}
    for name, lufs in (("eins.s1", -14.0), ("eins.s2", -14.0)):
        measured = Measured(
            duration_seconds=10.0 if name == "eins.s2" else 4.0,
            bpm=None,
            keyscale=None,
            loudness_lufs=lufs,
            true_peak_db=None,
            head_silence_seconds=0.0,
            tail_silence_seconds=0.0,
            num_clipped=0,
        )
        keep_measurement(records[name].digest, measured, measured_folder(songs.outputs))
    takes = on_page(songs)
    assert [takes[name].rank for name in ("eins.s1", "eins.s2")] == [2, 1]
    assert takes["eins.s2"].speaks_for == ("length 0.0 s off",)
    assert takes["eins.s1"].ranked_by == ("length",)
    assert takes["eins.s1"].speaks_against == ("length 6.0 s off",)
    order = {
        take.name: take.rank for song in ranking((str(songs.folder / "specs"),), None).songs for take in song.takes
    }
    assert order == {name: take.rank for name, take in takes.items()}


def keep_measurement(digest: str, measured: Measured, folder: Path) -> None:
    """As the measuring process keeps it."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers, picture, _ = (folder / name for name in measurement_names(digest))
    numbers.write_text(json.dumps({"version": VERSION, "measured": dataclasses.asdict(measured)}), "utf-8")
    picture.write_bytes(b"")
