"""When lyrics are sung, beside the audio: made with the take, or later, and of a take's sound no reason to be made."""

from __future__ import annotations

import json
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest
from safetensors.torch import load_file, save_file

from renderer.artifacts import Timestamps
from renderer.cli.main import run
from renderer.plan.jobs import Why
from renderer.run.events import JobFailed, TakeDone
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.run.executor import Executor

SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = \"\"\"
[verse]
la la la
[chorus]
oh oh
\"\"\"
seeds = [1, 2]
[metas]
bpm = 90
duration = 10
"""
SHARP = 300.0  # a random DiT attends to all tokens alike: times can't be read from that


def hearing_set(tiny_set: Path, folder: Path, sharp: float = SHARP) -> Path:
    """The tiny set with a map of heads in its config, and attention that prefers some tokens to others."""
    shutil.copytree(tiny_set, folder)
    config = folder / "transformer" / "config.json"
    content = json.loads(config.read_text("utf-8"))
    heads = {str(layer): list(range(content["num_attention_heads"])) for layer in range(content["num_hidden_layers"])}
    config.write_text(json.dumps(content | {"lyric_alignment_layers_config": heads}), "utf-8")
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    for name in tensors:
        if name.endswith("cross_attn.norm_q.weight"):
            tensors[name] = tensors[name] * sharp
    save_file(tensors, weights, metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def hearing(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hearing_set(tiny_set, tmp_path_factory.mktemp("hearing") / "set")


@pytest.fixture
def songs(tmp_path: Path, hearing: Path, executor: Executor) -> Songs:
    return Songs(tmp_path / "project", hearing, executor)


def lrc(songs: Songs) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(songs.outputs.glob("*/*.lrc"))}


def stored(songs: Songs) -> dict[str, Timestamps]:
    project = songs.project()
    found = {take.name: project.store.get("timestamps", take.keys["timestamps"]) for take in project.plan().takes}
    return {name: one for name, one in found.items() if isinstance(one, Timestamps)}


def without(songs: Songs) -> None:
    """Render as a version did that knew no timestamps."""
    path = songs.folder / "renderer.toml"
    text = path.read_text("utf-8")
    path.write_text(text + "[output]\ntimestamps = false\n", "utf-8")
    songs.render()
    path.write_text(text, "utf-8")


@pytest.mark.slow
def test_a_take_with_words_comes_with_a_lrc_and_tells_of_it(songs: Songs) -> None:
    songs.write("eins", SPEC)

    summary = songs.render()

    assert len(summary.rendered) == 2
    texts = lrc(songs)
    assert [*texts] == ["eins.s1.lrc", "eins.s2.lrc"]
    lines = texts["eins.s1.lrc"].splitlines()
    assert [line[10:] for line in lines] == ["[verse]", "la la la", "[chorus]", "oh oh"]
    assert lines == sorted(lines)
    recipe = tomllib.loads((songs.outputs / "eins" / "eins.s1.toml").read_text("utf-8"))
    keys = {take.name: take.keys for take in songs.project().plan().takes}
    assert recipe["keys"]["timestamps"] == keys["eins.s1"]["timestamps"]
    assert set(recipe["made"]["noted"]["timestamps"]) >= {"dit_score", "lm_score", "skipped"}


@pytest.mark.slow
def test_alone_and_in_a_batch_timestamps_are_the_same(songs: Songs) -> None:
    for name in ("eins", "zwei", "drei"):
        songs.write(name, SPEC)
    songs.render()
    before = stored(songs)
    together = lrc(songs)
    shutil.rmtree(songs.outputs)

    for name in ("drei", "zwei", "eins"):
        for other in ("eins", "zwei", "drei"):
            (songs.folder / "specs" / f"{other}.toml").unlink(missing_ok=True)
        songs.write(name, SPEC)
        songs.render()

    for name in ("zwei", "drei"):
        songs.write(name, SPEC)
    after = stored(songs)
    assert lrc(songs) == together
    assert {name: (one.lines, one.dit_score) for name, one in after.items()} == {
        name: (one.lines, one.dit_score) for name, one in before.items()
    }


@pytest.mark.slow
def test_a_finished_take_without_stays_done_and_gets_them_when_asked(songs: Songs) -> None:
    songs.write("eins", SPEC)
    without(songs)
    audio = songs.audio()
    assert lrc(songs) == {}

    assert songs.render().kept == ("eins.s1", "eins.s2")
    assert [take.lacks for take in songs.project().plan().takes] == [("timestamps",)] * 2
    summary = songs.render(timestamps=True)

    assert summary.completed == ("eins.s1", "eins.s2")
    assert summary.kept == summary.rendered == ()
    assert songs.audio() == audio
    assert len(lrc(songs)) == 2
    assert [take.lacks for take in songs.project().plan().takes] == [()] * 2
    sidecar = tomllib.loads((songs.outputs / "eins" / "eins.s1.toml").read_text("utf-8"))
    assert "timestamps" in sidecar["keys"]
    assert "dit_score" in sidecar["made"]["noted"]["timestamps"]


@pytest.mark.slow
def test_latents_that_are_gone_are_made_again_for_them(songs: Songs) -> None:
    songs.write("eins", SPEC)
    songs.render()
    expected, store = lrc(songs), songs.project().store
    for artifact in tuple(store.artifacts()):
        if artifact.stage in ("codes", "latents", "timestamps"):
            store.forget(artifact)
    for path in songs.outputs.glob("*/*.lrc"):
        path.unlink()

    runs = [take.runs for take in songs.project(timestamps=True).plan().takes]
    songs.render(timestamps=True)

    assert runs == [("codes", "latents", "timestamps")] * 2
    assert lrc(songs) == expected


@pytest.mark.slow
def test_a_deleted_lrc_comes_back_and_an_edited_one_stays(songs: Songs) -> None:
    songs.write("eins", SPEC)
    songs.render()
    expected = lrc(songs)
    (songs.outputs / "eins" / "eins.s1.lrc").unlink()
    (songs.outputs / "eins" / "eins.s2.lrc").write_text("[00:01.00]mine\n", "utf-8")

    songs.render(timestamps=True)

    assert lrc(songs) == {**expected, "eins.s2.lrc": "[00:01.00]mine\n"}


@pytest.mark.slow
def test_a_former_version_takes_its_lrc_along_and_an_edited_one_is_put_aside(songs: Songs) -> None:
    songs.write("eins", SPEC)
    songs.render()
    (songs.outputs / "eins" / "eins.s2.lrc").write_text("[00:01.00]mine\n", "utf-8")
    songs.edit("eins", "oh oh", "ah ah")

    songs.render()

    former = {path.name.partition(".")[0]: path for path in (songs.outputs / "eins" / "old").glob("*.lrc")}
    texts = [path.read_text("utf-8") for path in sorted((songs.outputs / "eins" / "old").glob("*.lrc"))]
    assert former
    assert any("oh oh" in text for text in texts)
    assert any("mine" in text for text in texts)
    assert all("ah ah" in text for text in lrc(songs).values())


@pytest.mark.slow
def test_where_the_attention_tells_nothing_the_take_comes_without(
    tiny_set: Path, tmp_path: Path, executor: Executor
) -> None:
    songs = Songs(tmp_path / "project", hearing_set(tiny_set, tmp_path / "flat", sharp=0.0), executor)
    songs.write("eins", SPEC)

    summary = songs.render()

    assert [type(one) for one in songs.events if isinstance(one, (JobFailed, TakeDone))] == [JobFailed] * 2 + [
        TakeDone
    ] * 2
    assert (len(summary.rendered), summary.failures) == (2, ())
    assert [remark for remark in summary.remarks if "without timestamps" in remark]
    assert lrc(songs) == {}


def test_an_instrumental_a_preview_and_a_model_nobody_knows_the_heads_of_get_none(
    songs: Songs, tiny_set: Path, tmp_path: Path, executor: Executor
) -> None:
    songs.write("eins", SPEC)
    songs.write("zwei", 'caption = "piano"\ninstrumental = true\n[output]\ntimestamps = true\n')
    unknown = Songs(tmp_path / "unknown", tiny_set, executor)
    unknown.write("drei", SPEC)

    whole = {take.take.song.name: take.keys for take in songs.project().plan().takes}

    assert ("timestamps" in whole["eins"], "timestamps" in whole["zwei"]) == (True, False)
    assert all("timestamps" not in take.keys for take in songs.project(preview=4.0).plan().takes)
    assert all("timestamps" not in take.keys for take in unknown.project().plan().takes)


def test_timestamps_move_no_other_key(songs: Songs) -> None:
    songs.write("eins", SPEC)
    with_them = songs.project().plan().takes[0]

    songs.write("eins", SPEC + "[output]\ntimestamps = false\n")

    alone = songs.project().plan().takes[0]
    assert {**alone.keys, "timestamps": with_them.keys["timestamps"]} == with_them.keys
    assert alone.key == with_them.key


@pytest.mark.slow
def test_export_writes_every_form_and_nothing_over_what_is_there(
    songs: Songs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    songs.write("eins", SPEC)
    songs.render()
    monkeypatch.chdir(songs.folder)
    to = tmp_path / "video"

    assert run(["export", "eins.s1", "--to", str(to)]) == 0

    assert sorted(path.name for path in to.iterdir()) == ["eins.s1.lrc", "eins.s1.markers.txt", "eins.s1.vtt"]
    assert (to / "eins.s1.lrc").read_bytes() == (songs.outputs / "eins" / "eins.s1.lrc").read_bytes()
    (to / "eins.s1.vtt").write_text("mine", "utf-8")
    assert run(["export", "eins.s1", "eins.s2", "--to", str(to), "--vtt"]) == 2
    assert "eins.s1.vtt" in capsys.readouterr().err
    assert (to / "eins.s1.vtt").read_text("utf-8") == "mine"
    assert not (to / "eins.s2.vtt").exists()


def test_export_of_a_take_without_timestamps_says_how_to_get_them(
    songs: Songs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    songs.write("eins", SPEC + "[output]\ntimestamps = false\n")
    carry_out(songs.project())
    monkeypatch.chdir(songs.folder)

    assert run(["export", "eins.s1", "--to", str(tmp_path / "video")]) == 2

    assert "renderer render --timestamps eins.s1" in capsys.readouterr().err
    assert Why.DONE in {take.why for take in songs.project().plan().takes}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('model = "mini"\n' + SPEC, "the attention of `mini` doesn't tell when words are sung"),
        ('caption = "x"\ninstrumental = true\nseeds = [1]\n', "nothing is sung in `eins`"),
    ],
)
def test_export_of_a_take_that_can_have_no_timestamps_sends_nobody_to_render_it_again(
    text: str, why: str, songs: Songs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.write("eins", text)
    carry_out(songs.project())
    monkeypatch.chdir(songs.folder)

    assert run(["export", "eins.s1", "--to", "video"]) == 2

    told = capsys.readouterr().err
    assert why in told.replace("\n   ", "")
    assert "--timestamps" not in told
    assert run(["export", "eins.s1", "--daw", "--to", "daw"]) == 0
    told = capsys.readouterr().err
    assert f"no sections, as {why}" in told.replace("\n   ", "").replace("\n  ", " ")
    assert "--timestamps" not in told
