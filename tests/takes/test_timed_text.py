"""Timestamps as other programs read them: LRC, WebVTT, labels."""

from __future__ import annotations

from renderer.artifacts import TimedLine, TimedWord, Timestamps
from renderer.takes.timed_text import labels_text, lrc_text, vtt_text


def line(text: str, start: float, end: float, *words: tuple[str, float], tag: bool = False) -> TimedLine:
    timed = tuple(TimedWord(text=word, start=at, end=at) for word, at in words)
    return TimedLine(text=text, start=start, end=end, row=0, words=timed, coverage=None if tag else 1.0)


SONG = Timestamps(
    seconds=3700.0,
    lines=(
        line("[verse: soft]", 0.0, 0.5, tag=True),
        line("rock & <roll>", 59.999, 61.5, ("rock", 59.999), ("&", 60.25), ("<roll>", 61.0)),
        line("שלום לכולם", 62.0, 62.0, ("שלום", 62.0), ("לכולם", 62.0)),
        line("[chorus]", 3600.0, 3601.0, tag=True),
        line("月亮", 3601.0, 3605.0, ("月", 3601.0), ("亮", 3603.5)),
    ),
    lm_score=0.1,
    dit_score=0.2,
)


def test_lrc_has_a_time_a_line_and_never_sixty_seconds() -> None:
    assert lrc_text(SONG).splitlines() == [
        "[00:00.00][verse: soft]",
        "[01:00.00]rock & <roll>",
        "[01:02.00]שלום לכולם",
        "[60:00.00][chorus]",
        "[60:01.00]月亮",
    ]


def test_webvtt_times_words_escapes_them_and_leaves_tags_out() -> None:
    assert vtt_text(SONG) == (
        "WEBVTT\n\n"
        "00:00:59.999 --> 00:01:01.500\n"
        "rock <00:01:00.250>&amp; <00:01:01.000>&lt;roll&gt;\n\n"
        "00:01:02.000 --> 00:01:02.010\nשלום לכולם\n\n"
        "01:00:01.000 --> 01:00:05.000\n月<01:00:03.500>亮\n"
    )


def test_markers_are_the_sections_from_tag_to_tag() -> None:
    assert labels_text(SONG) == "0.000000\t3600.000000\tverse: soft\n3600.000000\t3700.000000\tchorus\n"


def test_a_song_without_lines_is_an_empty_text_of_each_kind() -> None:
    empty = Timestamps(seconds=1.0, lines=(), lm_score=0.0, dit_score=0.0)

    assert (lrc_text(empty), vtt_text(empty), labels_text(empty)) == ("", "WEBVTT\n", "")
