"""What people write in place of a value, and what they are told to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.spec.key_names import keyscale_meant, note_meant
from renderer.spec.load import load_songs
from renderer.spec.near import nearest

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.spec.diagnostics import Diagnostic

HEAD = 'caption = "x"\ninstrumental = true\n'


def found(tmp_path: Path, text: str) -> Diagnostic:
    (tmp_path / "song.toml").write_text(text, encoding="utf-8")
    (one,) = load_songs([tmp_path]).diagnostics
    return one


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("B-flat Major", "Bb major"),
        ("C moll", "C minor"),
        ("H-Moll", "B minor"),
        ("B-Dur", "Bb major"),
        ("b-moll", "Bb minor"),
        ("fis-moll", "F# minor"),
        ("Es-Dur", "Eb major"),
        ("C sharp minor", "C# minor"),
        ("Key of A minor", "A minor"),
        ("Si bémol majeur", "Bb major"),
        ("Fa dièse mineur", "F# minor"),
        ("La menor", "A minor"),
        ("do mayor", "C major"),
        ("sol diesis minore", "G# minor"),
        ("ля минор", "A minor"),
        ("до мажор", "C major"),
        ("升C小调", "C# minor"),
        ("降B大调", "Bb major"),
        ("イ短調", "A minor"),
        ("가단조", "A minor"),
        ("A♭ minor", "Ab minor"),
        ("D dorian", None),
        ("major", None),
        ("Bb", None),
    ],
)
def test_key_signatures_of_many_languages_are_understood(written: str, meant: str | None) -> None:
    assert keyscale_meant(written) == meant


@pytest.mark.parametrize(("written", "note"), [("Bb", "Bb"), ("F sharp", "F#"), ("H", "B"), ("Cis", "C#"), ("x", None)])
def test_a_note_without_its_mode_is_understood(written: str, note: str | None) -> None:
    assert note_meant(written) == note


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("seeds = [-1]", "leave it out for one take, or name seeds; `render --seeds 1..4` takes others for once"),
        ("seeds = 3", "write [3]"),
        ('seeds = "1, 5"', "write [1, 5]"),
        ('seeds = "007, 8"', "write [7, 8]"),
        ('seeds = "1..3"', "write [1, 2, 3]"),
        ("[metas]\nduration = -1", "leave it out, and the LM decides how long the song is"),
        ('[metas]\nduration = "auto"', "leave it out, and the LM decides how long the song is"),
        ('[metas]\nduration = "2:30"', "write it in seconds: 150"),
        ('[metas]\nduration = "2 min 30 s"', "write it in seconds: 150"),
        ('[metas]\nduration = "90"', "write it without quotes: 90"),
        ("[metas]\nbpm = 92.5", "write 92 or 93"),
        ("[metas]\nbpm = 90.0", "write 90"),
        ('[metas]\nbpm = "120-130"', "write one tempo, like 125"),
        ('[metas]\nbpm = "120 BPM"', "write 120"),
        ("[metas]\nbpm = -1", "leave it out, and the LM decides the tempo"),
        ('[metas]\nkeyscale = "Bb"', "write `Bb major` or `Bb minor`"),
        ('[metas]\nkeyscale = "H-Moll"', "did you mean `B minor`?"),
        ('[metas]\nkeyscale = ""', "leave it out, and the LM decides the key"),
        ('[metas]\nkeyscale = "loud"', "write it like `A minor` or `F# major`"),
        ('[metas]\ntimesignature = "12/8"', "`6` is nearest"),
        ('[metas]\ntimesignature = "C"', "`4` is nearest"),
        ('[metas]\nvocal_language = "Spanish"', "did you mean `es`?"),
        ('[metas]\nvocal_language = "xx"', "`unknown` leaves it open"),
        ('[inference]\nthinking = "false"', "write it without quotes: false"),
        ("[inference]\nlm_seed = -1", "leave it out for 0"),
        ("[metas]\nbpn = 90", "did you mean `bpm`?"),
        ('[metas]\nvocalLanguage = "en"', "did you mean `vocal_language`?"),
        ("bpn = 90", "did you mean `bpm` below `[metas]`?"),
        ("keyscal = 'A minor'", "did you mean `keyscale` below `[metas]`?"),
        ("tempo = 90", "here it is `bpm` below `[metas]`"),
        ("[meta]\nbpm = 90", "did you mean `metas`?"),
        ('model = "trubo"', "did you mean `turbo`?"),
    ],
)
def test_a_value_at_fault_comes_with_a_way_out(tmp_path: Path, line: str, advice: str) -> None:
    assert found(tmp_path, f"{HEAD}{line}\n").help == advice


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("caption = \u201cslow blues\u201d\n", 'TOML\'s quotes are straight ones: "slow blues"'),
        ("caption = \u2018slow blues\u2019\n", 'TOML\'s quotes are straight ones: "slow blues"'),
        ("caption = \u201eslow blues\u201c\n", 'TOML\'s quotes are straight ones: "slow blues"'),
        ("caption = \u00abslow blues\u00bb\n", 'TOML\'s quotes are straight ones: "slow blues"'),
        ('caption = "slow blues\u201d\n', 'TOML\'s quotes are straight ones: "slow blues"'),
        ("lyrics = \u201c\u201c\u201c\n[verse]\n", 'TOML\'s quotes are straight ones: write """'),
        ("allow = [\u201cunusual-bpm\u201d]\n", "TOML's quotes are straight ones"),
        ("\u201ccaption\u201d = 'x'\n", "TOML's quotes are straight ones"),
        ("caption: slow blues\n", "write caption = …"),
        ('caption "slow blues"\n', "write caption = …"),
        ("title = Kitchen # of the first\n", 'put text in quotes: "Kitchen"'),
        ("instrumental = True\n", "write true"),
        ("instrumental = no\n", "write false"),
        ("title = None\n", "leave the key out"),
        ('caption = "x",\n', "take it out: nothing stands behind a value"),
        ('caption = "x" // slow\n', "a comment begins with `#`"),
        ("[metas]\nduration = 2:30\n", "write 150"),
        ("[metas]\nbpm = 90 bpm\n", "write 90"),
        ("[metas]\ntimesignature = 6/8\n", 'write "6/8"'),
        ("[metas\nbpm = 90\n", "write [metas]"),
        ("<<<<<<< HEAD\n", "git's mark of a conflict: keep one version, and take the marks out"),
    ],
)
def test_a_line_that_is_no_toml_comes_with_a_way_out(tmp_path: Path, text: str, advice: str) -> None:
    one = found(tmp_path, text)

    assert (one.code, one.help) == ("toml-syntax", advice)


def test_the_nearest_name_is_found_whatever_its_case() -> None:
    assert nearest("mni", ("turbo", "mini")) == "mini"
    assert nearest("1.7b", ("0.6B", "1.7B")) == "1.7B"
    assert nearest("harp", ("turbo", "mini")) == ""
