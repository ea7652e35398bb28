"""`renderer fix`: a window of a take becomes an edit in its spec, and nothing else there changes."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from renderer.errors import SpecError, UsageError
from renderer.spec.load import load_songs
from renderer.takes.fix import fix, windows_in, with_edit

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """\
# a comment that stays
caption = "calm piano"  # and this one
lyrics = "[verse]\\nla la la"
seeds = [1, 2]
[metas]
vocal_language = "en" # no line behind"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "specs" / "eins.toml"
    file.write_text(SPEC, encoding="utf-8")
    return file


def test_the_table_stands_behind_all_that_was_there_and_makes_what_is_told(
    spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = '[verse]\nsay "no"\\'
    assert run(["fix", "eins.s2", "--at", "1:02..1:15.5", "--seeds", "5,7", "--lyrics", words]) == 0

    text = spec.read_text(encoding="utf-8")
    assert text.startswith(SPEC + "\n")
    assert tomllib.loads(text)["edits"] == {
        "fix": {"task": "repaint", "src_audio": "s2", "at": [[62, 75.5]], "seeds": [5, 7], "lyrics": words}
    }
    told = capsys.readouterr().out
    assert "renderer render 'eins.fix.s*'" in told
    assert [take.name for take in load_songs([spec]).require()[0].takes()][2:] == ["eins.fix.s5", "eins.fix.s7"]


def test_names_and_seeds_are_free_ones(spec: Path) -> None:
    for end, name in enumerate(("fix", "fix2", "fix3"), 2):
        fixed = fix(load_songs([spec]).require(), "eins.s2", [(1.0, float(end))])
        assert (fixed.name, fixed.takes) == (name, tuple(f"eins.{name}.s{seed}" for seed in (1, 3, 4, 5)))

    again = fix(load_songs([spec]).require(), "eins.fix2.s3", [(1.0, 2.0)])
    assert tomllib.loads(spec.read_text())["edits"][again.name]["src_audio"] == "fix2.s3"


def test_what_stands_there_word_for_word_is_not_written_again(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["fix", "eins.s2", "--at", "1..2", "--lyrics", "[verse]\nla"]
    assert run(command) == 0
    before = spec.read_bytes()

    assert run(command) == 0

    assert spec.read_bytes() == before
    first, second = capsys.readouterr().out.split("[edits.fix]")[1:]
    assert " already" not in first
    assert " already\n" in second
    assert "renderer render 'eins.fix.s*'" in second
    assert run([*command, "--seeds", "9"]) == 0
    assert list(tomllib.loads(spec.read_text())["edits"]) == ["fix", "fix2"]


def test_what_would_be_at_fault_is_told_and_nothing_is_written(spec: Path) -> None:
    (spec.parent / "picks.toml").write_text('["eins.s2"]\nvote = "reject"\n')
    songs = load_songs([spec]).require()

    with pytest.raises(SpecError) as rejected:
        fix(songs, "eins.s2", [(1.0, 2.0)])
    assert [one.code for one in rejected.value.diagnostics] == ["edit-source-rejected"]
    with pytest.raises(UsageError, match=r"no spec asks for a take `eins\.s3`"):
        fix(songs, "eins.s3", [(1.0, 2.0)])
    with pytest.raises(SpecError) as twice:
        fix(songs, "eins.s1", [(1.0, 2.0)], seeds=(4, 4))
    assert [one.code for one in twice.value.diagnostics] == ["seeds-duplicate"]
    assert spec.read_text(encoding="utf-8") == SPEC


def test_a_section_is_named_as_the_lyrics_have_it(spec: Path) -> None:
    with pytest.raises(SpecError) as unknown:
        fix(load_songs([spec]).require(), "eins.s2", ["vers"])
    assert [(one.code, one.help) for one in unknown.value.diagnostics] == [("edit-section", "did you mean `verse`?")]
    assert spec.read_text(encoding="utf-8") == SPEC

    fix(load_songs([spec]).require(), "eins.s2", ["verse", (1.0, 2.5)])
    assert tomllib.loads(spec.read_text())["edits"]["fix"]["at"] == ["verse", [1, 2.5]]


MINI = (
    'model = "mini"\n'
    + SPEC.replace("la la la", "la la la\\n\\n[bridge]\\nlow tide, low tide\\n\\n[chorus]\\nah ah")
    + "\nduration = 16"
)


@pytest.mark.parametrize(("named", "windows"), [("bridge", "--at 5..11"), ("chorus", "--at 10..16")])
def test_a_section_that_nothing_finds_is_answered_with_its_estimated_seconds(
    spec: Path, named: str, windows: str
) -> None:
    spec.write_text(MINI, encoding="utf-8")

    with pytest.raises(SpecError) as refused:
        fix(load_songs([spec]).require(), "eins.s2", [named, (1.0, 2.0)], seeds=(7,), lyrics="la la")

    (fault,) = refused.value.diagnostics
    assert fault.help == (
        f"renderer fix eins.s2 {windows} --at 1..2 --seeds 7 --lyrics 'la la' "
        "(estimated from the layout of its lyrics; hear it on the page)"
    )
    # The line it would stand in isn't there.
    assert (fault.file, fault.span, fault.excerpt) == (spec, None, "")
    assert spec.read_text(encoding="utf-8") == MINI
    fix(load_songs([spec]).require(), "eins.s2", windows_in([windows.removeprefix("--at ")]))


def test_windows_are_read_as_they_are_typed() -> None:
    assert windows_in(["62..75.5", "1:02-1:15", "-3..2"]) == ((62.0, 75.5), (62.0, 75.0), (-3.0, 2.0))
    assert windows_in(["chorus 2", " サビ "]) == ("chorus 2", "サビ")
    for odd in ("62", "5..5", "9..2", "1:2:3..4", ""):
        with pytest.raises(UsageError):
            windows_in([odd])


def test_a_spec_whose_edits_stand_in_one_line_is_left_alone() -> None:
    text = 'caption = "x"\nedits = {a = {task = "cover", src_audio = "s0"}}\n'
    with pytest.raises(UsageError, match="added to safely"):
        with_edit(text, "fix", {"task": "repaint"})
