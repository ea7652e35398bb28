"""Two takes side by side, and a take beside what it was before; no model runs."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from renderer.artifacts import Waveform
from renderer.cli.main import run
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out, made

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.plan.jobs import Job

SPEC = """
title = "Night bus"
caption = "warm pop"
lyrics = '''
[verse 1]
la la la
[chorus]
oh oh
'''
seeds = [1, 2]
[metas]
duration = 10
[variants.plain]
thinking = false
seeds = [1]
"""


@pytest.fixture(autouse=True)
def songs(tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> Songs:
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("night-bus", SPEC)
    carry_out(songs.project(), tone)
    monkeypatch.chdir(songs.folder)
    return songs


def tone(job: Job) -> Artifact:
    """Four seconds that are twice as loud from the second on."""
    if job.spec.artifact is not Waveform:
        return made(job)
    seconds = np.arange(4 * 48_000, dtype=np.float32) / 48_000
    loud = np.where(seconds < 2, 0.2, 0.8).astype(np.float32)
    return Waveform(samples=np.stack([np.sin(2 * np.pi * 440 * seconds) * loud] * 2).astype(np.float32))


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert run(["diff", *arguments, "--no-measure", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_seeds_differ_in_codes_and_the_rest_is_alike(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "night-bus.s1", "night-bus.s2")
    differing = {row["name"]: (row["a"], row["b"]) for row in found["values"] if row["differs"]}
    assert differing["seeds"] == ("1", "2")
    assert set(differing) == {"seeds"}
    assert found["texts"] == []
    whole, verse, chorus = found["codes"]
    assert [one["label"] for one in (whole, verse, chorus)] == ["all", "verse 1", "chorus"]
    assert (whole["num_codes"], verse["num_codes"]) == (50, 10)
    assert whole["num_differing"] >= 0.9 * whole["num_codes"]
    assert 0.3 < whole["distance"] < 0.5
    quiet, *_, loud = found["a"]["loudness"]
    assert loud - quiet == pytest.approx(12, abs=1.5)
    assert found["same_sound"] is True


@pytest.mark.slow
def test_that_both_are_measured_first_is_told_beside_what_programs_read(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["night-bus.s1", "night-bus.s2"]
    assert run(["diff", *names, "--json"]) == 0
    told = capsys.readouterr()
    assert told.err.startswith("measuring 2 sounds\n")
    assert json.loads(told.out)["remarks"] == []

    assert run(["diff", *names]) == 0
    assert capsys.readouterr().err == ""


def test_a_take_beside_itself_differs_in_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "night-bus.s1", "night-bus.s1")
    assert not any(row["differs"] for row in found["values"])
    assert found["codes"][0]["num_differing"] == 0
    assert found["codes"][0]["distance"] == 0


def test_one_name_is_compared_with_what_it_was_before(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    songs.edit("night-bus", "la la la", "la di da")
    songs.edit("night-bus", "duration = 10", "duration = 12")
    carry_out(songs.project())
    (old,) = (songs.outputs / "night-bus" / "old").glob("night-bus.s1.*.flac")
    for names in (
        ("night-bus.s1",),
        (old.stem, "night-bus.s1"),
        (str(old), "night-bus.s1"),
        (old.stem[:-4], "night-bus.s1"),
    ):
        found = document(capsys, *names)
        assert found["a"]["audio"] == str(old)
        assert found["b"]["audio"].endswith("/night-bus/night-bus.s1.flac")
        differing = {row["name"]: (row["a"], row["b"]) for row in found["values"] if row["differs"]}
        assert differing["duration"] == ("10", "12")
        assert found["codes"][0]["num_codes"] == 60
        assert found["codes"][0]["num_differing"] >= 10
        (lyrics,) = found["texts"]
        assert [line["kind"] for line in lyrics["lines"]].count("changed") == 1


def test_what_can_not_be_compared_says_why(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    (songs.folder / "elsewhere").mkdir()
    (songs.folder / "elsewhere" / "mine.json").write_text("{}")  # no record, and nobody's to be set aside
    found = document(capsys, "night-bus.s1", "night-bus.plain.s1")
    assert found["codes"] == []
    assert found["remarks"] == ["no codes to compare of night-bus.plain.s1: made without, or freed by store gc"]
    for names, words in {
        ("night-bus.s3", "night-bus.s1"): "there is no rendered take `night-bus.s3`",
        ("night-bus.s1",): "`night-bus.s1` has no former version",
        ("../../../elsewhere", "night-bus.s1"): "there is no rendered take `../../../elsewhere`",
        (): "there is nothing to compare",
        ("night-bus.s1", "night-bus.s2", "night-bus.plain.s1"): "3 takes can't be compared",
        ("night-bus.s1", "night-bus.s2", "--song", "x"): "--song goes with --rev",
    }.items():
        assert run(["diff", *names, "--no-measure"]) == 2
        assert words in capsys.readouterr().err
    assert json.loads((songs.folder / "elsewhere" / "mine.json").read_text()) == {}
    (songs.outputs / "night-bus" / "night-bus.s2.flac").unlink()
    assert run(["diff", "night-bus.s1", "night-bus.s2"]) == 2
    assert "the sound of `night-bus.s2` is gone" in capsys.readouterr().err


def test_the_page_plays_both_and_names_no_place_on_this_machine(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert (
        run(["diff", "night-bus.s1", "night-bus.s2", "--no-measure", "--page", "--to", str(tmp_path / "for anna")]) == 0
    )

    page = (tmp_path / "for anna" / "diff.html").read_text()
    assert re.findall(r'<audio[^>]*src="([^"]+)"', page) == [
        f"../project/outputs/night-bus/night-bus.s{seed}.flac" for seed in (1, 2)
    ]
    assert page.count("<polyline") == 2
    assert str(tmp_path) not in page
    assert "http" not in page.replace("http-equiv", "")
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "for anna" / "diff.html")


def test_a_take_that_was_damaged_is_told_of_and_not_compared(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    take = songs.outputs / "night-bus" / "night-bus.s2.flac"
    state = take.stat()
    take.write_bytes(bytes(state.st_size))
    os.utime(take, ns=(state.st_atime_ns, state.st_mtime_ns))

    assert run(["diff", "night-bus.s1", "night-bus.s2"]) == 2

    told = capsys.readouterr().err
    assert "`night-bus.s2.flac` isn't what was rendered" in told
    assert "renderer render --verify night-bus.s2" in told
    assert not (songs.outputs / "report").exists()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("diff", "night-bus.s1", "night-bus.s2", "--no-measure", "--page"), "diff.html"),
        (("report", "--no-measure"), "index.html"),
    ],
)
def test_a_page_is_written_over_its_own_kind_alone(
    arguments: tuple[str, ...], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "sent" / name
    asked = [*arguments, "--to", str(page.parent)]
    for _ in range(2):
        assert run(asked) == 0
    page.write_text("<!doctype html><title>mine</title>", "utf-8")

    assert run(asked) == 2

    assert f"{name}` would be written over" in capsys.readouterr().err.replace("\n  ", "")
    assert page.read_text("utf-8") == "<!doctype html><title>mine</title>"
    page.unlink()
    page.symlink_to(tmp_path / "away")
    assert run(asked) == 2
    assert page.is_symlink()


def test_printed_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", "night-bus.s1", "night-bus.s2", "--no-measure"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^A  night-bus\.s1 \([0-9a-f]{8}\)  .*night-bus\.s1\.flac$", out, re.MULTILINE)
    assert re.search(r"^ ?asked +seeds +1 +2 *$", out, re.MULTILINE)
    assert re.search(r"^ ?verse 1 +0:00 +\d+ of \d+ +0\.\d\d *$", out, re.MULTILINE)
    assert re.search(r"^A  \S{4}  -\d+ to -\d+$", out, re.MULTILINE)
