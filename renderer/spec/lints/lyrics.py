"""Lints of the lyrics: length and density, section tags, brackets, language."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from typing import TYPE_CHECKING

from renderer.spec.findings import Finding, LyricsFinding
from renderer.spec.lints.tags import INSTRUMENTAL_TAGS, SECTION_TAGS, SUNG_TAGS, is_known, singular
from renderer.spec.script import num_syllables, num_tokens, written_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.song import Section
    from renderer.spec.lints.subject import Subject

MAX_CHARACTERS = 4096
MAX_TOKENS = 2048
QUICK_PACE = 6.0  # syllables a second that can still be sung; fast rap
SLOW_PACE = 0.35  # syllables a second below which long stretches have no words
INSTRUMENTAL_SECONDS = 6.0  # that a section without words takes, at least
MAX_LINE_SYLLABLES = 18  # 6 to 10 work best
MIN_LETTERS = 20  # below that a script says little
MIN_SHARE = 0.3  # of the letters in the language's own script
MAX_HEADING = 60  # characters
MIN_UNTAGGED = 8  # lines after which sections are missed
_SUNG_HEADINGS = tuple(
    re.compile(form)
    for form in (
        r"\(([^()]{2,40})\)",
        r"\{([^{}]{2,40})\}",
        r"<([^<>|]{2,40})>",
        "\u3010([^\u3010\u3011]{1,40})\u3011",
        r"\*\*([^*]{2,40})\*\*",
        r"#+\s*([^#]{2,40})",
        r"([^\W\d_][\w -]{1,30})[:\uff1a]",
    )
)
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\u180e]|[\U000e0000-\U000e007f]")


def empty_lyrics(subject: Subject) -> Iterator[Finding]:
    """Lyrics written as empty: sung without words to go by, which is hardly ever what is meant."""
    if not subject.song.instrumental and subject.draft.spec.lyrics is not None and not subject.lyrics:
        yield Finding(
            path=("lyrics",),
            message="the lyrics are empty",
            why="the model is asked to sing and has no words for it",
            help="write the words, or `instrumental = true` in place of `lyrics` for music without singing",
        )


def long_lyrics(subject: Subject) -> Iterator[Finding]:
    """More characters than ACE-Step takes."""
    if len(subject.lyrics) > MAX_CHARACTERS:
        yield _about_all(
            subject, f"the lyrics have {len(subject.lyrics)} characters", f"ACE-Step takes {MAX_CHARACTERS}"
        )


def many_tokens(subject: Subject) -> Iterator[Finding]:
    """More tokens than the DiT reads."""
    if len(subject.lyrics) * 2 < MAX_TOKENS:
        return
    tokens = num_tokens(subject.lyrics)
    if tokens > MAX_TOKENS:
        why = f"the DiT reads {MAX_TOKENS}, and what comes after is not sung"
        yield _about_all(subject, f"the lyrics have about {tokens} tokens", why)


def too_dense(subject: Subject) -> Iterator[Finding]:
    """More words than fit into the duration."""
    duration = subject.song.metas.duration
    if duration is None or not any(subject.syllables):
        return
    seconds = [_sung_seconds(*pair) for pair in zip(subject.sections, subject.syllables, strict=True)]
    if sum(seconds) > duration:
        sections = zip(subject.sections, seconds, strict=True)
        longest = ", ".join(f"{section.tag or 'start'} {took:.0f} s" for section, took in list(sections)[:6])
        yield _about_duration(
            subject,
            f"the words need about {sum(seconds):.0f} s, the song has {duration:g} s",
            f"even at {QUICK_PACE:g} syllables a second: {longest}",
            "lengthen the song or drop lines",
        )


def too_thin(subject: Subject) -> Iterator[Finding]:
    """Far fewer words than the duration has room for."""
    duration, syllables = subject.song.metas.duration, sum(subject.syllables)
    if duration is not None and syllables and syllables / duration < SLOW_PACE:
        yield _about_duration(
            subject,
            f"{syllables} syllables for {duration:g} s",
            "long stretches have no words, which ACE-Step fills as it likes",
            "shorten the song, or add sections such as `[instrumental]`",
        )


def long_lines(subject: Subject) -> Iterator[LyricsFinding]:
    """A line too full to be sung in one breath."""
    for section in subject.sections:
        for number, line in _numbered(section, subject):
            shortest = (
                MAX_LINE_SYLLABLES * 2 if line.isascii() else MAX_LINE_SYLLABLES
            )  # letters that many syllables take
            if len(line) > shortest and (count := num_syllables(line)) > MAX_LINE_SYLLABLES:
                yield LyricsFinding(
                    line=number,
                    message=f"about {count} syllables in one line",
                    why="6 to 10 are sung most clearly",
                    help="break the line",
                )


def joined_sections(subject: Subject) -> Iterator[LyricsFinding]:
    """A section that follows the one before without a blank line."""
    for section in subject.sections:
        start = section.start
        if start and section.tag and subject.lines[start - 1].strip():
            yield LyricsFinding(
                line=start,
                message=f"no blank line before `[{section.tag}]`",
                why="sections run into each other, and words may be skipped",
                help="leave a line blank",
            )


def stacked_tags(subject: Subject) -> Iterator[LyricsFinding]:
    """Several tags in one line."""
    for section in subject.sections:
        line = subject.lines[section.start] if section.tag else ""
        if line.count("[") > 1:
            yield LyricsFinding(
                line=section.start,
                message="several tags in one line",
                why="stacked tags may be sung",
                help=f"write `[{section.tag}] ({section.annotation})`" if section.annotation else "keep one",
            )


def sung_headings(subject: Subject) -> Iterator[LyricsFinding]:
    """A section's name in a form that is sung."""
    for section in subject.sections:
        for number, line in _numbered(section, subject):
            name = _heading(line)
            if name and is_known(name):
                yield LyricsFinding(
                    line=number,
                    text=line.strip(),
                    message=f"`{line.strip()}` would be sung",
                    why="only square brackets make a tag; round ones are backing vocals",
                    help=f"write `[{singular(name)}]`",
                )


def unknown_tags(subject: Subject) -> Iterator[LyricsFinding]:
    """A tag that names no known section."""
    for section in subject.sections:
        if section.tag and not is_known(section.tag):
            near = get_close_matches(singular(section.tag), SECTION_TAGS, n=1, cutoff=0.75)
            yield LyricsFinding(
                line=section.start,
                text=section.tag,
                message=f"`{section.tag}` is no section that ACE-Step is known to follow",
                why="it may be followed, ignored or sung",
                help=f"did you mean `{near[0]}`?" if near else "",
            )


def untagged(subject: Subject) -> Iterator[LyricsFinding]:
    """Many lines without any section."""
    if len(subject.sections) == 1 and not subject.sections[0].tag:
        num_lines = sum(1 for line in subject.lines if line.strip())
        if num_lines >= MIN_UNTAGGED:
            yield LyricsFinding(
                line=0,
                message=f"{num_lines} lines without a section tag",
                why="tags tell the model where the song turns",
                help="head the parts with `[verse]`, `[chorus]`, `[bridge]`",
            )


def empty_sections(subject: Subject) -> Iterator[LyricsFinding]:
    """A sung section without words."""
    for section in subject.sections:
        if not section.lines and not section.annotation and singular(section.tag) in SUNG_TAGS:
            yield LyricsFinding(
                line=section.start,
                message=f"`[{section.tag}]` has no words",
                why="the model may sing words of its own there",
                help=f"add lines, say how it is played (`[{section.tag}] (…)`), or write `[instrumental]`",
            )


def wrong_script(subject: Subject) -> Iterator[Finding]:
    """Lyrics that are not in their language's script."""
    language = subject.draft.spec.metas.vocal_language
    total = sum(subject.letters.values())
    if language is None or total < MIN_LETTERS:
        return
    expected = written_in(language)
    share = sum(subject.letters.get(script, 0) for script in expected) / total
    if expected and share < MIN_SHARE:
        mostly = max(subject.letters, key=lambda script: subject.letters[script])
        yield Finding(
            path=("metas", "vocal_language"),
            message=f"`vocal_language` is {language}, but the lyrics are in {mostly} letters",
            why=f"{language} is written in {' and '.join(expected)}",
            help="set the language that is sung",
        )


def invisible_characters(subject: Subject) -> Iterator[LyricsFinding]:
    """Characters nobody sees, left by copying from a page."""
    if subject.lyrics.isascii():
        return
    for number, line in enumerate(subject.lines):
        for match in _INVISIBLE.finditer(line):
            name = unicodedata.name(match[0], "an unnamed character").lower()
            yield LyricsFinding(
                line=number,
                text=match[0],
                message=f"an invisible character, U+{ord(match[0]):04X} {name}",
                why="it splits words for the model",
                help="take it out",
            )


def _heading(line: str) -> str:
    """The name in a line that looks like a heading without being a tag."""
    bare = line.strip()
    if len(bare) > MAX_HEADING or not (bare[:1] in "({<\u3010*#" or bare[-1:] in ":\uff1a"):
        return ""
    return next((match[1] for form in _SUNG_HEADINGS if (match := form.fullmatch(bare))), "")


def _numbered(section: Section, subject: Subject) -> Iterator[tuple[int, str]]:
    """A section's lines with their numbers in the lyrics."""
    first = section.start + 1 if section.tag else section.start
    while first < len(subject.lines) and not subject.lines[first].strip():
        first += 1
    yield from enumerate(section.lines, first)


def _sung_seconds(section: Section, syllables: int) -> float:
    if syllables:
        return syllables / QUICK_PACE
    return INSTRUMENTAL_SECONDS if singular(section.tag) in INSTRUMENTAL_TAGS else 0.0


def _about_all(subject: Subject, message: str, why: str) -> Finding:
    key = "lyrics" if subject.draft.spec.lyrics is not None else "lyrics_file"
    return Finding(path=(key,), message=message, why=why, help="split the song, or drop lines")


def _about_duration(subject: Subject, message: str, why: str, advice: str) -> Finding:
    given = subject.draft.spec.metas.duration is not None
    return Finding(path=("metas", "duration") if given else ("lyrics",), message=message, why=why, help=advice)
