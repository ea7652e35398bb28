"""[edits.NAME] in specs: what they mean, and every fault of theirs at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from renderer.settings import Inference
from renderer.song import FileSource, TakeSource, Window
from renderer.spec.diagnostics import plain
from renderer.spec.load import load_songs

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.song import Song, Variant
    from renderer.spec.load import Loaded

SONG = (
    'caption = "slow blues"\nlyrics = "[verse]\\nhello"\nseeds = [1, 2]\n'
    '[metas]\nduration = 90\nvocal_language = "en"\n[inference]\nlm_top_p = 0.5\n'
)
FIX = '[edits.fix]\ntask = "repaint"\nsrc_audio = "s2"\nseeds = [11, 12]\nat = [[62.0, 75.5]]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "specs").mkdir()
    return tmp_path


def load(project: Path, text: str, name: str = "night-bus") -> Loaded:
    (project / "specs" / f"{name}.toml").write_text(text, encoding="utf-8")
    return load_songs([project / "specs" / f"{name}.toml"])


def sound(path: Path) -> None:
    soundfile.write(path, np.zeros((2 * 8_000, 1)), 8_000)


def song_of(project: Path, text: str, name: str = "night-bus") -> Song:
    (song,) = load(project, text, name).require()
    return song


def variant(song: Song, name: str) -> Variant:
    return next(one for one in song.variants if one.name == name)


def faults(project: Path, text: str, name: str = "night-bus") -> list[tuple[str, str]]:
    """Code, and what of the file the caret stands under."""
    return [
        (one.code, one.excerpt[one.span.column - 1 : one.span.end - 1] if one.span else "")
        for one in load(project, text, name).errors
    ]


def test_an_edit_adds_takes_that_are_made_from_another(project: Path) -> None:
    song = song_of(project, SONG + FIX + 'repaint_mode = "conservative"\nlyrics = "[verse]\\nother"\n')
    edit = variant(song, "fix").edit

    names = [take.name for take in song.takes()]
    assert names == ["night-bus.s1", "night-bus.s2", "night-bus.fix.s11", "night-bus.fix.s12"]
    assert edit is not None
    assert (edit.task, edit.source, edit.at) == (
        "repaint",
        TakeSource(take="night-bus.s2"),
        (Window(start=62.0, end=75.5),),
    )
    assert (edit.repaint_mode, edit.repaint_strength) == ("conservative", 0.5)
    take = list(song.takes())[2]
    assert take.song.lyrics == "[verse]\nother"
    assert take.source is not None
    assert (take.source.name, take.source.song.lyrics) == ("night-bus.s2", "[verse]\nhello")


def test_the_lm_and_a_duration_have_no_part_in_it_whoever_says_them(project: Path) -> None:
    with_codes = SONG.replace("[metas]", '[metas]\nkeyscale = "A minor"') + FIX
    made = variant(song_of(project, with_codes), "fix")
    known_good = Inference()

    assert made.content is not None
    assert (made.content.metas.duration, made.content.metas.keyscale, made.content.pinned) == (None, "A minor", None)
    assert (made.inference.thinking, made.inference.use_cot_metas) == (False, False)
    assert made.inference.lm_top_p == known_good.lm_top_p


def test_what_an_edit_leaves_out_is_as_in_the_take_it_is_made_from(project: Path) -> None:
    text = (
        SONG
        + '[variants.wide]\ncaption = "wide blues"\nshift = 1.0\n'
        + FIX.replace("s2", "wide.s2")
        + '[edits.waltz]\ntask = "cover"\nsrc_audio = "fix.s11"\ncaption = "waltz"\nseeds = [5]\n'
        + '[edits.again]\ntask = "cover"\nsrc_audio = "waltz.s5"\n'
    )
    song = song_of(project, text)
    by_name = {take.name: take for take in song.takes()}

    fix, again = by_name["night-bus.fix.s11"], by_name["night-bus.again.s1"]
    assert (fix.song.caption, fix.variant.inference.shift) == ("wide blues", 1.0)
    assert (again.song.caption, again.variant.inference.shift) == ("waltz", 1.0)
    assert [one.name for one in again.sources] == ["night-bus.waltz.s5", "night-bus.fix.s11", "night-bus.wide.s2"]


def test_a_window_is_written_as_ace_step_names_it_too(project: Path) -> None:
    written = FIX.replace("at = [[62.0, 75.5]]", "repainting_start = 62\nrepainting_end = -1")
    edit = variant(song_of(project, SONG + written), "fix").edit

    assert edit is not None
    assert edit.at == (Window(start=62.0, end=None),)


def test_a_source_is_there_though_the_base_is_not_rendered(project: Path) -> None:
    song = song_of(project, "base = false\n" + SONG + FIX)

    assert [take.name for take in song.takes()] == ["night-bus.fix.s11", "night-bus.fix.s12"]
    assert [one.name for one in next(song.takes()).sources] == ["night-bus.s2"]


def test_an_edit_of_another_songs_take_finds_its_spec_though_it_is_not_named(project: Path) -> None:
    load(project, SONG + FIX)
    text = 'caption = "waltz"\ninstrumental = true\n[edits.as-waltz]\ntask = "cover"\nsrc_audio = "night-bus.fix.s12"\n'
    song = song_of(project, text, "waltz")
    take = list(song.takes())[-1]

    assert [one.name for one in take.sources] == ["night-bus.fix.s12", "night-bus.s2"]
    assert take.song.caption == "waltz"
    assert take.sources[0].song.caption == "slow blues"


def test_files_stand_in_the_project_and_are_named_by_a_folder_or_an_ending(project: Path) -> None:
    sound(project / "specs" / "demo.wav")
    text = FIX.replace('"s2"', '"demo.wav"') + 'reference_audio = "demo.wav"\n'
    made = variant(song_of(project, SONG + text), "fix")

    assert made.edit is not None
    assert made.edit.source == FileSource(path=project / "specs" / "demo.wav")
    assert made.reference_audio == project / "specs" / "demo.wav"
    assert faults(project, SONG + FIX.replace('"s2"', '"audio/no.flac"')) == [("audio-missing", '"audio/no.flac"')]
    assert faults(project, SONG + FIX.replace('"s2"', '"../../x.flac"')) == [("path-outside", '"../../x.flac"')]


def test_a_file_at_fault_hides_no_fault_of_other_edits_sources(project: Path) -> None:
    (project / "specs" / "text.wav").write_text("no sound")
    ring = '[edits.h]\ntask = "cover"\nsrc_audio = "h.s7"\nseeds = [7]\n'
    for written, code in (("nope.wav", "audio-missing"), ("text.wav", "audio-file"), ("../../x.wav", "path-outside")):
        file = f'[edits.i]\ntask = "cover"\nsrc_audio = "{written}"\n'
        assert sorted(faults(project, SONG + ring + file)) == sorted([("edit-ring", '"h.s7"'), (code, f'"{written}"')])
        voice = f'reference_audio = "{written}"\n'
        assert ("edit-ring", '"h.s7"') in faults(project, voice + SONG + ring)


def test_a_voice_is_named_for_all_songs_and_left_out_of_one(project: Path) -> None:
    sound(project / "specs" / "voice.flac")
    (project / "specs" / "renderer.toml").write_text('reference_audio = "voice.flac"\n')
    song = song_of(project, SONG + '[variants.own]\nreference_audio = ""\n' + FIX)

    voices = [one.reference_audio for one in song.variants]
    assert voices == [project / "specs" / "voice.flac", None, project / "specs" / "voice.flac"]


def test_a_key_that_asks_the_lm_or_says_how_long_is_a_fault(project: Path) -> None:
    keys = 'thinking = false\nlm_seed = 4\nuse_cot_caption = true\ncodes = "x.codes"\nduration = 20\nlm = "4B"\n'
    found = faults(project, SONG + FIX + keys)

    assert found == [("edit-key", line.partition(" ")[0]) for line in keys.splitlines()]


def test_names_of_ace_step_and_of_sketches_lead_to_ours(project: Path) -> None:
    text = SONG + '[edits.a]\ntask_type = "cover"\nsource = "s2"\nstrength = 0.5\n[edit]\ntask = "repaint"\n'
    told = "\n".join(plain(one) for one in load(project, text).errors)

    for advice in ("here it is `task`", "here it is `src_audio`", "here it is `repaint_strength`", "`[edits.NAME]`"):
        assert advice in told
    assert "is missing" not in told
    assert faults(project, "src_audio = 's2'\n" + SONG) == [("key-in-wrong-table", "src_audio")]


@pytest.mark.parametrize(
    ("written", "code", "advice"),
    [
        ('"s3"', "edit-source-missing", "its `seeds` have no 3"),
        ('"fxi.s11"', "edit-source-missing", "did you mean `fix.s11`?"),
        ('"other.s1"', "edit-source-missing", "no song is called `other`"),
        ('"take:s2"', "edit-source", 'write `"s2"`'),
        ('"s2.preview20"', "edit-source", "a preview ends early"),
        ('"fix"', "edit-source", "a take ends with its seed"),
    ],
)
def test_a_source_that_is_none_is_told_at_its_place(project: Path, written: str, code: str, advice: str) -> None:
    text = SONG + FIX + f'[edits.more]\ntask = "cover"\nsrc_audio = {written}\n'

    assert faults(project, text) == [(code, written)]
    assert advice in " ".join(plain(load(project, text).errors[0], width=300).split())


def test_edits_that_are_made_from_each_other_are_told_at_each_of_them(project: Path) -> None:
    ring = '[edits.a]\ntask = "cover"\nsrc_audio = "b.s1"\n[edits.b]\ntask = "cover"\nsrc_audio = "a.s2"\n'
    assert faults(project, SONG + ring) == [("edit-ring", '"b.s1"'), ("edit-ring", '"a.s2"')]

    load(
        project,
        SONG.replace("seeds", "base = false\nseeds")
        + ring.split("[edits.b]", maxsplit=1)[0].replace("b.s1", "two.b.s1"),
    )
    text = SONG + "[edits.b]" + ring.split("[edits.b]")[1].replace("a.s2", "night-bus.a.s2")
    assert faults(project, text, "two") == [("edit-ring", '"night-bus.a.s2"')]


def test_a_rejected_take_is_no_source(project: Path) -> None:
    (project / "specs" / "picks.toml").write_text('["night-bus.s2"]\nvote = "reject"\n')

    assert faults(project, SONG + FIX) == [("edit-source-rejected", '"s2"')]


def test_an_edit_named_like_a_variant_is_told_at_both(project: Path) -> None:
    text = SONG + "[variants.Fix]\nshift = 1.0\n" + FIX

    assert faults(project, text) == [("edit-name-taken", "variants.Fix"), ("edit-name-taken", "edits.fix")]


def test_windows_are_pairs_of_seconds_in_their_order(project: Path) -> None:
    def with_at(written: str) -> list[tuple[str, str]]:
        return faults(project, SONG + FIX.replace("[[62.0, 75.5]]", written))

    assert with_at("[[75.5, 62.0]]") == [("edit-window-empty", "[75.5, 62.0]")]
    assert with_at("[[1, 2], [5, 5]]") == [("edit-window-empty", "[5, 5]")]
    assert with_at('["62-75s"]') == [("edit-section", '"62-75s"')]
    assert with_at("[62.0, 75.5]") == [("at-form", "[62.0, 75.5]")]
    assert with_at("[[62.0]]") == [("at-length", "[62.0]")]
    assert faults(project, SONG + FIX + "repainting_start = 3\n") == [("edit-window-twice", "3")]
    assert faults(project, SONG + FIX.replace("at = [[62.0, 75.5]]\n", "")) == [("edit-incomplete", "edits.fix")]


SECTIONS = SONG.replace("[verse]\\nhello", "[Verse 1]\\nhello\\n[chorus]\\noh\\n[bridge]\\nhm\\n[chorus]\\noh")


@pytest.mark.parametrize("named", ["bridge", "[Bridge]", " chorus ", "chorus 2", "verse", "VERSE 1"])
def test_a_window_may_be_a_section_of_the_source(project: Path, named: str) -> None:
    song = song_of(project, SECTIONS + FIX.replace("[[62.0, 75.5]]", f'["{named}", [1, 2]]'))
    edit = variant(song, "fix").edit

    assert edit is not None
    assert edit.at[1] == Window(start=1.0, end=2.0)


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("brige", "did you mean `bridge`?"),
        ("chorus 3", "did you mean `chorus 2`?"),
        ("verse 2", "did you mean `Verse 1`?"),
        ("outro", "`night-bus` has `Verse`, `Verse 1`, `chorus`, `chorus 1`, `bridge`, `chorus 2`"),
    ],
)
def test_a_section_that_the_source_has_not_is_told_where_it_is_named(project: Path, named: str, told: str) -> None:
    text = SECTIONS + FIX.replace("[[62.0, 75.5]]", f'[[1, 2], "{named}"]')

    assert faults(project, text) == [("edit-section", f'"{named}"')]
    assert told in " ".join(plain(load(project, text).errors[0], width=300).split())


def test_sections_are_those_of_the_take_that_is_named(project: Path) -> None:
    """Of a variant or an edit with words of its own, and of another song."""
    own = '[variants.wide]\nlyrics = "[hook]\\nhey"\n' + FIX.replace('"s2"', '"wide.s2"')
    assert faults(project, SECTIONS + own.replace("[[62.0, 75.5]]", '["hook"]')) == []
    assert faults(project, SECTIONS + own.replace("[[62.0, 75.5]]", '["bridge"]')) == [("edit-section", '"bridge"')]
    load(project, SECTIONS)
    other = FIX.replace('"s2"', '"night-bus.s2"').replace("[[62.0, 75.5]]", '["bridge"]')
    assert faults(project, SONG + other, "two") == []


def test_a_section_whose_place_nothing_tells_asks_for_seconds(project: Path) -> None:
    by_section = FIX.replace("[[62.0, 75.5]]", '["verse"]')
    sound(project / "specs" / "demo.wav")
    silent = SONG.replace('lyrics = "[verse]\\nhello"', "instrumental = true")
    for text in (
        SONG + by_section.replace('"s2"', '"demo.wav"'),
        silent + by_section,
        SONG.replace("\\nhello", "") + by_section,
        'model = "mini"\n' + SONG.replace("= 90", "= 50") + by_section,
    ):
        assert faults(project, text) == [("edit-section", '"verse"')]
        assert "write its seconds" in " ".join(plain(load(project, text).errors[0], width=300).split())


def test_the_seconds_that_are_advised_lie_in_the_source(project: Path) -> None:
    by_section = FIX.replace("[[62.0, 75.5]]", '["verse"]')
    sound(project / "specs" / "demo.wav")
    mini = 'model = "mini"\n' + SONG.replace("= 90", "= 50").replace("hello", "hello\\n\\n[chorus]\\noh") + by_section
    of_file = SONG + by_section.replace('"s2"', '"demo.wav"')

    assert load(project, mini).errors[0].help == (
        "write its seconds: estimated from the layout of the lyrics, `at = [[0.0, 25.0]]`"
    )
    assert load(project, of_file).errors[0].help == "write its seconds: `at = [[1.0, 2.0]]`"
    assert load(project, SONG.replace("duration = 90", "bpm = 90").replace("\\nhello", "") + by_section).errors[
        0
    ].help == ("write its seconds: `at = [[5.0, 8.0]]`")


def test_a_window_of_a_task_that_has_none_has_no_effect(project: Path) -> None:
    text = SONG + FIX.replace("repaint", "cover")

    assert "edit-unused" in [one.code for one in load(project, text).diagnostics]
    edit = variant(song_of(project, text), "fix").edit
    assert edit is not None
    assert edit.at == ()


def test_a_task_that_the_checkpoint_cannot_do_is_told(project: Path) -> None:
    text = '[edits.more]\ntask = "lego"\ntrack = "drums"\nsrc_audio = "s2"\n'

    assert faults(project, SONG + text) == [("edit-model", '"lego"')]
    assert faults(project, SONG + text + 'model = "base"\n') == []
    assert faults(project, SONG + text.replace("drums", "drms")) == [
        ("edit-model", '"lego"'),
        ("track-choice", '"drms"'),
    ]


def test_a_chain_goes_to_other_songs_and_back(project: Path) -> None:
    load(project, SONG + FIX + '[edits.back]\ntask = "cover"\nsrc_audio = "two.on.s1"\nseeds = [8]\n')
    load(project, SONG + '[edits.on]\ntask = "cover"\nsrc_audio = "three.more.s1"\n', "two")
    song_of(project, SONG + '[edits.more]\ntask = "cover"\nsrc_audio = "night-bus.fix.s11"\n', "three")
    (song,) = load_songs([project / "specs" / "night-bus.toml"]).require()

    links = ["two.on.s1", "three.more.s1", "night-bus.fix.s11", "night-bus.s2"]
    assert [one.name for one in list(song.takes())[-1].sources] == links


def test_what_is_wrong_with_sources_is_told_beside_errors_that_leave_the_takes_as_they_are(project: Path) -> None:
    text = SONG + FIX.replace('"s2"', '"s3"')

    assert faults(project, text.replace("duration = 90", "bpm = 9000")) == [
        ("bpm-range", "9000"),
        ("edit-source-missing", '"s3"'),
    ]
    sung = text.replace('lyrics = "[verse]\\nhello"', 'lyrics = """\n[verse]\nhello\n[output]\n# [metas]\n"""')
    assert "[output]\n" in sung
    for spoilt in (
        text.replace("seeds = [1, 2]", 'seeds = [1, "x"]'),
        text.replace("seeds = [1, 2]", "seed = [3]"),
        sung.replace("seeds = [1, 2]", 'seeds = [1, "x"]'),
    ):
        assert "edit-source-missing" not in [code for code, _ in faults(project, spoilt)]
