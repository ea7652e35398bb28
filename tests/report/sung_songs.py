"""Songs whose words are timed, and songs that are edits of each other: values by hand, tones on disk."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from renderer.artifacts import TimedLine, TimedWord, Timestamps
from renderer.report import MadeFrom, ReportLyrics, SectionMark, SkippedLine
from renderer.spec.lyrics import parse
from renderer.takes.measure import WordErrors
from renderer.takes.measure.values import Difference
from renderer.takes.measure.word_errors import LineErrors
from renderer.takes.sung_facts import read_sung_facts, sung_facts_text
from tests.report.songs import rendered, song

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.report import ReportSong, ReportTake

LYRICS = "[verse 1]\nwalk slowly now\nthe night is calling\n\n[chorus] (loud)\nfire in the corner\nnobody bows"
HEBREW = "[verse]\nשלום עולם יפה\nלילה טוב"
CHINESE = "[verse]\n雨が降る夜に\n君を待つ"
FIRST, LASTS, APART = 0.6, 0.3, 0.4  # seconds: of the first word, of a word, from word to word


def timed_lines(lyrics: str, *, later: float = 0.0, by_sign: bool = False) -> tuple[TimedLine, ...]:
    """Every line of the lyrics, a word each APART seconds, tags between them without a time of their own."""
    lines, at = [], FIRST + later
    for row, text in enumerate(lyrics.split("\n")):
        if not text:
            continue
        is_tag = text.startswith("[")
        words, begin = [], at
        for word in text.split() if not by_sign or is_tag else text:
            words.append(TimedWord(text=word, start=round(at, 2), end=round(at + (0 if is_tag else LASTS), 2)))
            at += 0 if is_tag else APART
        end = words[-1].end
        lines.append(
            TimedLine(text=text, start=begin, end=end, row=row, words=tuple(words), coverage=None if is_tag else 1.0)
        )
    return tuple(lines)


def told(take: ReportTake, lyrics: str, *, skipped: tuple[int, ...] = (), **more: object) -> ReportTake:
    """The take with the times of its words; the lines of these rows are skipped."""
    lines = tuple(
        dataclasses.replace(line, coverage=0.0) if line.row in skipped else line
        for line in timed_lines(lyrics, **more)  # type: ignore[arg-type]
    )
    timestamps = Timestamps(seconds=take.duration_seconds, lines=lines, lm_score=0.5, dit_score=0.5)
    facts = read_sung_facts(sung_facts_text(timestamps))
    assert facts
    missing = tuple(
        SkippedLine(text=line.text, start_seconds=line.start, row=line.row) for line in lines if line.is_skipped
    )
    marks = tuple(
        SectionMark(label=line.text.partition("]")[0].strip("["), start_seconds=line.start)
        for line in lines
        if line.is_tag
    )
    return dataclasses.replace(
        take,
        words=facts.words,
        times=facts.times,
        marks=marks if len(marks) > 1 else (),
        marks_estimated=False,
        lyrics_score=0.5 + 0.1 * take.seed,
        skipped=missing,
        advice=f"renderer fix {take.name} --at 4.2..8.2" if missing else "",
    )


def heard(lyrics: str, *, wrong: tuple[int, ...] = (), language: str = "en") -> WordErrors:
    """As a recogniser hears lyrics whose lines of these rows are other words."""
    lines = tuple(
        LineErrors(
            row=row,
            text=text,
            seconds=float(row),
            num_words=len(text.split()),
            num_errors=len(text.split()) if row in wrong else 0,
            transcript="mumbled words" if row in wrong else text,
        )
        for row, text in enumerate(lyrics.split("\n"))
        if text and not text.startswith("[")
    )
    return WordErrors(
        lines=lines,
        num_words=sum(line.num_words for line in lines),
        num_errors=sum(line.num_errors for line in lines),
        language="en",
        recognised=language,
        probability=0.9,
        recogniser="small",
        digest="d",
    )


def sung_song(folder: Path, *, seconds: float) -> ReportSong:
    """Three takes of one song with timed words, one of which skips a line, and one with other lyrics; one without."""
    own = LYRICS.replace("fire in the corner", "rain on the corner")
    takes = (
        told(rendered(folder, "sung", seed=1, seconds=seconds), LYRICS),
        dataclasses.replace(
            told(rendered(folder, "sung", seed=2, seconds=seconds), LYRICS, skipped=(5,), later=0.5),
            word_errors=heard(LYRICS, wrong=(2, 5), language="es"),
        ),
        dataclasses.replace(rendered(folder, "sung", seed=3, seconds=seconds), word_errors=heard(LYRICS, wrong=(6,))),
        dataclasses.replace(
            told(rendered(folder, "sung", seed=1, variant="rain", seconds=seconds), own),
            lyrics=ReportLyrics(text=own, sections=parse(own)),
            caption="A quiet song of rain",
        ),
    )
    return song("sung", "Sung", takes, sections=parse(LYRICS), lyrics=LYRICS)


def other_scripts(folder: Path, *, seconds: float) -> tuple[ReportSong, ReportSong]:
    """One song from right to left, and one that is written without spaces."""
    hebrew = told(rendered(folder, "hebrew", seed=1, seconds=seconds), HEBREW)
    chinese = told(rendered(folder, "chinese", seed=1, seconds=seconds), CHINESE, by_sign=True)
    return (
        song("hebrew", "שיר", (hebrew,), sections=parse(HEBREW), lyrics=HEBREW),
        song("chinese", "雨の夜", (chinese,), sections=parse(CHINESE), lyrics=CHINESE),
    )


def family(folder: Path, *, seconds: float) -> tuple[ReportSong, ReportSong]:
    """A song with an edit, and an edit of that; another song with a cover of the latter."""
    source = rendered(folder, "root", seed=1, seconds=seconds)
    other = rendered(folder, "root", seed=2, seconds=seconds)
    fixed = dataclasses.replace(
        rendered(folder, "root", seed=11, variant="fix", seconds=seconds),
        made_from=MadeFrom(
            task="repaint",
            source="root.s1",
            chain=("root.s1",),
            windows=((0.25 * seconds, 0.5 * seconds),),
            difference=Difference(
                num_outside=int(seconds * 96_000 * 0.7),
                num_outside_differing=0,
                outside_peak_db=None,
                num_inside=int(seconds * 96_000 * 0.2),
                num_inside_differing=int(seconds * 96_000 * 0.19),
                lossless=True,
            ),
        ),
    )
    again = dataclasses.replace(
        rendered(folder, "root", seed=12, variant="again", seconds=seconds + 2),
        made_from=MadeFrom(
            task="repaint",
            source="root.fix.s11",
            chain=("root.fix.s11", "root.s1"),
            windows=((0.0, 2.0), (0.75 * seconds, 0.9 * seconds)),
            lead_seconds=2.0,
            difference=Difference(
                num_outside=1000,
                num_outside_differing=10,
                outside_peak_db=-30.0,
                num_inside=1000,
                num_inside_differing=990,
                lossless=True,
            ),
        ),
    )
    cover = dataclasses.replace(
        rendered(folder, "waltz", seed=3, variant="cov", seconds=seconds),
        made_from=MadeFrom(task="cover", source="root.again.s12", chain=("root.again.s12", "root.fix.s11", "root.s1")),
    )
    drums = dataclasses.replace(
        rendered(folder, "waltz", seed=4, variant="drums", seconds=seconds),
        made_from=MadeFrom(task="lego", source="demo.wav", is_take=False),
    )
    # As specs have them: edits behind all other takes.
    return song("root", "Root", (source, other, again, fixed)), song("waltz", "As a waltz", (cover, drums))
