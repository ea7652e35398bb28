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
    "long-lyrics": (2, '"""'),
    "many-tokens": (2, '"""'),
    "too-dense": (47, "30"),
    "too-thin": (7, "120"),
    "long-line": (4, "the rain came down on Monday and it hasn't stopped to this very evening in the city"),
    "joined-sections": (5, "[chorus]"),
    "stacked-tags": (3, "[verse][whispered][slow]"),
    "sung-heading": (3, "(Chorus)"),
    "unknown-tag": (3, "chrous"),
    "untagged": (3, "the rain came down on Monday"),
    "empty-section": (3, "[verse]"),
    "invisible-character": (4, "\u200b"),
    "turbo-steps": (7, "20"),
    "few-steps": (8, "8"),
    "turbo-shift": (7, "4.5"),
    "turbo-times": (7, "[1.0, 0.7, 0.3]"),
    "turbo-guidance": (7, "guidance_scale"),
    "unusual-guidance": (8, "14.0"),
    "steps-beside-times": (8, "shift"),
    "lm-unused": (9, "lm_temperature"),
    "chain-skipped": (8, "use_cot_caption"),
    "unconstrained": (7, "false"),
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


def test_defaults_that_a_specs_own_model_does_not_suit_are_reported_at_the_model(tmp_path: Path) -> None:
    write(tmp_path, "[inference]\ninference_steps = 8\n", "renderer.toml")
    spec = write(tmp_path, 'model = "sft"\ncaption = "x"\ninstrumental = true\n')
    (found,) = load_songs([tmp_path]).diagnostics

    assert (found.code, found.file, found.span and found.span.line) == ("few-steps", spec, 1)


@pytest.mark.parametrize(
    ("folder", "codes"),
    [("acestep-v15-turbo-shift1", ["turbo-shift"]), ("acestep-v15-turbo", []), ("acestep-v15-turbo-mine", [])],
)
def test_a_folder_called_as_published_is_known_by_its_name(tmp_path: Path, folder: str, codes: list[str]) -> None:
    (tmp_path / folder).mkdir()
    write(tmp_path, f'model = "{folder}"\ncaption = "x"\ninstrumental = true\n')

    assert [one.code for one in load_songs([tmp_path]).diagnostics] == codes


def test_a_variant_is_reported_at_its_own_key(tmp_path: Path) -> None:
    spec = write(tmp_path, 'caption = "x"\ninstrumental = true\n[variants.wide]\nshift = 4.0\n')
    (found,) = load_songs([spec]).diagnostics

    assert (found.code, found.span and found.span.line) == ("turbo-shift", 4)


def test_findings_in_list_form_lyrics_point_at_their_line(tmp_path: Path) -> None:
    spec = write(
        tmp_path,
        'caption = "x"\n[[lyrics]]\nsection = "verse"\ntext = "one"\n[[lyrics]]\nsection = "chrous"\n'
        'text = """\nthe rain came down\n(Bridge)\n"""\n',
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
    written = (Path(__file__).parents[2] / "schemas" / "lints.md").read_text(encoding="utf-8")

    assert written == page(), "write it anew with `renderer schema`"
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
