"""`check --fix`: what is certain is put right in the files, and nothing else is touched."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from renderer.errors import StoreError
from renderer.pipeline.mend import mend, write
from renderer.spec.load import load_songs
from renderer.spec.lyrics import parse
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

HEAD = 'caption = "x"\n'
SOUND = f"{HEAD}instrumental = true\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    return folder


def fixed(project: Path, text: str) -> str:
    """The spec as `--fix` leaves it."""
    file = project / "song.toml"
    file.write_bytes(text.encode())
    for mended in mend([str(project)], model=None):
        write(mended)
    return file.read_bytes().decode()


def check(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renderer", "check", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f'{SOUND}[metas]\nbpm = "90"  # slow\n', f"{SOUND}[metas]\nbpm = 90  # slow\n"),
        (f"{SOUND}[metas]\nkeyscale = 'H-Moll'\n", f'{SOUND}[metas]\nkeyscale = "B minor"\n'),
        (f"{SOUND}[metas]\nduration = '2:30' # s\n", f"{SOUND}[metas]\nduration = 150 # s\n"),
        (f"{SOUND}[metas]\nvocalLanguage = 'unknown'\n", f"{SOUND}[metas]\nvocal_language = 'unknown'\n"),
        (f"{SOUND}[meta]\nbpm = 90\n", f"{SOUND}[metas]\nbpm = 90\n"),
        (f"{SOUND}[infrence]\nshift = '3.0'\n", f"{SOUND}[inference]\nshift = 3.0\n"),
        ('captoin = "x"\ninstrumental = true\n', SOUND),
        (f"{SOUND}[inference]\nshfit = 3.0\n", f"{SOUND}[inference]\nshift = 3.0\n"),
        ('prompt = "x" # what\ninstrumental = true\n', 'caption = "x" # what\ninstrumental = true\n'),
        (f"{SOUND}tempo = 90 # slow\n[metas]\nduration = 60\n", f"{SOUND}[metas]\nbpm = 90 # slow\nduration = 60\n"),
        (f"{SOUND}bpm = 90\n", f"{SOUND}\n[metas]\nbpm = 90\n"),
        (f"{SOUND}bpm = 90", f"{SOUND}\n[metas]\nbpm = 90\n"),
        (f"{SOUND}[metas]\nseeds = [3]\nbpm = 90\n", f"{SOUND}seeds = [3]\n[metas]\nbpm = 90\n"),
        (f"{SOUND}[metas]\nshift = 3.0\nbpm = 90\n", f"{SOUND}[metas]\nbpm = 90\n\n[inference]\nshift = 3.0\n"),
        (f"{SOUND}seeds = 3\n", f"{SOUND}seeds = [3]\n"),
        (f"{SOUND}[variants.fast]\ntempo = 150\n", f"{SOUND}[variants.fast]\nbpm = 150\n"),
        (f"{SOUND}[variants.fast]\nvocal_languge = 'en'\n", f"{SOUND}[variants.fast]\nvocal_language = 'en'\n"),
        (f'{SOUND}seeds = ["1", "2"]\n', f"{SOUND}seeds = [1, 2]\n"),
        (f'{SOUND}[output]\nformat = "FLAC"\n', f'{SOUND}[output]\nformat = "flac"\n'),
        (f"allow = [\u201cunusual-bpm\u201d]\n{SOUND}", f'allow = ["unusual-bpm"]\n{SOUND}'),
        (f'model = "Turbo"\n{SOUND}', f'model = "turbo"\n{SOUND}'),
        (f"{HEAD}lyrics = \u201c\u201c\u201c\na\n\u201d\u201d\u201d\n", f'{HEAD}lyrics = """\na\n"""\n'),
        ("caption = \u201cx\u201d # c\ninstrumental = true\n", 'caption = "x" # c\ninstrumental = true\n'),
        ("caption = \u201cslow\u201d\ninstrumental = True\n", 'caption = "slow"\ninstrumental = true\n'),
        ("caption = slow blues\ninstrumental: true,\n", 'caption = "slow blues"\ninstrumental = true\n'),
    ],
)  # fmt: skip
def test_keys_quotes_and_values_are_put_right_where_certain(project: Path, before: str, after: str) -> None:
    assert fixed(project, before) == after


@pytest.mark.parametrize(
    "text",
    [
        f"{SOUND}[variants.fast]\ntitle = 'fast'\n",
        f"{SOUND}[variants.fast]\nmax_duration = 90\n",
        f"{SOUND}[variants.fast.metas]\nbpm = 150\n",
        f"{SOUND}seeds = [-1]\n",
        f"{SOUND}[metas]\nbpm = 92.5\n",
        f'{SOUND}[metas]\nkeyscale = "Bb"\n',
        f"{SOUND}bpm = 90\n[metas]\nbpm = 80\n",
        f'prompt = "a"\n{SOUND}',
        f"{SOUND}metas = {{ seeds = [3] }}\n",
        f"{SOUND}[metas]\nbpn = 90\n",
        f"{SOUND}xyz = 3\n",
        f"{SOUND}[inference]\nlm_top_x = 3\n",
    ],
)
def test_what_could_be_meant_in_two_ways_is_left_alone(project: Path, text: str) -> None:
    assert fixed(project, text) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[Verse 1]:\nthe rain", "[Verse 1]\nthe rain"),
        ("**[Chorus]**\nwe rise", "[Chorus]\nwe rise"),
        ("### Chorus\nwe rise", "[Chorus]\nwe rise"),
        ("［サビ］\n雨が降る", "[サビ]\n雨が降る"),
        ("[Verse] the rain", "[Verse]\nthe rain"),
        ("Verse 1: the rain  came", "[Verse 1]\nthe rain  came"),
        ("[Chorus] x2\nwe rise", "[Chorus x2]\nwe rise"),
        ("[Verse]\nthe rain\n[Chorus]\nwe rise", "[Verse]\nthe rain\n\n[Chorus]\nwe rise"),
        ("[Verse]\nwe met on the bridge\n(bridge)\nagain", None),
        ("[Verse]\nthe rain x2\n(hey)\nMale: again", None),
    ],
)
@pytest.mark.parametrize("form", ["basic", "literal", "line", "list", "file"])
def test_headings_are_put_right_and_sung_words_stay(project: Path, before: str, after: str | None, form: str) -> None:
    def spec(lyrics: str) -> str:
        return {
            "basic": f'{HEAD}lyrics = """\n{lyrics}\n"""  # words\n',
            "literal": f"{HEAD}lyrics = '''\n{lyrics}'''\n",
            "line": HEAD + 'lyrics = "' + lyrics.replace("\n", "\\n") + '"\n',
            "list": f'{HEAD}[[lyrics]]\nsection = "intro"\ntext = """\n{lyrics}\n"""\n',
            "file": f'{HEAD}lyrics_file = "words.txt"\n',
        }[form]

    words = project / "words.txt"
    words.write_text(before, encoding="utf-8")
    assert fixed(project, spec(before)) == spec(after or before)
    if form == "file":
        assert words.read_text(encoding="utf-8") == (after or before)


def test_line_ends_mark_and_mode_stay_and_links_are_followed(project: Path) -> None:
    words, spec = project / "words.txt", project / "song.toml"
    words.write_bytes(b"\xef\xbb\xbf[Verse 1]:\r\nthe rain\r\n\n[Chorus]:\nwe rise")
    words.chmod(0o640)
    real = project / ".kept" / "song.toml"
    real.parent.mkdir()
    spec.symlink_to(".kept/song.toml")
    real.write_bytes(b'caption = "x"\r\nlyrics_file = "words.txt"\r\nseeds = 3\r\n')
    for mended in mend([str(project)], model=None):
        write(mended)

    assert words.read_bytes() == b"\xef\xbb\xbf[Verse 1]\r\nthe rain\r\n\n[Chorus]\nwe rise"
    assert words.stat().st_mode & 0o777 == 0o640
    assert spec.is_symlink()
    assert real.read_bytes() == b'caption = "x"\r\nlyrics_file = "words.txt"\r\nseeds = [3]\r\n'


def test_nothing_outside_the_project_is_changed(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.toml"
    outside.write_text(f"{SOUND}seeds = 3\n", encoding="utf-8")
    (project / "song.toml").symlink_to(outside)

    assert mend([str(project)], model=None) == ()


def test_a_file_that_is_read_only_or_was_saved_meanwhile_is_left_alone(project: Path) -> None:
    file = project / "song.toml"
    file.write_text(f"{SOUND}seeds = 3\n", encoding="utf-8")
    (mended,) = mend([str(project)], model=None)
    file.write_text(f"{SOUND}seeds = 4\n", encoding="utf-8")
    with pytest.raises(StoreError, match="changed meanwhile"):
        write(mended)
    (mended,) = mend([str(project)], model=None)
    file.chmod(0o444)
    with pytest.raises(StoreError, match="read-only"):
        write(mended)

    assert file.read_text(encoding="utf-8") == f"{SOUND}seeds = 4\n"
    assert sorted(path.name for path in project.iterdir()) == [".git", "song.toml"]


def test_fixing_twice_changes_nothing_more_and_what_is_sung_is_the_same(project: Path) -> None:
    verse = "[Verse 1]:\n[whispered]\nthe rain (rain)\n**Chorus** x2\nwe rise ♪"
    lyrics = f"Style: blues\n\n{verse}\n\n(bridge)\nla\nOutro: so long"
    once = fixed(project, f'{HEAD}lyrics = """\n{lyrics}\n"""\n')
    (song,) = load_songs([project]).songs

    assert fixed(project, once) == once
    before = [line for section in parse(lyrics) for line in section.lines if line]
    assert [line for section in song.sections for line in section.lines if line] == before


@pytest.mark.slow
def test_the_command_shows_the_changes_first_then_makes_them(project: Path) -> None:
    file = project / "song.toml"
    file.write_text(f'{HEAD}lyrics = "[Verse 1]:"\nseeds = 3\n', encoding="utf-8")
    shown = check("--fix", "--diff", ".", cwd=project)

    assert (shown.returncode, shown.stderr) == (0, "2 changes to make with --fix\n")
    assert '-lyrics = "[Verse 1]:"\n-seeds = 3\n+lyrics = "[Verse 1]"\n+seeds = [3]\n' in shown.stdout
    assert "seeds = 3" in file.read_text(encoding="utf-8")
    done = check("--fix", ".", cwd=project)
    assert (done.returncode, done.stderr) == (0, "fixed song.toml: sung-heading, seeds-type\n2 changes made\n")
    assert file.read_text(encoding="utf-8") == f'{HEAD}lyrics = "[Verse 1]"\nseeds = [3]\n'
    again = check("--fix", ".", cwd=project)
    assert again.stderr == "nothing to change for certain\n"
