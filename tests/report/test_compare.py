from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from renderer.report import ReportJob, ReportRun
from renderer.report.compare import changed_words, flags
from renderer.report.diff_values import TakeSound
from renderer.report.section_marks import estimated_marks
from renderer.report.take_sound import decided_values
from renderer.report.timeline import make_timeline
from renderer.report.view import song_view
from renderer.settings import Metas
from renderer.song import Section
from renderer.takes.agreement import same_key, same_tempo
from tests.report.songs import rendered, song

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("wanted", "heard", "same"),
    [(140, 70.3, True), (70, 139, True), (120, 124, True), (120, 126, False), (120, 80, False)],
)
def test_a_tempo_felt_at_half_or_double_time_is_the_same(wanted: float, heard: float, same: bool) -> None:
    assert same_tempo(wanted, heard) is same


@pytest.mark.parametrize(
    ("wanted", "heard", "same"),
    [
        ("Db major", "C# major", True),
        ("B# minor", "C minor", True),
        ("A minor", "C major", False),
        ("A♭ minor", "G# minor", True),
    ],
)
def test_a_key_is_the_same_under_either_of_its_names(wanted: str, heard: str, same: bool) -> None:
    assert same_key(wanted, heard) is same


def test_what_was_asked_counts_before_what_the_lm_decided(tmp_path: Path) -> None:
    take = rendered(tmp_path, "x", seed=1, seconds=1.0)  # 96.2 bpm heard, 96 decided
    assert "tempo" not in {flag.code for flag in flags(take, Metas())}
    (flag,) = [flag for flag in flags(take, Metas(bpm=150)) if flag.code == "tempo"]
    assert flag.text == "96 bpm heard, 150 wanted"


def test_a_preview_is_meant_to_be_short(tmp_path: Path) -> None:
    take = dataclasses.replace(rendered(tmp_path, "x", seed=1, seconds=1.0), preview_seconds=1.0)
    assert "length" not in {flag.code for flag in flags(take, Metas(duration=150))}
    whole = dataclasses.replace(take, preview_seconds=None)
    assert "length" in {flag.code for flag in flags(whole, Metas(duration=150))}


def test_words_the_lm_changed_are_told_apart() -> None:
    words = changed_words("a dark trap beat", "a bright trap beat with bells")
    assert [(word.kind, word.text.strip()) for word in words] == [
        ("same", "a"),
        ("dropped", "dark"),
        ("added", "bright"),
        ("same", "trap beat"),
        ("added", "with bells"),
    ]


@pytest.mark.parametrize(
    ("asked", "written"),
    [("warm soft drums", "warm soft"), ("warm", "warm and soft"), ("warm", "soft"), ("warm\n", "a")],
)
def test_a_blank_stands_wherever_words_of_two_kinds_meet(asked: str, written: str) -> None:
    words = changed_words(asked, written)
    assert len(words) > 1
    assert all(word.text[-1].isspace() for word in words[:-1])


def test_a_quiet_end_is_flagged_and_silence_tells_for_both(tmp_path: Path) -> None:
    take = rendered(tmp_path, "x", seed=1, seconds=1.0)
    assert take.measured
    quiet = dataclasses.replace(take, measured=dataclasses.replace(take.measured, tail_quiet_seconds=20.0))
    assert [flag.text for flag in flags(quiet, Metas()) if flag.code == "quiet"] == [
        "the last 20 s far quieter than the rest"
    ]
    assert "quiet" not in {flag.code for flag in flags(take, Metas())}


def test_a_key_by_its_other_name_and_an_undecided_language_are_no_flags(tmp_path: Path) -> None:
    take = rendered(tmp_path, "x", seed=1, seconds=1.0)
    assert take.measured
    assert take.decided
    take = dataclasses.replace(
        take,
        measured=dataclasses.replace(take.measured, keyscale="D# major"),
        decided=dataclasses.replace(take.decided, language="unknown"),
    )
    view = song_view(song("x", "X", (take,), metas=Metas(keyscale="Eb major", vocal_language="en")))
    rows = {row.name: row for row in view.metas}
    assert (rows["key"].measured, rows["key"].flagged) == ("Eb major", False)
    assert (rows["language"].decided, rows["language"].flagged) == ("", False)
    assert not {"key", "language"} & {flag.code for row in view.takes for flag in row.flags}
    one = TakeSound(take="x.s1", mark="1", audio=tmp_path / "x.flac", seconds=1.0, decided=take.decided)
    assert "language" not in decided_values(one), "`renderer diff` tells of it as the page does"


def test_a_parts_time_is_the_clocks_however_many_jobs_ran_beside_each_other() -> None:
    jobs = tuple(
        ReportJob(stage="codes", part="lm", takes=(f"x.s{seed}",), start_seconds=1.0, seconds=240.0)
        for seed in range(4)
    )
    (lane,) = make_timeline(ReportRun(started="now", seconds=250.0, jobs=jobs)).lanes
    assert (lane.num_jobs, lane.job_seconds) == (4, 240.0)


def test_sections_share_the_song_by_their_words() -> None:
    sections = (
        Section(tag="intro"),
        Section(tag="verse", number=1, lines=("a line of some twenty letters",) * 4),
        Section(tag="chorus", lines=("short",)),
    )
    marks = estimated_marks(sections, 100.0)
    assert [mark.label for mark in marks] == ["intro", "verse 1", "chorus"]
    starts = [mark.start_seconds for mark in marks]
    assert starts[0] == 0.0
    assert starts == sorted(starts)
    assert starts[2] - starts[1] > 100.0 - starts[2], "more words take longer"
    assert estimated_marks(sections[:1], 100.0) == ()


def test_where_several_workers_ran_each_has_a_lane_with_all_its_parts() -> None:
    jobs = tuple(
        ReportJob(stage=stage, part=part, takes=("a",), start_seconds=start, seconds=2.0, worker=worker)
        for worker in (0, 1)
        for start, stage, part in ((0.0, "codes", "lm"), (2.0, "latents", "dit"))
    )

    lanes = make_timeline(ReportRun(started="now", seconds=4.0, workers=("cuda:0", "cuda:1"), jobs=jobs)).lanes

    assert [lane.name for lane in lanes] == ["cuda:0", "cuda:1"]
    assert [[part for part, _ in lane.jobs] for lane in lanes] == [["lm", "dit"], ["lm", "dit"]]
    alike = make_timeline(ReportRun(started="now", seconds=4.0, workers=("cpu", "cpu"), jobs=jobs)).lanes
    assert [lane.name for lane in alike] == ["cpu 1", "cpu 2"]
