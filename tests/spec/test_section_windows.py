"""When a song's sections are played, by the lines that are their tags, and which of them a name means."""

from __future__ import annotations

from renderer.artifacts import TimedLine, Timestamps
from renderer.song import Section
from renderer.spec.section_windows import section_windows, windows_of

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
    windows = section_windows(WHOLE, SONG)

    assert [one.start for one in windows_of("[chorus]", None, windows)] == [20.0, 40.0]
    assert [one.start for one in windows_of("CHORUS", 2, windows)] == [40.0]
    assert [one.start for one in windows_of("verse", 2, windows)] == [30.0]
    assert windows_of("bridge", None, windows) == windows_of("chorus", 3, windows) == ()


def test_sections_behind_the_end_of_what_was_read_have_no_window() -> None:
    windows = section_windows(timed((1, 2.0), (2, 3.0), (4, 50.0)), SONG)

    assert [(one.name, one.start, one.end) for one in windows] == [("verse 1", 2.0, 50.0), ("chorus 1", 50.0, 60.0)]
