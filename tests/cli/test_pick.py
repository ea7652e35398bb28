"""`renderer pick` as it is typed: finished takes in order, votes on the best, weights from votes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from renderer.cli.main import run
from renderer.json_values import to_json
from renderer.spec.picks import Vote, read_picks
from renderer.takes.measure import WordErrors
from renderer.takes.measure.sung_words import VERSION, word_errors_name
from renderer.takes.measure.word_errors import LineErrors
from renderer.takes.measurements import measured_folder
from renderer.takes.pin import pin
from tests.pipeline.conftest import Songs
from tests.pipeline.test_timestamps import hearing_set
from tests.pipeline.without_models import carry_out
from tests.report.test_page import folded
from tests.takes.test_recogniser import write_recogniser

SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = \"\"\"
[verse]
la la la
\"\"\"
seeds = [1, 2, 10]
[metas]
bpm = 90
duration = 10
"""


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> Songs:
    made = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    made.write("eins", SPEC)
    carry_out(made.project(plan_scores=True))
    monkeypatch.chdir(made.folder)
    return made


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def plan_scored(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The takes whose plan counts."""
    (song,) = json.loads(said(capsys, "pick", "eins", "--json"))["songs"]
    return {take["take"] for take in song["takes"] if any(why["told"].startswith("plan ") for why in take["why"])}


def plans(songs: Songs) -> dict[str, float]:
    project = songs.project(plan_scores=True)
    takes = project.plan().takes
    return {take.name: project.store.get("plan_score", take.keys["plan_score"]).score for take in takes}  # type: ignore[union-attr]


def test_takes_come_in_the_order_of_their_scores(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "pick", "eins", "--json"))

    scores = plans(songs)
    (song,) = found["songs"]
    assert [take["take"] for take in song["takes"]] == sorted(scores, key=lambda name: -scores[name])
    assert [take["rank"] for take in song["takes"]] == [1, 2, 3]
    assert {one["score"] for one in song["takes"][0]["why"]} == {"plan"}
    assert song["lacks"] == {"measurements": 3}  # the model has no heads that tell when what is sung
    assert found["pairs"] is None


def test_a_person_is_told_why_and_what_would_tell_more(
    songs: Songs, tiny_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = plans(songs)
    defaults = songs.folder / "renderer.toml"
    hearing = hearing_set(tiny_set, tmp_path / "hearing")
    defaults.write_text(defaults.read_text("utf-8").replace(str(tiny_set), str(hearing)), "utf-8")

    told = said(capsys, "pick", "eins", "--best", "1")

    best, worst = max(scores, key=scores.__getitem__), min(scores, key=scores.__getitem__)
    assert best in told
    assert worst not in told
    assert f"plan {scores[best]:.2f}" in told
    assert "3 takes without timestamps: renderer render --timestamps eins" in told
    assert "3 takes without measurements: renderer report eins" in told


def test_nobody_is_told_to_make_what_their_songs_can_not_have(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    (songs.folder / "specs" / "eins.toml").unlink()
    repaint = '[edits.fix]\ntask = "repaint"\nsrc_audio = "s1"\nat = [[2, 5]]\n'
    songs.write("zwei", SPEC + f"[variants.direct]\nthinking = false\n{repaint}")
    songs.write("l'été", SPEC.replace("la la la", "[inst]"))
    carry_out(songs.project())

    told = said(capsys, "pick", "--out", "outputs")

    assert "3 takes without plan scores: renderer render --plan-scores zwei --out outputs" in told
    assert """: renderer render --plan-scores 'l'"'"'été' --out outputs""" in told


def test_a_plan_that_only_sounds_otherwise_now_keeps_its_score(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = plans(songs)
    songs.edit("eins", "[metas]", "[inference]\nshift = 2.0\n[metas]")
    carry_out(songs.project())

    (song,) = json.loads(said(capsys, "pick", "eins", "--json"))["songs"]
    assert {take["take"]: take["why"][0]["told"] for take in song["takes"]} == {
        name: f"plan {score:.2f}" for name, score in scores.items()
    }
    assert "plan scores" not in song["lacks"]

    songs.edit("eins", "bpm = 90", 'bpm = 90\nvocal_language = "es"')  # the same codes, read by the LM for another
    carry_out(songs.project())
    (song,) = json.loads(said(capsys, "pick", "eins", "--json"))["songs"]
    assert song["lacks"]["plan scores"] == 3


@pytest.mark.parametrize(
    ("old", "new"), [("la la la", "na na na"), ("calm piano", "wild piano"), ("bpm = 90", "bpm = 91")]
)
def test_pinned_codes_keep_no_score_that_was_given_for_other_words(
    songs: Songs, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    pin(songs.project(), "eins.s1", {})
    carry_out(songs.project())
    assert plan_scored(capsys) == {"eins.s1"}, "the words are those that it was scored for"

    songs.edit("eins", old, new)
    carry_out(songs.project())

    assert not plan_scored(capsys)


def test_an_edit_beside_scored_takes_stands_where_its_other_scores_put_it_and_that_is_told(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.edit(
        "eins", "[metas]", '[edits.fix]\ntask = "repaint"\nsrc_audio = "s1"\nat = [[2, 5]]\nseeds = [7]\n[metas]'
    )
    carry_out(songs.project(plan_scores=True))

    told = said(capsys, "pick", "eins")
    assert "plan counts as the mean for eins.fix.s7: it has none" in told
    assert "without plan scores" not in told
    (song,) = json.loads(said(capsys, "pick", "eins", "--json"))["songs"]
    assert {take["take"]: (take["points"], take["unscored"]) for take in song["takes"]}["eins.fix.s7"] == (0, ["plan"])
    page = Path(said(capsys, "report", "--no-measure", "--device", "cpu", "--lm-slots", "2").strip())
    told = [piece for piece in folded(page.read_text("utf-8")) if "it has no plan, which counts as the mean" in piece]
    assert len(told) == 1


def test_measured_sound_counts_against_what_was_asked(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    project = songs.project()
    folder = measured_folder(songs.outputs)
    folder.mkdir(parents=True)
    from renderer.takes.measure import measurement_names
    from renderer.takes.measure.process import VERSION

    for number, take in enumerate(project.plan().takes):
        (record,) = project.store.versions(take.name)
        facts, picture, _ = measurement_names(record.digest)
        sound = {
            "duration_seconds": 10.0 + number,
            "bpm": 90.0 if number else 80.0,
            "keyscale": "A minor",
            "loudness_lufs": -14.0,
            "true_peak_db": -1.0,
            "head_silence_seconds": 0.0,
            "tail_silence_seconds": 0.0,
            "num_clipped": 0,
        }
        (folder / facts).write_text(json.dumps({"version": VERSION, "measured": sound}), "utf-8")
        (folder / picture).write_bytes(b"")

    found = json.loads(said(capsys, "pick", "eins", "--json"))

    by_name = {take["take"]: {one["score"]: one for one in take["why"]} for take in found["songs"][0]["takes"]}
    assert by_name["eins.s1"]["tempo"]["told"] == "80 bpm, 11% off"
    assert by_name["eins.s1"]["tempo"]["points"] < 0 < by_name["eins.s2"]["tempo"]["points"]
    assert by_name["eins.s10"]["length"]["told"] == "length 2.0 s off"
    assert by_name["eins.s1"]["key"]["points"] == 0.0  # in the LM's key, as all are
    assert "measurements" not in found["songs"][0]["lacks"]


def heard(songs: Songs, name: str, *wrong: tuple[int, str], language: str = "en", recogniser: str = "small") -> None:
    """Keep what a recogniser would hear of a take's two lines of four words: the errors of each, and its words."""
    lines = tuple(
        LineErrors(row=row, text=text, seconds=4.0 * row, num_words=4, num_errors=errors, transcript=transcript)
        for row, (text, (errors, transcript)) in enumerate(
            zip(("fire in the corner", "nobody bows to us"), wrong, strict=True), start=1
        )
    )
    words = WordErrors(
        lines=lines,
        num_words=8,
        num_errors=sum(line.num_errors for line in lines),
        language="en",
        recognised=language,
        probability=0.9,
        recogniser=recogniser,
        digest=recogniser,
    )
    (record,) = songs.project().store.versions(name)
    folder = measured_folder(songs.outputs)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"version": VERSION, "words": to_json(words)})
    (folder / word_errors_name(record.digest)).write_text(text, "utf-8")


def test_words_that_a_recogniser_heard_speak_for_and_against_takes(
    songs: Songs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard(songs, "eins.s1", (3, "far in a coroner"), (4, ""), language="es")
    heard(songs, "eins.s2", (0, "fire in the corner"), (1, "nobody bows to me"))

    (song,) = json.loads(said(capsys, "pick", "eins", "--json"))["songs"]
    monkeypatch.setenv("COLUMNS", "300")
    told = said(capsys, "pick", "eins")

    takes = {take["take"]: take for take in song["takes"]}
    why = {name: {one["score"]: one for one in take["why"]} for name, take in takes.items()}
    assert why["eins.s1"]["words"]["told"] == "7 of 8 words not as written"
    assert why["eins.s1"]["words"]["points"] == -why["eins.s2"]["words"]["points"] == -1.0
    assert "words" not in why["eins.s10"]
    assert takes["eins.s10"]["words"] is None
    assert takes["eins.s1"]["words"]["lines"][0] == {
        "row": 1,
        "line": "fire in the corner",
        "seconds": 4.0,
        "errors": 3,
        "of": 4,
        "transcript": "far in a coroner",
    }
    assert (takes["eins.s1"]["words"]["errors"], takes["eins.s1"]["words"]["of"]) == (7, 8)
    assert "sounds like `es`, not `en`; “fire in the corner” at 0:04 heard as “far in a coroner”" in told
    assert "“nobody bows to us” at 0:08 not heard" in told
    assert "bows to me" not in told
    assert song["lacks"]["words"] == 1
    assert "1 take without words: renderer report --asr FOLDER eins" in told

    heard(songs, "eins.s10", (0, "fire in the corner"), (0, "nobody bows to us"), recogniser="large")
    assert "1 take without words" in said(capsys, "pick", "eins")  # that this recogniser heard


@pytest.mark.usefixtures("songs")
def test_nobody_is_asked_to_listen_where_nobody_listened(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--asr" not in said(capsys, "pick", "eins")


@pytest.mark.usefixtures("songs")
def test_measurements_that_can_not_be_made_yet_say_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)

    told = said(capsys, "pick", "eins")

    assert "3 takes without measurements: pip install 'renderer[measure]', then renderer report eins" in told


@pytest.mark.parametrize("command", ["report", "render", "watch"])
@pytest.mark.usefixtures("songs")
def test_a_folder_that_is_no_recogniser_is_refused_before_anything_is_done(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("renderer.takes.recogniser.LIBRARY", "json")

    assert "`model.bin` is missing" in said(capsys, command, "--asr", str(tmp_path), code=2)
    assert "no effect" in said(capsys, command, "--no-measure", "--asr", str(tmp_path), code=2)
    monkeypatch.setenv("RENDERER_ASR", str(tmp_path / "gone"))
    assert "there is no folder" in said(capsys, command, code=2)


@pytest.mark.usefixtures("songs")
def test_a_render_listens_also_to_takes_that_are_done_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("renderer.takes.recogniser.LIBRARY", "json")
    monkeypatch.setitem(sys.modules, "librosa", None)
    asked = ("render", "--device", "cpu", "--threads", "1", "--lm-slots", "2")

    # No model lies in that folder: that somebody listened is seen by what became of it.
    told = said(capsys, *asked, "--asr", str(write_recogniser(tmp_path / "small")))

    assert "not measured: the recogniser in `small` can't be loaded" in told
    assert "not measured: " not in said(capsys, *asked)


@pytest.mark.usefixtures("songs")
def test_a_recogniser_that_the_shell_names_is_nothing_where_nothing_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDERER_ASR", str(tmp_path / "gone"))

    assert "index.html" in said(capsys, "report", "--no-measure")


def test_keep_votes_for_as_many_as_are_asked_for(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--best" in said(capsys, "pick", "eins", "--keep", code=2)
    assert not (songs.folder / "specs" / "picks.toml").exists()

    said(capsys, "pick", "eins", "--best", "2", "--keep")

    scores = plans(songs)
    kept = {name for name, pick in read_picks(songs.folder / "specs" / "picks.toml").items() if pick.vote is Vote.KEEP}
    assert kept == set(sorted(scores, key=lambda name: -scores[name])[:2])
    assert "(keep)" in said(capsys, "pick", "eins")


def test_what_is_rejected_is_never_among_the_best(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    scores = plans(songs)
    first, second, third = sorted(scores, key=lambda name: -scores[name])
    said(capsys, "keep", "--reject", first)

    told = said(capsys, "pick", "eins", "--best", "2", "--keep")

    assert f"not among the best, for you rejected them: {first}" in told
    votes = {name: pick.vote for name, pick in read_picks(songs.folder / "specs" / "picks.toml").items()}
    assert votes == {first: Vote.REJECT, second: Vote.KEEP, third: Vote.KEEP}
    (found,) = json.loads(said(capsys, "pick", "eins", "--best", "1", "--json"))["songs"]
    assert ([take["take"] for take in found["takes"]], found["rejected"]) == ([second], [first])
    assert f"{first} (reject)" in said(capsys, "pick", "eins")


def test_votes_reweigh_scores_when_asked_and_the_weights_are_told(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no votes to learn from" in said(capsys, "pick", "eins", "--learn", code=2)
    scores = plans(songs)
    worst = min(scores, key=scores.__getitem__)
    said(capsys, "keep", worst)
    for other in scores:
        if other != worst:
            said(capsys, "keep", "--reject", other)

    told, found = said(capsys, "pick", "--learn"), json.loads(said(capsys, "pick", "eins", "--learn", "--json"))

    assert "weights, learned from 2 pairs of votes:" in told
    shutil.copytree(songs.outputs, songs.folder / "elsewhere")
    assert "learned from 2 pairs" in said(capsys, "pick", "--learn", "--out", "elsewhere")
    assert found["pairs"] == 2
    assert found["weights"]["plan"] < json.loads(said(capsys, "pick", "eins", "--json"))["weights"]["plan"]


def test_a_vote_on_another_version_teaches_nothing_of_this_one(
    songs: Songs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, "keep", "eins.s1")
    said(capsys, "keep", "--reject", "eins.s2")
    songs.edit("eins", "calm piano", "wild piano")
    carry_out(songs.project(plan_scores=True))
    monkeypatch.setenv("COLUMNS", "200")

    assert "no votes to learn from" in said(capsys, "pick", "eins", "--learn", code=2)
    assert "eins.s2 (reject, of another version)" in said(capsys, "pick", "eins")
    said(capsys, "keep", "eins.s1")
    said(capsys, "keep", "--reject", "eins.s2")
    assert "learned from 1 pair of votes" in said(capsys, "pick", "eins", "--learn")


@pytest.mark.usefixtures("songs")
def test_a_name_that_no_song_bears_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no song or take is called `einz`" in said(capsys, "pick", "einz", code=2)
