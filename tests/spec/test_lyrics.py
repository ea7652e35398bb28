"""Lyrics to sections, and the text that is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.song import Section
from renderer.spec.headings import header, heading
from renderer.spec.load import load_songs
from renderer.spec.lyrics import inline_cues, parse, restyled, unified, written
from renderer.spec.tags import SECTION_NAMES, TagKind, kind_of, singular


def corpus() -> list[tuple[str, Section | None]]:
    """The lines of the corpus with the section they head."""
    text = (Path(__file__).parent / "section_headers.txt").read_text(encoding="utf-8")
    rows = [row.rsplit(" | ", 3) for row in text.splitlines() if not row.startswith("#")]
    return [
        (
            line,
            None
            if tag == "-"
            else Section(
                tag=tag,
                number=None if number == "-" else int(number),
                annotation=None if annotation == "-" else annotation,
            ),
        )
        for line, tag, number, annotation in rows
    ]


@pytest.mark.parametrize(("line", "expected"), corpus(), ids=[line.strip() for line, _ in corpus()])
def test_headers_as_found_in_the_wild_are_taken_apart(line: str, expected: Section | None) -> None:
    assert header(line) == expected


def marked_corpus() -> list[tuple[str, ...]]:
    """The rows of the corpus of other forms."""
    text = (Path(__file__).parent / "headings_with_marks.txt").read_text(encoding="utf-8")
    return [tuple(row.rsplit(" | ", 5)) for row in text.splitlines() if not row.startswith("#")]


@pytest.mark.parametrize("row", marked_corpus(), ids=[row[0].strip() for row in marked_corpus()])
def test_headings_in_other_forms_are_recognised_where_certain(row: tuple[str, ...]) -> None:
    line, tag, number, annotation, plain, words = row
    found = heading(line, "words above it")

    if tag == "-":
        assert found is None
        return
    assert found is not None
    section = found.section
    told = (section.tag, str(section.number or "-"), section.annotation or "-", found.plain, found.words or "-")
    assert told == (tag, number, annotation, plain, words)
    assert not found.clean


@pytest.mark.parametrize("row", [row for row in marked_corpus() if row[1] != "-"], ids=lambda row: row[0].strip())
def test_the_line_to_write_is_a_clean_heading_of_the_same_section(row: tuple[str, ...]) -> None:
    found = heading(row[4])

    assert found is not None
    assert found.clean
    assert singular(found.section.tag) == singular(row[1])


def test_the_corpora_are_corpora() -> None:
    assert len(corpus()) + len(marked_corpus()) >= 250


@pytest.mark.parametrize(("line", "above"), [("Chorus", ""), ("Bridge", ""), ("Refrão", ""), ("(Drop)", "")])
def test_a_bare_name_heads_a_section_only_below_a_blank_line(line: str, above: str) -> None:
    assert heading(line, above) is not None
    assert heading(line, "the rain came down") is None


def test_round_brackets_that_echo_the_line_above_are_backing_vocals() -> None:
    assert heading("(bridge)", "we met upon the bridge") is None
    assert heading("(chorus)", "we met upon the bridge") is not None


@pytest.mark.parametrize("line", ["hello [laughs]", "(Chorus)", "[]", "", "[a] b", "[" + " " * 100_000 + "]"])
def test_other_lines_head_no_section(line: str) -> None:
    assert header(line) is None


def test_lines_before_the_first_tag_and_empty_sections_are_kept() -> None:
    assert parse("la la\n\n[inst]\n\n[verse]\none\n\ntwo") == (
        Section(tag="", lines=("la la",)),
        Section(tag="inst"),
        Section(tag="verse", lines=("one", "", "two")),
    )


def test_only_line_ends_composition_and_outer_blanks_change() -> None:
    assert unified("\r\n \n [verse]\t\r\n  e\u0301  x \r\n\r\n") == " [verse]\n  é  x"


def test_tags_below_a_tag_are_directions_of_its_section() -> None:
    text = "[Verse 1]\n[whispered]\n[Mood: tender]\n[Ana]\nsnow on the wall\n\n[Chorus]\n\n[high energy]\nwe rise"

    assert parse(text) == (
        Section(tag="Verse", number=1, annotation="whispered, Mood: tender, Ana", lines=("snow on the wall",)),
        Section(tag="Chorus", annotation="high energy", lines=("we rise",)),
    )
    assert [section.first for section in parse(text)] == [4, 9]


def test_a_direction_or_an_ending_below_sung_lines_stays_among_them() -> None:
    assert parse("[Outro]\nso long\n[whispered]\nso long\n[Song fades out]") == (
        Section(
            tag="Outro",
            lines=("so long", "[whispered]", "so long", "[Song fades out]"),
            cues=("whispered", "Song fades out"),
        ),
    )


def test_language_marks_head_no_section() -> None:
    assert parse("[Verse]\n[zh] wo3 xiang3\n[en]\n\n[en] [chorus]\n[zh] ni3") == (
        Section(tag="Verse", lines=("[zh] wo3 xiang3", "[en]"), cues=("zh", "en")),
        Section(tag="chorus", annotation="en", lines=("[zh] ni3",), cues=("zh",)),
    )


def test_words_in_the_line_of_a_heading_are_its_first_line() -> None:
    (section,) = parse("Verse 1: the rain\ncame down")

    assert (section, section.first) == (Section(tag="Verse", number=1, lines=("the rain", "came down")), 0)


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("Rap Verse", TagKind.SUNG),
        ("rap verse 2", TagKind.SUNG),
        ("Final Chorus", TagKind.SUNG),
        ("Outro Chorus", TagKind.SUNG),
        ("Drop/Chorus", TagKind.SUNG),
        ("verse two", TagKind.SUNG),
        ("Second Verse", TagKind.SUNG),
        ("1. Strophe", TagKind.SUNG),
        ("Refrão Final", TagKind.SUNG),
        ("Último Refrão", TagKind.SUNG),
        ("Zwrotka 3", TagKind.SUNG),
        ("Nakarat", TagKind.SUNG),
        ("Son Nakarat", TagKind.SUNG),
        ("Припев 2", TagKind.SUNG),
        ("अंतरा", TagKind.SUNG),
        ("मुखड़ा", TagKind.SUNG),
        ("اللازمة", TagKind.SUNG),
        ("Điệp khúc", TagKind.SUNG),
        ("ท่อนฮุก", TagKind.SUNG),
        ("Reff", TagKind.SUNG),
        ("第二段主歌", TagKind.SUNG),
        ("ラスサビ", TagKind.SUNG),
        ("2절", TagKind.SUNG),
        ("organ solo", TagKind.INSTRUMENTAL),
        ("Instrumental Bridge", TagKind.INSTRUMENTAL),
        ("Instrumental Break with Synth Brass", TagKind.INSTRUMENTAL),
        ("Guitar & Synth Solo", TagKind.INSTRUMENTAL),
        ("Wstęp", TagKind.INSTRUMENTAL),
        ("Вступление", TagKind.INSTRUMENTAL),
        ("المقدمة", TagKind.INSTRUMENTAL),
        ("Dạo đầu", TagKind.INSTRUMENTAL),
        ("อินโทร", TagKind.INSTRUMENTAL),
        ("Pembuka", TagKind.INSTRUMENTAL),
        ("Song fades out", TagKind.ENDING),
        ("Instrumental fades", TagKind.ENDING),
        ("abrupt silence", TagKind.ENDING),
        ("Fade Out", TagKind.ENDING),
        ("Final guitar chord and fade out", TagKind.ENDING),
        ("淡出", TagKind.ENDING),
        ("whispered", TagKind.DIRECTION),
        ("raspy vocal", TagKind.DIRECTION),
        ("powerful belting", TagKind.DIRECTION),
        ("call and response", TagKind.DIRECTION),
        ("ad-lib", TagKind.DIRECTION),
        ("harmonies", TagKind.DIRECTION),
        ("high energy", TagKind.DIRECTION),
        ("building energy", TagKind.DIRECTION),
        ("melancholic", TagKind.DIRECTION),
        ("euphoric", TagKind.DIRECTION),
        ("Mood", TagKind.DIRECTION),
        ("Vocal Style", TagKind.DIRECTION),
        ("Synth arpeggio and pads", TagKind.DIRECTION),
        ("Vocal ad-libs", TagKind.DIRECTION),
        ("女声", TagKind.DIRECTION),
        ("ささやき", TagKind.DIRECTION),
        ("шёпотом", TagKind.DIRECTION),
        ("en", TagKind.LANGUAGE),
        ("zh", TagKind.LANGUAGE),
        ("Korean", TagKind.LANGUAGE),
        ("Końcówka", TagKind.INSTRUMENTAL),
        ("Bait kedua", TagKind.SUNG),
        ("परिचय", TagKind.INSTRUMENTAL),
        ("عزف", TagKind.INSTRUMENTAL),
        ("Assolo di chitarra", TagKind.INSTRUMENTAL),
        ("Acoustic guitar", TagKind.DIRECTION),
        ("chrous", TagKind.UNKNOWN),
        ("Meditationsraum", TagKind.UNKNOWN),
    ],
)
def test_tags_are_told_apart_in_the_languages_they_are_written_in(tag: str, kind: TagKind) -> None:
    assert kind_of(tag) is kind


def test_no_name_of_a_part_holds_a_line_end_or_a_double_blank() -> None:
    assert [name for name in SECTION_NAMES if name != " ".join(name.split())] == []


def test_parsing_leaves_what_is_sent_as_it_is_written(tmp_path: Path) -> None:
    lines = [row[0] for row in marked_corpus()]
    (tmp_path / "words.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "song.toml").write_text('caption = "x"\nlyrics_file = "words.txt"\n', encoding="utf-8")
    (song,) = load_songs([tmp_path]).songs

    assert song.lyrics == unified("\n".join(lines))


def test_sections_are_written_with_a_blank_line_between() -> None:
    text = written([("verse 2", None, "one\n"), ("bridge", "soft", "")])

    assert text == "[verse 2]\none\n\n[bridge] (soft)"
    assert parse(text) == (Section(tag="verse", number=2, lines=("one",)), Section(tag="bridge", annotation="soft"))


def test_annotations_are_written_in_the_style_that_is_asked_for() -> None:
    text = "[verse 2] (soft)\none (one)\n\n[Bridge - fast]\n\n[outro]"

    assert restyled(text, "bracket") == "[verse 2 - soft]\none (one)\n\n[Bridge - fast]\n\n[outro]"
    assert restyled(text, "paren") == "[verse 2] (soft)\none (one)\n\n[Bridge] (fast)\n\n[outro]"
    assert parse(restyled(text, "bracket")) == parse(text)


def test_cues_inside_lines_are_found_and_stay_in_the_line() -> None:
    (section,) = parse("[verse]\nstay (stay) [laughs]\ngo")

    assert inline_cues("stay (stay) [laughs]") == ("stay", "laughs")
    assert section == Section(tag="verse", lines=("stay (stay) [laughs]", "go"), cues=("stay", "laughs"))
