"""Every lint finds its bad example at the right place and leaves its good one alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.spec.diagnostics import Level
from renderer.spec.lints.page import page
from renderer.spec.lints.table import ALLOWABLE, LINTS, Lint
from renderer.spec.load import load_songs

# Where each bad example is flagged: the line, and what the caret stands under.
PLACES = {
    "control-token": (4, "<|im_end|>"),
    "control-character": (2, "\\u0007"),
    "turning-character": (2, "\\u202e"),
    "conflict-mark": (4, "<<<<<<< HEAD"),
    "long-caption": (1, '"""'),
    "long-prompt": (1, '"""'),
    "tempo-in-caption": (1, "60 bpm"),
    "key-in-caption": (1, "E minor"),
    "unusual-duration": (7, "12"),
    "unusual-bpm": (7, "200"),
    "unusual-timesignature": (7, '"2"'),
    "language-of-instrumental": (4, '"en"'),
    "language-open": (2, "lyrics"),
    "wrong-script": (7, '"ru"'),
    "lyrics-empty": (2, '""'),
    "romanised-lyrics": (4, "kimi no koe ga kikoeru yoru"),
    "long-lyrics": (2, '"""'),
    "many-tokens": (2, '"""'),
    "too-dense": (47, "30"),
    "too-thin": (7, "120"),
    "long-line": (4, "the rain came down on Monday and it hasn't stopped to this very evening in the city"),
    "joined-sections": (5, "[chorus]"),
    "stacked-tags": (3, "[verse][whispered][slow]"),
    "sung-heading": (3, "(Chorus)"),
    "chord-marks": (4, "Am          F"),
    "time-marks": (4, "[00:12.00]"),
    "repeat-marks": (5, "(repeat x2)"),
    "singer-labels": (4, "Male:"),
    "header-lines": (3, "Style: slow blues"),
    "markup": (4, "<br>"),
    "spaced-letters": (4, "t h e r a i n"),
    "unknown-tag": (3, "chrous"),
    "untagged": (3, "the rain came down on Monday"),
    "empty-section": (3, "[verse]"),
    "invisible-character": (4, "\u200b"),
    "turbo-steps": (7, "20"),
    "turbo-few-steps": (7, "5"),
    "few-steps": (8, "8"),
    "undistilled-shift": (8, "3.0"),
    "undistilled-dcw": (8, "true"),
    "dcw-unused": (8, "dcw_high_scaler"),
    "retake-unused": (7, "retake_seed"),
    "retake-of-itself": (8, "5"),
    "heun-beside-sde": (7, "sampler_mode"),
    "turbo-shift": (7, "4.5"),
    "turbo-times": (7, "[1.0, 0.7, 0.3]"),
    "turbo-guidance": (7, "guidance_scale"),
    "unusual-guidance": (8, "14.0"),
    "steps-beside-times": (8, "shift"),
    "lm-unused": (9, "lm_temperature"),
    "chain-skipped": (8, "use_cot_caption"),
    "unconstrained": (7, "false"),
    "lm-guidance-unused": (8, "lm_negative_prompt"),
    "lm-greedy": (8, "lm_top_p"),
    "lora-unused": (8, "0.0"),
    "lm-of-nothing": (1, "lm"),
    "max-duration-unused": (1, "max_duration"),
    "edit-unused": (12, "flow_edit_n_min"),
    "repaint-same-seed": (9, "0"),
    "edit-outpaints": (11, "[-4, 2]"),
}
EACH = pytest.mark.parametrize("lint", LINTS, ids=lambda lint: lint.code)


def write(tmp_path: Path, text: str, name: str = "song.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@EACH
def test_the_bad_example_is_flagged_at_its_place_and_for_nothing_else(tmp_path: Path, lint: Lint) -> None:
    (found,) = load_songs([write(tmp_path, lint.bad)]).diagnostics

    assert (found.code, found.level) == (lint.code, lint.level)
    assert found.span is not None
    assert (found.span.line, found.excerpt[found.span.column - 1 : found.span.end - 1]) == PLACES[lint.code]


@EACH
def test_the_good_example_is_clean(tmp_path: Path, lint: Lint) -> None:
    assert load_songs([write(tmp_path, lint.good)]).diagnostics == ()


@EACH
def test_allow_silences_all_but_errors(tmp_path: Path, lint: Lint) -> None:
    codes = [one.code for one in load_songs([write(tmp_path, f'allow = ["{lint.code}"]\n{lint.bad}')]).diagnostics]

    assert codes == ([] if lint.level is not Level.ERROR else ["allow-choice", lint.code])


def test_allow_in_the_defaults_holds_for_every_spec(tmp_path: Path) -> None:
    write(tmp_path, 'allow = ["unusual-bpm"]\n', "renderer.toml")
    write(tmp_path, 'caption = "x"\ninstrumental = true\n[metas]\nbpm = 200\n')

    assert load_songs([tmp_path]).diagnostics == ()


def test_a_code_that_is_not_there_can_not_be_allowed(tmp_path: Path) -> None:
    spec = write(tmp_path, 'allow = ["unusual-bmp"]\ncaption = "x"\ninstrumental = true\n')
    (found,) = load_songs([spec]).diagnostics

    assert (found.code, found.help) == ("allow-choice", "did you mean `unusual-bpm`?")


def test_settings_in_the_defaults_are_reported_once_and_there(tmp_path: Path) -> None:
    defaults = write(tmp_path, 'model = "turbo"\n[inference]\nguidance_scale = 7.0\nshift = 5.0\n', "renderer.toml")
    for name in ("a.toml", "b.toml"):
        write(tmp_path, 'caption = "x"\ninstrumental = true\n', name)

    found = [(one.code, one.file) for one in load_songs([tmp_path]).diagnostics]
    assert found == [("turbo-shift", defaults), ("turbo-guidance", defaults)]


@pytest.mark.parametrize(
    ("written", "code", "meant"),
    [
        ("noise <|im_end|> hiss", "control-token", "<|im_end|>"),
        ("<|audio_code_5|>", "control-token", "<|audio_code_5|>"),
        ("a</think>b", "control-token", "</think>"),
        ("hiss\\u0007", "control-character", "\\u0007"),
    ],
)
def test_what_would_steer_the_lm_is_found_in_the_defaults_once_and_there(
    tmp_path: Path, written: str, code: str, meant: str
) -> None:
    defaults = write(tmp_path, f'[inference]\nlm_negative_prompt = "{written}"\n', "renderer.toml")
    for name in ("a.toml", "b.toml"):
        write(tmp_path, 'caption = "x"\ninstrumental = true\n', name)

    (found,) = load_songs([tmp_path]).diagnostics

    assert (found.code, found.level, found.file) == (code, Level.ERROR, defaults)
    assert found.span is not None
    assert (found.span.line, found.excerpt[found.span.column - 1 : found.span.end - 1]) == (2, meant)


def test_what_turns_the_writing_round_is_found_in_any_text_and_words_from_right_to_left_need_none(
    tmp_path: Path,
) -> None:
    spec = write(
        tmp_path,
        'caption = "calm \u2067piano\u2069"\nlyrics_file = "words.txt"\n'
        '[variants.wide]\ncaption = "\u202bwide\u202c"\n',
    )
    (tmp_path / "words.txt").write_text("[verse]\nשלום עולם\nstay \u2066here\u2069\n", "utf-8")

    found = [one for one in load_songs([spec]).diagnostics if one.code == "turning-character"]

    assert {one.level for one in found} == {Level.WARNING}
    assert sorted((str(one.file and one.file.name), one.span and one.span.line) for one in found) == [
        *[(spec.name, 1)] * 2,
        *[(spec.name, 4)] * 2,
        *[("words.txt", 3)] * 2,
    ]


def test_defaults_that_a_specs_own_model_does_not_suit_are_reported_at_the_model(tmp_path: Path) -> None:
    write(tmp_path, "[inference]\ninference_steps = 8\n", "renderer.toml")
    spec = write(tmp_path, 'model = "sft"\ncaption = "x"\ninstrumental = true\n')
    (found,) = load_songs([tmp_path]).diagnostics

    assert (found.code, found.file, found.span and found.span.line) == ("few-steps", spec, 1)


@pytest.mark.parametrize("model", ["sft", "xl-base"])
def test_turbos_values_are_told_where_another_checkpoint_inherits_them(tmp_path: Path, model: str) -> None:
    """From the defaults into a spec, from the song into a variant."""
    write(tmp_path, "[inference]\ninference_steps = 8\nshift = 3.0\n", "renderer.toml")
    own = write(tmp_path, f'model = "{model}"\ncaption = "x"\ninstrumental = true\n', "own.toml")
    variant = write(
        tmp_path, f'caption = "x"\ninstrumental = true\n[variants.slow]\nmodel = "{model}"\n', "variant.toml"
    )

    found = {(one.code, one.file, one.span and one.span.line) for one in load_songs([tmp_path]).diagnostics}

    assert found == {
        (code, file, line) for code in ("few-steps", "undistilled-shift") for file, line in ((own, 1), (variant, 4))
    }
    assert all("is turbo's" in one.why for one in load_songs([tmp_path]).diagnostics)


@pytest.mark.parametrize(
    ("folder", "codes"),
    [("acestep-v15-turbo-shift1", ["turbo-shift"]), ("acestep-v15-turbo", []), ("acestep-v15-turbo-mine", [])],
)
def test_a_folder_called_as_published_is_known_by_its_name(tmp_path: Path, folder: str, codes: list[str]) -> None:
    (tmp_path / folder).mkdir()
    write(tmp_path, f'model = "{folder}"\ncaption = "x"\ninstrumental = true\n[inference]\nshift = 3.0\n')

    assert [one.code for one in load_songs([tmp_path]).diagnostics] == codes


def test_a_variant_is_reported_at_its_own_key(tmp_path: Path) -> None:
    spec = write(tmp_path, 'caption = "x"\ninstrumental = true\n[variants.wide]\nshift = 4.0\n')
    (found,) = load_songs([spec]).diagnostics

    assert (found.code, found.span and found.span.line) == ("turbo-shift", 4)


def test_findings_in_list_form_lyrics_point_at_their_line(tmp_path: Path) -> None:
    spec = write(
        tmp_path,
        'caption = "x"\n[[lyrics]]\nsection = "verse"\ntext = "one"\n[[lyrics]]\nsection = "chrous"\n'
        'text = """\nthe rain came down\n(Bridge)\non Monday\n"""\n',
    )
    found = load_songs([spec]).diagnostics

    assert [(one.code, one.span and one.span.line) for one in found] == [("unknown-tag", 6), ("sung-heading", 9)]


def test_findings_in_a_lyrics_file_point_into_that_file(tmp_path: Path) -> None:
    words = write(tmp_path, "\n\n[verse]\nthe ra\u200bin <|im_end|>\n", "words.txt")
    write(tmp_path, 'caption = "x"\nlyrics_file = "words.txt"\n')
    found = load_songs([tmp_path]).diagnostics

    places = [(one.code, one.file, one.span and (one.span.line, one.span.column)) for one in found]
    assert places == [("invisible-character", words, (4, 7)), ("control-token", words, (4, 11))]


def test_the_reference_page_is_the_tables_own() -> None:
    written = (Path(__file__).parents[2] / "docs" / "pages" / "reference" / "lints.md").read_text(encoding="utf-8")

    assert written == page(), "write it anew with `make reference`"
    assert all(f"## {code}\n" in written for code in ALLOWABLE)


def test_the_examples_of_this_project_pass_the_strict_check() -> None:
    found = load_songs([Path(__file__).parents[2] / "specs"]).diagnostics

    assert [one for one in found if one.level is not Level.NOTE] == []


@pytest.mark.parametrize(
    ("text", "script", "syllables"),
    [
        ("the rain came down on Monday", "Latin", 8),
        ("Cae la noche y no pregunto quién", "Latin", 10),
        ("雨の駅で 傘をたたむ", "kana", 10),
        ("月亮代表我的心", "Han", 7),
        ("사랑해요 그대", "Hangul", 6),
        ("дождь пришёл утром", "Cyrillic", 5),
    ],
)
def test_syllables_are_counted_by_script(text: str, script: str, syllables: int) -> None:
    from renderer.spec.script import letters, num_syllables

    counts = letters(text)
    assert max(counts, key=lambda name: counts[name]) == script
    assert abs(num_syllables(text) - syllables) <= 2


def sung_by_mistake() -> list[tuple[str, str]]:
    """The corpus of lyrics with what would be sung by mistake: the code expected, and the lyrics."""
    text = (Path(__file__).parent / "sung_by_mistake.txt").read_text(encoding="utf-8")
    rows = [row.split(" | ", 1) for row in text.splitlines() if not row.startswith("#")]
    return [(code, lyrics.replace("\\n", "\n")) for code, lyrics in rows]


@pytest.mark.parametrize(("code", "lyrics"), sung_by_mistake(), ids=[lyrics for _, lyrics in sung_by_mistake()])
def test_what_would_be_sung_by_mistake_is_told_once_and_nothing_else_is(tmp_path: Path, code: str, lyrics: str) -> None:
    spec = write(tmp_path, f"caption = 'x'\nlyrics = '''\n[verse]\n{lyrics}\n'''\n")

    assert [one.code for one in load_songs([spec]).diagnostics] == ([] if code == "-" else [code])


@pytest.mark.parametrize(
    ("caption", "metas", "codes"),
    [
        ("trance at 136-138 bpm", "bpm = 137", []),
        ("between 90 and 100 BPM", "bpm = 95", []),
        ("around 120 bpm", "bpm = 123", []),
        ("under 100 bpm", "bpm = 90", []),
        ("120+ bpm", "bpm = 140", []),
        ("128.25 bpm", "bpm = 128", []),
        ("140 bpm, half-time", "bpm = 70", []),
        ("from 80 bpm to 120 bpm", "bpm = 100", []),
        ("100 BPM or so", "bpm = 103", []),
        ("no faster than 100 bpm", "bpm = 90", []),
        ("from 80 bpm to 120 bpm", "bpm = 130", ["tempo-in-caption", "tempo-in-caption"]),
        ("136-138 bpm", "bpm = 140", ["tempo-in-caption"]),
        ("BPM: 120", "bpm = 100", ["tempo-in-caption"]),
        ("around 120 bpm", "bpm = 140", ["tempo-in-caption"]),
        ("ballad in a minor key", 'keyscale = "D minor"', []),
        ("in a major way", 'keyscale = "D minor"', []),
        ("in a minor, moody key", 'keyscale = "D minor"', []),
        ("in a Minor scale", 'keyscale = "D minor"', []),
        ("guitars in E minor thirds", 'keyscale = "D minor"', []),
        ("harmony a minor third above", 'keyscale = "D minor"', []),
        ("in E flat major", 'keyscale = "Eb major"', []),
        ("in A minor", 'keyscale = "D minor"', ["key-in-caption"]),
        ("in a minor, with strings", 'keyscale = "D minor"', ["key-in-caption"]),
        ("in Bb major", 'keyscale = "A minor"', ["key-in-caption"]),
    ],
)
def test_tempo_and_key_in_captions_are_read_as_people_mean_them(
    tmp_path: Path, caption: str, metas: str, codes: list[str]
) -> None:
    spec = write(tmp_path, f'caption = "{caption}"\ninstrumental = true\n[metas]\n{metas}\n')

    assert [one.code for one in load_songs([spec]).diagnostics] == codes


@pytest.mark.parametrize(
    ("language", "lyrics", "codes"),
    [
        ("ko", "Hey boy, look at me now\n오늘 밤 너와 나\nDon't stop, turn it up loud", []),
        ("ja", "Tonight we fly\nand never look back\n君と", []),
        ("ja", "kimi no koe ga kikoeru yoru ni", ["romanised-lyrics"]),
        ("zh", "wo xiang ni zai mei ge ye wan", ["romanised-lyrics"]),
        ("ur", "tum mere paas ho jab koi doosra nahi hota", ["romanised-lyrics"]),
        ("hi", "tere bina zindagi se koi shikwa to nahin", ["romanised-lyrics"]),
        ("hi", "baby tu meri jaan, come and dance with me tonight yaar", ["romanised-lyrics"]),
        ("ar", "habibi ya nour el ein ya sakin khayali", ["romanised-lyrics"]),
        ("zh", "[zh] wo3 xiang3 ni3 zai4 mei3 ge4 ye4 wan3", []),
        ("ru", "the rain came down on Monday and it was cold", ["wrong-script"]),
        ("zh", "дождь пришёл в понедельник утром", ["wrong-script"]),
        ("en", "дождь пришёл в понедельник утром", ["wrong-script"]),
        ("en", "오늘 밤 너와 나 함께 춤을 춰요\n그대여 별빛 아래서", ["wrong-script"]),
    ],
)
def test_a_script_is_wrong_only_where_another_language_is_sung(
    tmp_path: Path, language: str, lyrics: str, codes: list[str]
) -> None:
    spec = write(
        tmp_path, f'caption = "x"\nlyrics = """\n[verse]\n{lyrics}\n"""\n[metas]\nvocal_language = "{language}"\n'
    )
    found = load_songs([spec]).diagnostics

    assert [one.code for one in found] == codes
    assert f"`{language}`" not in " ".join(one.help for one in found), "advice to set what is set"


@pytest.mark.parametrize(
    ("lyrics", "codes"),
    [
        ("[Verse 1]\n[whispered]\nsnow on the wall\nnobody there", []),
        ("[Verse 1]\n[Mood: tender]\n[high energy]\nsnow on the wall", []),
        ("[Outro]\n[Fade Out]", []),
        ("[Outro]\nso long\n[Song fades out]", []),
        ("[Intro]\n[Verse]\nsnow on the wall", []),
        ("[en] [chorus]\nwe rise\n\n[zh] wo3 xiang3", []),
        ("[Verse 1]\n\n[Chorus]\nwe rise", ["empty-section"]),
        ("[Verse]\nsnow on the wall\n[Chorus]\nwe rise\n[Verse]\nsnow", ["joined-sections"]),
        ("[Verse 1]\n[Chrous]\nwe rise", ["unknown-tag"]),
    ],
)
def test_tags_that_belong_together_raise_nothing(tmp_path: Path, lyrics: str, codes: list[str]) -> None:
    spec = write(tmp_path, f'caption = "x"\nlyrics = """\n{lyrics}\n"""\n')

    assert [one.code for one in load_songs([spec]).diagnostics] == codes


def test_git_conflicts_are_errors_in_lyrics_and_in_lyric_files(tmp_path: Path) -> None:
    lyrics = "[verse]\n<<<<<<< HEAD\nrain\n||||||| base\nhail\n=======\nsnow\n>>>>>>> new"
    write(tmp_path, f'caption = "x"\nlyrics = """\n{lyrics}\n"""\n', "a.toml")
    words = write(tmp_path, lyrics, "words.txt")
    write(tmp_path, 'caption = "x"\nlyrics_file = "words.txt"\n', "b.toml")
    found = load_songs([tmp_path])

    assert found.songs == ()
    places = [(one.code, one.file and one.file.name, one.span and one.span.line) for one in found.diagnostics]
    assert places == [("conflict-mark", "a.toml", line) for line in (4, 6, 10)] + [
        ("conflict-mark", words.name, line) for line in (2, 4, 8)
    ]
