"""When a song's sections are played, by the lines that are their tags, and which of them a name means."""

from __future__ import annotations

from renderer.artifacts import TimedLine, Timestamps
from renderer.song import Section
from renderer.spec.section_windows import section_names, section_windows, sections_named

SONG = (
    Section(tag="", lines=("hm",), start=0),
    Section(tag="verse", number=1, lines=("la",), start=1),
    Section(tag="chorus", lines=("oh",), start=4),
    Section(tag="verse", number=2, lines=(), start=6),
    Section(tag="Chorus", lines=("oh",), start=7),
)


def timed(*rows: tuple[int, float]) -> Timestamps:
    lines = tuple(TimedLine(text=f"line {row}", start=start, end=start + 1.0, row=row, words=()) for row, start in rows)
    return Timestamps(seconds=60.0, lines=lines, lm_score=0.0, dit_score=0.0)


WHOLE = timed((0, 0.0), (1, 5.0), (2, 6.0), (4, 20.0), (5, 21.0), (6, 30.0), (7, 40.0), (8, 41.0))


def test_a_section_lasts_from_its_tag_to_the_next_ones_and_the_last_to_the_end() -> None:
    found = [(one.name, one.start, one.end) for one in section_windows(WHOLE, SONG)]

    assert found == [
        (" 1", 0.0, 5.0),
        ("verse 1", 5.0, 20.0),
        ("chorus 1", 20.0, 30.0),
        ("verse 2", 30.0, 40.0),
        ("Chorus 2", 40.0, 60.0),
    ]


def test_a_tag_that_stands_twice_means_both_and_with_a_number_one() -> None:
    assert sections_named("[chorus]", None, SONG) == (2, 4)
    assert sections_named("CHORUS", 2, SONG) == (4,)
    assert sections_named("verse", 2, SONG) == (3,)
    assert sections_named("bridge", None, SONG) == sections_named("chorus", 3, SONG) == ()
    assert sections_named("", None, SONG) == ()


def test_a_section_can_be_called_by_its_tag_and_one_of_several_by_its_number() -> None:
    numbered = Section(tag="intro", number=1)

    assert section_names((*SONG, Section(tag="bridge"), numbered)) == (
        *("verse", "verse 1", "chorus", "chorus 1", "verse 2", "Chorus 2"),
        *("bridge", "intro", "intro 1"),
    )


def test_sections_behind_the_end_of_what_was_read_have_no_window() -> None:
    windows = section_windows(timed((1, 2.0), (2, 3.0), (4, 50.0)), SONG)

    assert [(one.name, one.start, one.end) for one in windows] == [("verse 1", 2.0, 50.0), ("chorus 1", 50.0, 60.0)]
