"""`renderer new` and `renderer import`: files that are right from the start, and nothing overwritten."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from renderer.cli.main import run
from renderer.formats.table import FORMATS
from renderer.settings import Inference, Metas
from renderer.spec.load import load_songs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_new_spec_passes_the_strict_check_without_a_word(tmp_path: Path) -> None:
    assert run(["new", "night-train"]) == 0
    loaded = load_songs([tmp_path / "specs"])

    assert loaded.diagnostics == ()
    assert (loaded.songs[0].name, loaded.songs[0].title) == ("night-train", "Night train")


def test_a_new_spec_begins_with_another_one_and_keeps_its_comments(tmp_path: Path) -> None:
    run(["new", "first"])
    path = tmp_path / "specs" / "first.toml"
    path.write_text("# mine\n" + path.read_text().replace("[1, 2]", "[9]"))

    assert run(["new", "second", "--from", "first"]) == 0
    (_, second) = load_songs([tmp_path / "specs"]).require()
    assert (second.title, second.seeds) == ("Second", (9,))
    assert "# mine\n" in (tmp_path / "specs" / "second.toml").read_text()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["new", "song"])
    (tmp_path / "specs" / "song.toml").write_text("mine")

    assert run(["new", "song"]) == 2
    assert "is already there" in capsys.readouterr().err
    assert (tmp_path / "specs" / "song.toml").read_text() == "mine"


def test_names_that_can_not_name_a_song_are_refused() -> None:
    assert [run(["new", name]) for name in ("a.b", "report", "a\tb", "a\udcffb")] == [2, 2, 2, 2]


def test_a_title_that_is_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["new", "song"])

    assert run(["new", "--album", "a\udcffb"]) == 2

    assert "is no character" in capsys.readouterr().err
    assert not (tmp_path / "album.toml").exists()


@pytest.mark.slow
def test_a_new_project_checks_and_completes_at_once(tmp_path: Path) -> None:
    assert run(["new", "--project", "songs"]) == 0
    project = tmp_path / "songs"
    result = subprocess.run(
        [sys.executable, "-m", "renderer", "check", "--strict"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stdout) == (0, "1 song in order, 2 takes\n")
    ignored = [line for line in (project / ".gitignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored == ["/outputs/", "/shared/"]
    head = (project / "specs" / "first-song.toml").read_text().splitlines()[0]
    assert (project / "specs" / head.removeprefix("#:schema ")).resolve() == project / "schemas" / "song.schema.json"
    assert run(["new", "--project", "songs"]) == 2


def test_what_git_was_told_before_there_were_songs_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / ".gitignore").write_text("/cache/\n")
    (tmp_path / "songs" / ".gitattributes").write_text("*.toml text\n*.txt text\n*.codes text -diff\n*.wav -text\n")

    assert run(["new", "--project", "songs"]) == 0

    assert (tmp_path / "songs" / ".gitignore").read_text() == "/cache/\n"
    assert "*.wav -text" in (tmp_path / "songs" / ".gitattributes").read_text()
    out = capsys.readouterr().out
    assert "songs/.gitignore was there and stays: see that it leaves out /outputs/ and /shared/" in out
    assert ".gitattributes" not in out
    assert (tmp_path / "songs" / "specs" / "first-song.toml").exists()


def test_every_audio_format_has_its_line_for_lfs(tmp_path: Path) -> None:
    run(["new", "--project", "songs"])
    lines = (tmp_path / "songs" / ".gitattributes").read_text().splitlines()
    for row in FORMATS.values():
        assert f"# *{row.suffix} filter=lfs diff=lfs merge=lfs -text" in lines


EXAMPLE = {
    "caption": 'A slow: blues, "quoted"',
    "lyrics": '[Verse]\r\nthe rain \\ came down  \r\n\r\n[Chorus]\r\n日本語 """ here\r\n',
    "bpm": 72,
    "duration": 90,
    "keyscale": "A Minor",
    "language": "en",
    "timesignature": "4/4",
    "think": True,
}
PARAMETERS = {
    "task_type": "text2music",
    "instruction": "Fill the audio semantic mask based on the given conditions:",
    "reference_audio": "/home/someone/voice.wav",
    "src_audio": None,
    "audio_codes": "",
    "caption": "techno",
    "lyrics": "[Instrumental]",
    "instrumental": False,
    "vocal_language": "unknown",
    "bpm": None,
    "keyscale": "",
    "timesignature": "N/A",
    "duration": -1.0,
    "inference_steps": 8,
    "seed": -1,
    "guidance_scale": 7.0,
    "use_adg": False,
    "shift": 3.0,
    "infer_method": "ode",
    "thinking": True,
    "lm_temperature": 0.85,
    "lm_top_k": 0,
    "lm_negative_prompt": "NO USER INPUT",
    "use_cot_lyrics": False,
    "cot_bpm": 128,
    "batch_size": 2,
}
COMMAND_LINE = """
config_path = "acestep-v15-sft"
lm_model_path = "acestep-5Hz-lm-1.7B"
checkpoint_dir = "/data/checkpoints"
save_dir = "out"
caption = "choral"
lyrics = "[verse]\\nah"
duration = 30
bpm = 900
seeds = "3,4"
batch_size = 2
"""


def imported(tmp_path: Path, name: str, content: Any) -> Path:
    source = tmp_path / name
    source.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    assert run(["import", name]) == 0
    return tmp_path / "specs" / f"{source.stem}.toml"


def test_an_example_becomes_the_song_it_describes(tmp_path: Path) -> None:
    path = imported(tmp_path, "example.json", EXAMPLE)
    (song,) = load_songs([path]).require()

    assert song.caption == EXAMPLE["caption"]
    assert song.lyrics == '[Verse]\nthe rain \\ came down\n\n[Chorus]\n日本語 """ here'
    assert song.metas == Metas(bpm=72, keyscale="A minor", timesignature="4", duration=90.0, vocal_language="en")
    assert 'lyrics = """\n[Verse]\n' in path.read_text()


def test_saved_parameters_lose_only_what_has_no_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (song,) = load_songs([imported(tmp_path, "saved.json", PARAMETERS)]).require()
    out = capsys.readouterr().out

    assert song.instrumental
    assert song.metas == Metas()
    assert song.variants[0].inference == Inference(inference_steps=8, guidance_scale=7.0, shift=3.0)
    for key in ("reference_audio", "cot_bpm", "batch_size"):
        assert f"left out `{key}`" in out
    for key in ("task_type", "instruction", "use_adg", "src_audio", "audio_codes", "seed"):
        assert f"left out `{key}`" not in out
    assert "/home/someone" not in (tmp_path / "specs" / "saved.toml").read_text()


def test_the_command_lines_toml_is_carried_over_with_its_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (song,) = load_songs([imported(tmp_path, "config.toml", COMMAND_LINE)]).require()
    out = capsys.readouterr().out

    assert (song.variants[0].model, song.variants[0].lm, song.seeds) == ("sft", "1.7B", (3, 4))
    assert song.metas == Metas(duration=30.0)
    assert "left out `bpm`" in out
    assert "left out `checkpoint_dir`" in out


@pytest.mark.parametrize(
    "content",
    ["", "[]", "3", "{", "[" * 100_000, '{"caption": 3}', '{"caption": "x", "lyrics": [1]}', "{}", " " * 5_000_000],
)
def test_files_that_hold_no_song_are_refused_in_words(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd.json").write_text(content)

    assert run(["import", "odd.json"]) == 2
    assert capsys.readouterr().err.startswith("error")
    assert not (tmp_path / "specs").exists()


def test_an_import_never_overwrites_and_never_leaves_its_folder(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "example.toml").write_text("mine")
    (tmp_path / "example.json").write_text(json.dumps(EXAMPLE))
    (tmp_path / "..%2Fescape..json").write_text(json.dumps(EXAMPLE))

    assert run(["import", "example.json", "..%2Fescape..json"]) == 2
    assert (tmp_path / "specs" / "example.toml").read_text() == "mine"
    assert sorted(path.name for path in (tmp_path / "specs").iterdir()) == ["2Fescape.toml", "example.toml"]


SHANTY = {"caption": "sea shanty", "lyrics": "[verse]\nhaul away"}


def test_a_list_becomes_a_spec_each_and_a_bad_one_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = SHANTY | {"bpm": 900, "inferenceSteps": "many"}
    (tmp_path / "songs.json").write_text(json.dumps([SHANTY, {"lyrics": "la"}, last]))

    assert run(["import", "songs.json"]) == 2
    out, err = capsys.readouterr()
    assert sorted(path.name for path in (tmp_path / "specs").iterdir()) == ["songs-1.toml", "songs-3.toml"]
    assert "song 2 of `songs.json`: it holds no caption" in err
    assert "2 imported, 1 could not be" in err
    assert "left out `bpm`: `bpm` is 900, it takes 30 to 300" in out
    assert "left out `inferenceSteps`: `inference_steps` is `many`, it takes a whole number" in out


def test_a_list_mended_is_imported_beside_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "songs.json").write_text(json.dumps([SHANTY, {}]))
    run(["import", "songs.json"])
    (tmp_path / "specs" / "songs-1.toml").write_text("mine")
    (tmp_path / "songs.json").write_text(json.dumps([SHANTY, SHANTY]))

    assert run(["import", "songs.json"]) == 2
    assert (tmp_path / "specs" / "songs-1.toml").read_text() == "mine"
    assert len(load_songs([tmp_path / "specs" / "songs-2.toml"]).require()) == 1


def test_an_import_without_lyrics_says_so_and_checks_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = imported(tmp_path, "simple.json", {"description": "a quiet evening", "instrumental": False})
    out = capsys.readouterr().out

    assert "`lyrics` is empty" in out
    assert "warning[lyrics-empty]" in out
    assert '\nlyrics = ""\n' in path.read_text()
    assert "# No lyrics" in path.read_text()


def test_imported_codes_are_written_beside_the_spec_and_followed(tmp_path: Path) -> None:
    codes = "".join(f"<|audio_code_{number}|>" for number in range(100))
    path = imported(tmp_path, "kept.json", SHANTY | {"audio_codes": codes, "thinking": False})
    (song,) = load_songs([path]).require()

    assert path.with_suffix(".codes").is_file()
    assert song.pinned is not None
    assert (song.pinned.codes, song.pinned.take) == (tuple(range(100)), "kept.json")
    assert song.variants[0].inference.thinking


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("renderer", "renderer-song"),
        ("picks", "picks-song"),
        ("report", "report-song"),
        ("a.b c", "a-b c"),
        ("-x", "x"),
        ("[take] 3!", "take- 3"),
        ("हिन्दी गीत", "हिन्दी गीत"),
        ("cafe\u0301", "caf\u00e9"),
        ("🎸", "imported"),
        ("long " * 40, ("long " * 20).strip()),
        ("雨" * 80, "雨" * 33),
    ],
)
def test_an_imported_song_has_a_name_that_a_song_may_have(tmp_path: Path, written: str, name: str) -> None:
    (tmp_path / f"{written}.json").write_text(json.dumps(SHANTY))

    assert run(["import", f"./{written}.json"]) == 0
    (song,) = load_songs([tmp_path / "specs" / f"{name}.toml"]).require()
    assert song.name == name


def test_names_that_differ_in_case_alone_are_one_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, name in (("a", "Song.json"), ("b", "song.json")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(json.dumps(SHANTY))

    assert run(["import", "a/Song.json", "b/song.json"]) == 2
    assert "is already there" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "specs").iterdir()] == ["Song.toml"]


def test_a_folder_that_can_not_be_written_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "song.json").write_text(json.dumps(SHANTY))
    (tmp_path / "file").write_text("")

    assert run(["import", "song.json", "--to", "file/specs"]) == 2
    assert "can't be written" in capsys.readouterr().err


def test_folders_and_missing_files_cost_only_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "song.json").write_text(json.dumps(SHANTY))

    assert run(["import", ".", "nowhere.json", "song.json", "nowhere.flac"]) == 2
    assert "1 imported, 3 could not be" in capsys.readouterr().err
    assert (tmp_path / "specs" / "song.toml").is_file()


def test_a_song_too_large_for_a_spec_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "song.json").write_text(json.dumps(SHANTY | {"caption": "loud " * 20_000}))

    assert run(["import", "song.json"]) == 2
    assert "a spec has 64 KiB at most" in capsys.readouterr().err
    assert not (tmp_path / "specs").exists()


def test_a_toml_nested_beyond_reading_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "song.toml").write_text("x = " + "[" * 50_000)

    assert run(["import", "song.toml"]) == 2
    assert "nested too deeply" in capsys.readouterr().err


def test_half_a_character_is_left_out_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = imported(tmp_path, "song.json", '{"caption": "rock", "lyrics": "la", "\\udc00": 1, "title": "\\ud83c"}')

    assert load_songs([path]).require()[0].caption == "rock"
    assert "half of a character" in capsys.readouterr().out


def test_codes_beyond_a_models_codebook_are_refused_before_anything_runs(tmp_path: Path) -> None:
    song = SHANTY | {"model": "mini", "audio_codes": [7] * 60 + [63_999]}
    path = imported(tmp_path, "song.json", song)

    assert [fault.code for fault in load_songs([path]).errors] == ["codes-model"]
    assert load_songs([path], model="turbo").errors == ()


@pytest.mark.parametrize("content", [b"\x00\x00\x00 ftypM4A \xff\xfe", b"[00:01.00] la", b"# my song"])
def test_a_file_of_another_kind_is_told_what_an_import_takes(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "song.xyz").write_bytes(content)

    assert run(["import", "song.xyz"]) == 2
    assert ".json, .jsonl, .ndjson and .toml" in " ".join(capsys.readouterr().err.split())
