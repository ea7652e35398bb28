"""Kept takes as an album: sample by sample what album.toml says, the same bytes again, nothing of anybody's lost."""

from __future__ import annotations

import json
import os
import re
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from renderer.artifacts import Waveform
from renderer.cli.main import run
from renderer.facts import SAMPLE_RATE
from renderer.formats.read import read_tags
from renderer.formats.table import FORMATS
from renderer.spec.picks import read_picks
from renderer.takes.encoding import sound_digest
from renderer.takes.measure.analysis import loudness, true_peak
from tests.pipeline.conftest import WITHOUT_LM, Songs
from tests.pipeline.without_models import carry_out, made
from tests.spec.test_albums import picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.plan.jobs import Job
    from renderer.run.executor import Executor

SPEC = """
title = "{title}"
caption = "calm piano, {name}"
lyrics = '''
[verse]
la la la
'''
seeds = [1, 2]
[metas]
bpm = BPM
keyscale = "KEY"
duration = 10
"""
NAMES = ("night-bus", "harbour", "open-door", "paper-boats", "雨の駅")


def cue(path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """A cue sheet by its grammar: commands in lines, each with words or a text in quotes."""
    head: dict[str, str] = {}
    tracks: list[dict[str, str]] = []
    file = ""
    for line in path.read_text("utf-8").splitlines():
        words = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)]
        match words:
            case ["FILE", name, kind]:
                file = f"{name} {kind}"
            case ["TRACK", number, "AUDIO"]:
                tracks.append({"number": number, "file": file})
            case ["INDEX", number, time]:
                tracks[-1][f"index {number}"] = time
            case [("TITLE" | "PERFORMER") as what, text]:
                (tracks[-1] if tracks else head)[what] = text
            case ["REM", what, text]:
                head[what] = text
            case _:
                raise AssertionError(line)
    return head, tracks


def flac_picture(path: Path) -> tuple[str, int, int, bytes]:
    """Kind, width, height and content of the picture in a FLAC file, as RFC 9639 has it."""
    content, position, last = path.read_bytes(), 4, False
    while not last:
        last, kind = bool(content[position] & 0x80), content[position] & 0x7F
        length = int.from_bytes(content[position + 1 : position + 4], "big")
        block, position = content[position + 4 : position + 4 + length], position + 4 + length
        if kind == 6:
            use, num = struct.unpack_from(">II", block)
            width, height, _, _, size = struct.unpack_from(">IIIII", block, 12 + num)
            assert use == 3
            assert len(block) == 32 + num + size
            return block[8 : 8 + num].decode(), width, height, block[32 + num :]
    raise AssertionError("no picture")


def sounding(level: float, seconds: float = 3.0) -> Callable[[Job], Artifact]:
    """Noise of a level, peaks far above it or not."""

    def make(job: Job) -> Artifact:
        if job.spec.artifact is not Waveform:
            return made(job)
        drawn = np.random.default_rng(int(job.key[:12], 16))
        noise = drawn.normal(0, 0.1, (2, int(seconds * SAMPLE_RATE)))
        return Waveform(samples=(level * noise / np.abs(noise).max()).astype(np.float32))

    return make


@pytest.fixture
def project(tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> Songs:
    """Five songs, the first take of each kept."""
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    keys = ("A minor", "E minor", "Bb major", "C major", "A minor")
    for name, bpm, key in zip(NAMES, (90, 92, 130, 76, 78), keys, strict=True):
        text = SPEC.replace("BPM", str(bpm)).replace("KEY", key).replace("{title}", name.title())
        songs.write(name, text)
    monkeypatch.chdir(songs.folder)
    return songs


def kept(songs: Songs, make: Callable[[Job], Artifact] = made, *names: str) -> Songs:
    carry_out(songs.project(), make)
    assert run(["keep", *(f"{name}.s1" for name in names or NAMES)]) == 0
    return songs


def album(songs: Songs, text: str = "", names: tuple[str, ...] = NAMES) -> None:
    entries = ", ".join(json.dumps(name, ensure_ascii=False) for name in names)
    (songs.folder / "album.toml").write_text(f'title = "Night lines"\nsongs = [{entries}]\n{text}', "utf-8")


def told(capsys: pytest.CaptureFixture[str], *options: str, code: int = 0) -> dict:
    capsys.readouterr()
    assert run(["album", "--json", *options]) == code
    document: dict = json.loads(capsys.readouterr().out)
    return document


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_five_rendered_songs_become_an_album_that_measures_as_it_says(
    tmp_path: Path, executor: Executor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    songs = Songs(tmp_path / "project", "mini", executor)  # type: ignore[arg-type]  # a model's name
    monkeypatch.chdir(songs.folder)
    for name in NAMES:
        text = f'title = "{name.title()}"\ncaption = "calm piano, {name}"\ninstrumental = true\n{WITHOUT_LM}'
        songs.write(name, text)
    songs.render()
    assert run(["keep", "*.s0"]) == 0
    (songs.folder / "cover.png").write_bytes(picture("PNG"))
    album(
        songs,
        'artist = "Anna & \\"Bo\\""\ndate = "2026"\nloudness = -23\ngap = 1.25\nfade_out = 2\ncover = "cover.png"\n',
    )

    document = told(capsys, "--to", "out")

    out = songs.folder / "out"
    files = [f"{number:02d}-{name}.flac" for number, name in enumerate(NAMES, start=1)]
    assert sorted(contents(out)) == sorted((*files, "album.cue", "album.m3u8", "cover.png", "index.html"))
    for number, (row, file) in enumerate(zip(document["tracks"], files, strict=True), start=1):
        before, _ = soundfile.read(row["audio"], dtype="float64", always_2d=True)
        after, rate = soundfile.read(out / file, dtype="float64", always_2d=True)
        silence = 0 if number == len(NAMES) else round(1.25 * SAMPLE_RATE)
        assert rate == SAMPLE_RATE
        assert len(after) == len(before) + silence
        assert not after[len(before) :].any()
        x = 1 - (np.arange(2 * SAMPLE_RATE) + 0.5) / (2 * SAMPLE_RATE)
        before[-2 * SAMPLE_RATE :] *= (x * x * (3 - 2 * x))[:, None]
        wanted = before * 10 ** (row["gain_db"] / 20)
        assert np.abs(after[: len(before)] - wanted).max() <= 1.01 * 2.0**-23
        sound = after[: len(before)].astype(np.float32)
        heard = loudness(sound, SAMPLE_RATE)
        assert heard is not None
        assert abs(heard + row["lowered_by_db"] + 23) < 0.02
        assert abs(heard - row["loudness_lufs"]) < 0.02
        peak = true_peak(sound)
        assert peak is not None
        assert peak <= -1.0 + 1e-3
        tags = read_tags(out / file)
        assert (tags["track"], tags["tracktotal"], tags["album"]) == (str(number), "5", "Night lines")
        assert (tags["artist"], tags["date"], tags["title"]) == ('Anna & "Bo"', "2026", NAMES[number - 1].title())
        assert not {"renderer_recipe", "seed", "comment", "software"} & set(tags)
        assert flac_picture(out / file) == ("image/png", 30, 20, picture("PNG"))
    head, tracks = cue(out / "album.cue")
    assert head == {"DATE": "2026", "PERFORMER": "Anna & 'Bo'", "TITLE": "Night lines"}
    assert [(one["number"], one["file"], one["index 01"]) for one in tracks] == [
        (f"{number:02d}", f"{file} WAVE", "00:00:00") for number, file in enumerate(files, start=1)
    ]
    lines = (out / "album.m3u8").read_text("utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    assert [line for line in lines if not line.startswith("#")] == files
    assert lines[2].startswith("#EXTINF:11,")
    page = (out / "index.html").read_text("utf-8")
    assert [page.count(f'src="{file}"') for file in files[:4]] == [1, 1, 1, 1]
    assert 'src="cover.png"' in page
    first = contents(out)
    assert run(["album", "--to", "out"]) == 0
    assert run(["album", "--to", "again"]) == 0
    assert contents(out) == contents(songs.folder / "again") == first


def test_what_nothing_is_asked_of_keeps_its_sound_byte_by_byte(project: Songs) -> None:
    kept(project)
    album(project, "gap = 0\n")

    assert run(["album", "--to", "out"]) == 0

    for number, name in enumerate(NAMES, start=1):
        own = project.outputs / name / f"{name}.s1.flac"
        sent = project.folder / "out" / f"{number:02d}-{name}.flac"
        assert sound_digest(own, FORMATS["flac"]) == sound_digest(sent, FORMATS["flac"])
        assert b"renderer" not in sent.read_bytes()


def test_mp3_carries_cover_and_tags(project: Songs) -> None:
    kept(project, sounding(0.5))
    (project.folder / "cover.jpg").write_bytes(picture("JPEG"))
    album(project, 'format = "mp3"\ncover = "cover.jpg"\n')

    assert run(["album", "--to", "out"]) == 0

    sent = project.folder / "out" / "02-harbour.mp3"
    tags = read_tags(sent)
    assert (tags["track"], tags["title"], tags["bpm"], tags["key"]) == ("2", "Harbour", "92", "E minor")
    content = sent.read_bytes()
    at = content.index(b"APIC")
    size = sum(byte << shift for byte, shift in zip(content[at + 4 : at + 8], (21, 14, 7, 0), strict=True))
    assert content[at + 10 : at + 10 + size] == b"\x03image/jpeg\0\x03\0" + picture("JPEG")
    sound, _ = soundfile.read(sent)
    assert len(sound) == 5 * SAMPLE_RATE
    assert cue(project.folder / "out" / "album.cue")[1][1]["file"] == "02-harbour.mp3 MP3"


def test_a_gain_stops_at_the_peak_and_that_is_told(project: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    kept(project, sounding(0.8))
    album(project, "loudness = -6\n")

    document = told(capsys, "--to", "out")

    assert [one["code"] for one in document["remarks"]].count("gain-lowered") == 5
    for row in document["tracks"]:
        sound, _ = soundfile.read(
            project.folder / "out" / f"{row['number']:02d}-{row['song']}.flac", dtype="float32", always_2d=True
        )
        own = sound[: 3 * SAMPLE_RATE]  # what lies half in the silence would count
        peak, heard = true_peak(own), loudness(own, SAMPLE_RATE)
        assert peak is not None
        assert heard is not None
        assert -1.02 < peak <= -1.0 + 1e-3
        assert abs(heard + row["lowered_by_db"] + 6) < 0.02


def test_what_is_too_short_for_a_loudness_or_its_fades_is_told(
    project: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(project)  # a tenth of a second each
    album(project, "loudness = -14\nfade_in = 0.05\nfade_out = 0.1\n")

    document = told(capsys, "--to", "out")

    assert [one["songs"] for one in document["remarks"] if one["code"] == "loudness-unknown"] == [[n] for n in NAMES]
    assert [one["songs"] for one in document["remarks"] if one["code"] == "fades-overlap"] == [[n] for n in NAMES]
    assert {row["gain_db"] for row in document["tracks"]} == {0.0}
    (asked,) = (one for one in document["remarks"] if one["code"] == "as-asked")
    assert asked["told"].startswith("bpm ")
    assert asked["told"].endswith(" as asked: none measured")


def test_neighbours_spread_and_voice_are_told(project: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(project.folder / "voice.wav", np.random.default_rng(1).normal(0, 0.1, 48_000), SAMPLE_RATE)

    def make(job: Job) -> Artifact:
        return sounding(0.05 if "harbour" in str(job.request) or job.key < "4" else 0.7)(job)

    kept(project, make)
    album(project, 'voice = "voice.wav"\n')

    remarks = told(capsys)["remarks"]

    found = {(one["code"], *one["songs"]) for one in remarks}
    assert ("tempo-neighbours", "harbour", "open-door") in found
    assert ("tempo-neighbours", "open-door", "paper-boats") not in found  # 76 is felt as 152
    assert ("key-neighbours", "harbour", "open-door") in found
    assert ("key-neighbours", "night-bus", "harbour") not in found
    assert ("voice", *NAMES) in found


def test_takes_with_the_albums_voice_are_fine(project: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(project.folder / "voice.wav", np.random.default_rng(1).normal(0, 0.1, 96_000), SAMPLE_RATE)
    soundfile.write(project.folder / "other.wav", np.random.default_rng(2).normal(0, 0.1, 96_000), SAMPLE_RATE)
    (project.folder / "renderer.toml").write_text(
        'reference_audio = "voice.wav"\n' + (project.folder / "renderer.toml").read_text("utf-8"), "utf-8"
    )
    project.edit("harbour", "title", 'reference_audio = "../other.wav"\ntitle')
    kept(project)
    album(project, 'voice = "voice.wav"\n')

    assert [one["songs"] for one in told(capsys)["remarks"] if one["code"] == "voice"] == [["harbour"]]


def test_a_song_without_a_kept_take_is_missing_until_it_is_chosen(
    project: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(project, made, *NAMES[1:])
    album(project)

    document = told(capsys, code=1)
    assert document["missing"] == ["night-bus"]
    assert [row["number"] for row in document["tracks"]] == [2, 3, 4, 5]
    assert run(["album", "--to", "out"]) == 2
    assert "no take is kept of `night-bus`" in capsys.readouterr().err
    assert not (project.folder / "out").exists()
    assert run(["keep", "--reject", "night-bus.s1"]) == 0
    assert told(capsys, "--best", "--to", "out")["tracks"][0]["take"] == "night-bus.s2"
    assert len(list((project.folder / "out").glob("*.flac"))) == 5


def test_faults_that_only_what_was_rendered_shows_stand_at_their_places(
    project: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(project)
    assert run(["keep", "harbour.s2"]) == 0
    album(project, names=("harbour", "night-bus.s7"))
    capsys.readouterr()

    assert run(["album"]) == 2

    text = capsys.readouterr().err
    assert "album-several" in text
    assert "album.toml:2:10" in text
    assert "album-not-rendered" in text
    assert "`night-bus.s1`?" in text
    album(project, names=("harbour.s2",))
    assert [row["take"] for row in told(capsys)["tracks"]] == ["harbour.s2"]


def test_the_version_that_was_kept_is_sent_whatever_bears_the_name_now(
    project: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(project)
    album(project, "gap = 0\n")
    heard = sound_digest(project.outputs / "harbour" / "harbour.s1.flac", FORMATS["flac"])
    project.edit("harbour", "calm piano", "wild piano")
    carry_out(project.project())

    assert run(["album", "--to", "out"]) == 0

    assert sound_digest(project.folder / "out" / "02-harbour.flac", FORMATS["flac"]) == heard
    for path in (project.outputs / "harbour" / "old").glob("harbour.s1.*.flac"):
        path.unlink()
    capsys.readouterr()
    assert run(["album"]) == 2
    assert "the version that was kept is not there" in " ".join(capsys.readouterr().err.split())


def test_a_named_take_whose_kept_version_is_gone_is_told_as_that(
    project: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(project)
    project.edit("harbour", "calm piano", "wild piano")
    carry_out(project.project())
    for path in (project.outputs / "harbour" / "old").glob("harbour.s1.*.flac"):
        path.unlink()
    album(project, names=("harbour.s1",))
    capsys.readouterr()

    assert run(["album"]) == 2

    told = " ".join(capsys.readouterr().err.split())
    assert "the version that was kept is not there" in told
    assert "hear it, and renderer keep harbour.s1" in told


def test_a_rejected_former_version_is_in_no_newer_ones_way(project: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    carry_out(project.project())
    album(project, names=("harbour.s1",))
    assert run(["keep", "--reject", "harbour.s1", "harbour.s2"]) == 0
    capsys.readouterr()
    assert run(["album"]) == 2
    assert "album-rejected" in capsys.readouterr().err

    project.edit("harbour", "calm piano", "wild piano")
    carry_out(project.project())

    assert run(["check"]) == 0
    assert [row["take"] for row in told(capsys)["tracks"]] == ["harbour.s1"]
    album(project, names=("harbour",))
    assert len(told(capsys, "--best")["tracks"]) == 1
    assert json.loads(said(capsys, "pick", "harbour", "--json"))["songs"][0]["rejected"] == []


def test_takes_of_a_variant_called_preview_are_whole_and_their_previews_are_not(
    project: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("harbour", (project.folder / "specs" / "harbour.toml").read_text("utf-8") + "[variants.preview]\n")
    carry_out(project.project())
    carry_out(project.project(preview=5))
    capsys.readouterr()

    assert run(["keep", "harbour.preview.*1"]) == 0

    picks = read_picks(project.folder / "specs" / "picks.toml")
    assert list(picks) == ["harbour.preview.s1"]
    album(project, names=("harbour",))
    assert [row["take"] for row in told(capsys)["tracks"]] == ["harbour.preview.s1"]
    ranked = json.loads(said(capsys, "pick", "harbour", "--json"))["songs"][0]["takes"]
    assert sorted(row["take"] for row in ranked) == [
        *("harbour.preview.s1", "harbour.preview.s2", "harbour.s1", "harbour.s2"),
    ]


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == 0
    return capsys.readouterr().out


def test_what_is_there_is_named_and_kept(project: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    kept(project)
    album(project)
    out = project.folder / "out"
    out.mkdir()
    (out / "03-open-door.flac").write_text("mine", "utf-8")
    (out / "index.html").symlink_to("nowhere")

    assert run(["album", "--to", "out"]) == 2

    text = capsys.readouterr().err
    assert "03-open-door.flac" in text
    assert "index.html" in text
    assert sorted(path.name for path in out.iterdir()) == ["03-open-door.flac", "index.html"]
    assert (out / "03-open-door.flac").read_text("utf-8") == "mine"


def test_a_damaged_take_is_not_sent(project: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    kept(project)
    album(project)
    audio = project.outputs / "harbour" / "harbour.s1.flac"
    content, state = bytearray(audio.read_bytes()), audio.stat()
    content[-1] ^= 1
    audio.write_bytes(content)
    os.utime(audio, ns=(state.st_atime_ns, state.st_mtime_ns))

    assert run(["album", "--to", "out"]) != 0

    assert "render --verify" in capsys.readouterr().err
    assert not (project.folder / "out").exists()
