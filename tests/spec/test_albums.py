"""album.toml: every fault in one go, at its place; what is fine says nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from renderer.cli.main import run
from renderer.spec.album import read_album
from renderer.spec.load import find_specs, load_songs
from tests.spec.test_editor_schema import rejected

SONG = """caption = "slow blues"
lyrics = "[verse]\\nrain on the roof"
seeds = [1, 2]
[variants.wide]
shift = 1.0
[variants.preview]
shift = 2.0
[edits.voice]
task = "extract"
track = "vocals"
src_audio = "s1"
model = "base"
[edits.fixed]
task = "repaint"
src_audio = "s1"
at = [[2, 5]]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "specs").mkdir()
    for name in ("night-bus", "harbour", "open-door"):
        (tmp_path / "specs" / f"{name}.toml").write_text(SONG, "utf-8")
    (tmp_path / "specs" / "picks.toml").write_text(
        '["harbour.s2"]\nvote = "reject"\n["harbour.old.s9"]\nvote = "keep"\n', "utf-8"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def album(project: Path, text: str) -> Path:
    path = project / "album.toml"
    path.write_text(text, "utf-8")
    return path


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (30, 20), (200, 80, 20)).save(content, kind)
    return content.getvalue()


def faults(capsys: pytest.CaptureFixture[str], *named: str) -> list[tuple[str, int, int]]:
    capsys.readouterr()
    run(["check", "--json", *named])
    told = json.loads(capsys.readouterr().out)["diagnostics"]
    return [(one["code"], one["line"], one["column"]) for one in told if one["level"] == "error"]


def test_every_fault_of_songs_and_files_is_told_at_its_place(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "text.jpg").write_text("no picture", "utf-8")
    album(
        project,
        """title = "Night lines"
songs = [
  "night-buss",
  "harbour.s2",
  "night-bus.preview20",
  "night-bus.s1.preview20",
  "night-bus.voice.s1",
  "night-bus.wild.s1",
  "night-bus.s1",
  { song = "night-bus", gap = 90 },
]
cover = "text.jpg"
voice = "../voice.flac"
loudness = -60
bpm = 90
trakcs = 1
""",
    )

    assert faults(capsys) == [
        ("album-song", 3, 3),
        ("album-rejected", 4, 3),
        ("album-take", 5, 3),
        ("album-take", 6, 3),
        ("album-take", 7, 3),
        ("album-take", 8, 3),
        ("album-twice", 10, 12),
        ("gap-range", 10, 31),
        ("cover-file", 12, 9),
        ("path-outside", 13, 9),
        ("loudness-range", 14, 12),
        ("unknown-key", 15, 1),
        ("unknown-key", 16, 1),
    ]
    run(["check"])
    told = capsys.readouterr().out
    for advice in ("did you mean `night-bus`?", "did you mean `night-bus.wide.s1`", "a song's spec", "-40 to -5"):
        assert advice in " ".join(told.split())


@pytest.mark.parametrize(
    ("songs", "codes"),
    [
        ('["night-bus", "night-bus"]', ["album-twice"]),
        ('["night-bus", "night-bus.s1"]', ["album-twice"]),
        ('["night-bus.s1", "harbour", "night-bus.s1"]', ["album-twice"]),
        ('["night-bus.s1", "night-bus.wide.s2"]', []),
        ('["night-bus.fixed.s1"]', []),
        ('["night-bus.preview.s1"]', []),
        ('["night-bus.preview.s1.preview20"]', ["album-take"]),
        ('["harbour.old.s9"]', []),
        ("[]", ["songs-length"]),
        ("[3]", ["songs-type"]),
        ("[{ gap = 2 }]", ["missing-key"]),
        ('[{ song = "night-bus", take = "s1" }]', ["unknown-key"]),
        ('"night-bus"', ["songs-type"]),
    ],
)
def test_what_an_album_may_name(
    project: Path, capsys: pytest.CaptureFixture[str], songs: str, codes: list[str]
) -> None:
    album(project, f'title = "x"\nsongs = {songs}\n')

    assert [code for code, _, _ in faults(capsys, "album.toml")] == codes


def test_tables_of_songs_are_the_same_as_names_in_braces(project: Path) -> None:
    inline = 'title = "x"\ngap = 1\nsongs = ["harbour", { song = "night-bus", fade_out = 4 }, "open-door"]\n'
    tables = (
        'title = "x"\ngap = 1\n[[songs]]\nsong = "harbour"\n[[songs]]\nsong = "night-bus"\nfade_out = 4\n'
        '[[songs]]\nsong = "open-door"\n'
    )

    read = [read_album(album(project, text))[0] for text in (inline, tables)]

    assert [[(e.named, e.gap, e.fade_in, e.fade_out) for e in one.entries] for one in read if one] == [
        [("harbour", 1.0, 0.0, 0.0), ("night-bus", 1.0, 0.0, 4.0), ("open-door", 0.0, 0.0, 0.0)]
    ] * 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_cover_is_taken_by_its_bytes_and_a_cut_one_is_none(project: Path, kind: str) -> None:
    text = 'title = "x"\nsongs = ["harbour"]\ncover = "cover.bin"\n'
    (project / "cover.bin").write_bytes(picture(kind))
    read, found = read_album(album(project, text))
    assert found == ()
    assert read
    assert read.cover
    assert (read.cover.width, read.cover.height, read.cover.depth) == (30, 20, 24)
    assert read.cover.media_type == f"image/{kind.lower()}"

    for cut in (1, 10, 40, len(picture(kind)) - 3):
        (project / "cover.bin").write_bytes(picture(kind)[:cut])
        assert [one.code for one in read_album(project / "album.toml")[1]] == ["cover-file"]
    (project / "cover.bin").unlink()
    assert [one.code for one in read_album(project / "album.toml")[1]] == ["cover-missing"]


def test_cover_and_voice_lie_where_the_tilde_leads(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project))
    (project / "cover.png").write_bytes(picture("PNG"))
    soundfile.write(project / "anna.wav", np.full(96_000, 0.1), 48_000)

    read, found = read_album(
        album(project, 'title = "x"\nsongs = ["harbour"]\ncover = "~/cover.png"\nvoice = "~/anna.wav"\n')
    )

    assert found == ()
    assert read
    assert read.cover
    assert read.voice == (project / "anna.wav").resolve()


def test_an_album_is_no_spec_and_a_spec_no_album(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    album(project, 'title = "x"\nsongs = ["harbour"]\n')
    (project / "specs" / "album.toml").write_text(SONG, "utf-8")

    assert len(find_specs(["."])) == 3
    assert load_songs(["specs"]).errors == ()
    assert run(["check"]) == 2
    assert "if the file is a song's spec, give it another name" in " ".join(capsys.readouterr().out.split())
    assert run(["new", "album"]) == 2
    assert run(["render", "album.toml"]) == 2
    assert run(["album"]) == 2
    assert "there are two albums: `album.toml` and `specs/album.toml`" in capsys.readouterr().err


def test_a_link_out_of_the_project_shows_no_lines(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = project.parent / f"{project.name}-elsewhere.toml"
    elsewhere.write_text('secret = "pass"\n', "utf-8")
    (project / "album.toml").symlink_to(elsewhere)

    assert run(["check", "album.toml"]) == 2
    told = capsys.readouterr().out
    assert "unknown-key" in told
    assert "pass" not in told


def test_a_spec_with_errors_is_told_of_by_the_album_that_needs_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "specs" / "harbour.toml").write_text("caption = 3\n", "utf-8")
    album(project, 'title = "x"\nsongs = ["night-bus", "harbour", "harbor"]\n')

    assert run(["album"]) == 2

    told = " ".join(capsys.readouterr().err.split())
    assert "caption-type" in told
    assert "did you mean `harbour`?" in told


def test_new_writes_an_album_that_is_fine(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert run(["new", "--album", 'Nights "and" lines\\']) == 0
    assert run(["check", "album.toml"]) == 0

    read, _ = read_album(project / "album.toml")
    assert read
    assert read.title == 'Nights "and" lines\\'
    assert [entry.named for entry in read.entries] == ["harbour", "night-bus", "open-door"]
    assert (project / "album.toml").read_text("utf-8").startswith("#:schema schemas/album.schema.json\n")
    capsys.readouterr()
    assert run(["new", "--album", "again"]) == 2
    assert "already there" in capsys.readouterr().err


@pytest.mark.slow
def test_editors_take_and_refuse_the_same(project: Path) -> None:
    run(["schema"])
    texts = {
        "fine": 'title = "x"\nsongs = ["a", { song = "b", gap = 0.5 }]\nloudness = -14\ndate = "2026-11"\n',
        "tables": 'title = "x"\n[[songs]]\nsong = "a"\nfade_in = 1\n',
        "untitled": 'songs = ["a"]\n',
        "loud": 'title = "x"\nsongs = ["a"]\nloudness = -2\n',
        "dated": 'title = "x"\nsongs = ["a"]\ndate = "last year"\n',
        "opus": 'title = "x"\nsongs = ["a"]\nformat = "opus"\n',
        "long": 'title = "x"\nsongs = [{ song = "a", gap = 61 }]\n',
        "odd": 'title = "x"\nsongs = ["a"]\ntracks = 1\n',
        "blank": 'title = "x"\nsongs = [" "]\n',
    }
    for name, text in texts.items():
        (project / name).mkdir()
        (project / name / f"{name}.toml").write_text(f"#:schema ../schemas/album.schema.json\n{text}", "utf-8")
    refused = {
        name
        for name in texts
        if any(one.code != "album-song" for one in read_album(project / name / f"{name}.toml")[1])
    }

    assert refused == set(texts) - {"fine", "tables"}
    assert {Path(name).stem for name in rejected(project)} >= refused
    assert not {"fine.toml", "tables.toml"} & rejected(project)
