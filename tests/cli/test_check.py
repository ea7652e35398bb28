"""`renderer check` as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """
caption = "slow blues"
instrumental = true
seeds = [1, 2]

[metas]

bpm = 90
duration = 60
"""


def renderer(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renderer", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


@pytest.mark.slow
def test_without_paths_the_specs_folder_is_checked(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "song.toml").write_text(SPEC)
    result = renderer("check", cwd=tmp_path)

    assert (result.returncode, result.stdout, result.stderr) == (0, "1 song in order, 2 takes\n", "")


@pytest.mark.slow
def test_five_mistakes_are_all_told_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    spec = SPEC.replace("90", "900").replace("60", '"x"') + 'keyscale = "H"\n[output]\nformat = "aac"\nrate = 3\n'
    (tmp_path / "song.toml").write_text(spec)
    result = renderer("check", "song.toml", cwd=tmp_path)

    assert result.returncode == 2
    for place in ("song.toml:8:7", "song.toml:9:12", "song.toml:10:12", "song.toml:12:10", "song.toml:13:1"):
        assert f"--> {place}\n" in result.stdout
    assert "5 errors" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["song.toml"]


@pytest.mark.slow
def test_json_holds_songs_and_diagnostics(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(SPEC)
    (tmp_path / "bad.toml").write_text(SPEC.replace("90", "900"))
    result = renderer("check", "--json", ".", cwd=tmp_path)
    document = json.loads(result.stdout)

    assert result.returncode == 2
    assert document["songs"] == [{"name": "good", "file": "good.toml", "takes": ["good.s1", "good.s2"]}]
    (fault,) = document["diagnostics"]
    assert (fault["code"], fault["file"], fault["line"], fault["column"], fault["end_column"]) == (
        "bpm-range",
        "bad.toml",
        8,
        7,
        10,
    )


@pytest.mark.slow
def test_a_path_that_is_not_there_exits_with_2_and_no_traceback(tmp_path: Path) -> None:
    result = renderer("check", "nowhere", cwd=tmp_path)

    assert result.returncode == 2
    assert result.stderr.startswith("error: `nowhere` does not exist\n")
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_checking_and_help_import_nothing_but_what_most_specs_need(tmp_path: Path) -> None:
    (tmp_path / "song.toml").write_text(SPEC)
    heavy = {"torch", "transformers", "diffusers", "numpy", "jinja2", "tomlkit", "filelock", "renderer.store.store"}
    heavy |= {f"renderer.spec.{name}" for name in ("faults", "album_schema", "edit_rules", "edit_sources", "picks")}
    script = (
        "import sys; from renderer.cli.main import run; code = run(sys.argv[1:]);"
        f"print(sorted({heavy} & set(sys.modules)), code)"
    )
    for arguments in (["check", "song.toml"], ["--help"]):
        result = subprocess.run(
            [sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert result.stdout.endswith("[] 0\n")


@pytest.mark.slow
def test_two_hundred_specs_are_checked_in_one_go(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"song-{number}.toml").write_text(SPEC)
    (tmp_path / "broken.toml").write_text("caption = 3\n")
    result = renderer("check", ".", cwd=tmp_path)

    assert result.stdout.endswith("2 errors\n200 songs in order, 400 takes\n")


@pytest.mark.slow
def test_strict_takes_warnings_for_errors_and_leaves_notes(tmp_path: Path) -> None:
    (tmp_path / "song.toml").write_text(SPEC.replace("bpm = 90", "bpm = 200") + "[inference]\nshift = 4.5\n")

    assert renderer("check", "song.toml", cwd=tmp_path).returncode == 0
    strict = renderer("check", "--strict", "song.toml", cwd=tmp_path)
    assert strict.returncode == 2
    assert "error[turbo-shift]" in strict.stdout
    assert "note[unusual-bpm]" in strict.stdout


@pytest.mark.slow
def test_github_gets_annotations_that_no_text_can_break_out_of(tmp_path: Path) -> None:
    (tmp_path / "a,b.toml").write_text(SPEC + '[output]\nformat = "100%\\n::error::x"\n')
    result = renderer("check", "--format", "github", ".", cwd=tmp_path)

    (line,) = result.stdout.splitlines()
    assert line.startswith("::error file=a%2Cb.toml,line=11,col=10,endColumn=27,title=format-choice::")
    assert "100%25%0A::error::x" in line


@pytest.mark.slow
def test_errors_explain_themselves_as_lints_do(tmp_path: Path) -> None:
    texts = [renderer("check", "--explain", code, cwd=tmp_path).stdout for code in ("bpm-range", "key-in-wrong-table")]
    unknown = renderer("check", "--explain", "bpm-rang", cwd=tmp_path)

    assert texts[0].startswith("## bpm-range\n\nerror: `bpm` is outside of its range. It takes 30 to 300.\n")
    assert "Flagged:\n```toml\n" in texts[1]
    assert (unknown.returncode, "did you mean `bpm-range`?" in unknown.stderr) == (2, True)


def test_a_lint_explains_itself(tmp_path: Path) -> None:
    known = renderer("check", "--explain", "too-dense", cwd=tmp_path)
    unknown = renderer("check", "--explain", "to-dense", cwd=tmp_path)

    assert (known.returncode, "Flagged:" in known.stdout) == (0, True)
    assert (unknown.returncode, "did you mean `too-dense`?" in unknown.stderr) == (2, True)


@pytest.mark.slow
def test_prompts_that_are_cut_are_counted_by_the_models_own_tokenizer(tmp_path: Path) -> None:
    caption = "warm slow blues, upright bass and brushes, " * 12
    metas = '[metas]\nbpm = 96\nkeyscale = "A minor"\ntimesignature = "4"\nduration = 40\n'
    (tmp_path / "song.toml").write_text(f'model = "mini"\ncaption = "{caption}"\ninstrumental = true\n{metas}')
    shown = renderer("show", "--json", "song.toml", cwd=tmp_path)
    (tokens,) = {
        text["tokens"] for take in json.loads(shown.stdout) for text in take["sent"] if text["name"] == "text prompt"
    }
    result = renderer("check", "song.toml", cwd=tmp_path)

    assert f"warning[long-prompt]: the DiT's text prompt has {tokens} tokens" in result.stdout
