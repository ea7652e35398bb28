"""Lints of the lyrics: length and density, section tags, brackets, language."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from typing import TYPE_CHECKING

from renderer.facts import MAX_LYRIC_TOKENS
from renderer.spec.findings import Finding, LyricsFinding
from renderer.spec.headings import mended
from renderer.spec.lints.caption import WORTH_COUNTING
from renderer.spec.script import LATIN, is_english, likely_language, num_syllables, num_tokens, written_in
from renderer.spec.tags import SECTION_NAMES, TagKind, is_known, kind_of, singular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.song import Section
    from renderer.spec.lints.subject import Subject

MAX_CHARACTERS = 4096
QUICK_PACE = 6.0  # syllables a second that can still be sung; fast rap
SLOW_PACE = 0.35  # syllables a second below which long stretches have no words
INSTRUMENTAL_SECONDS = 6.0  # that a section without words takes, at least
MAX_LINE_SYLLABLES = 18  # 6 to 10 work best
MIN_LETTERS = 20  # below that a script says little
MIN_SHARE = 0.3  # of the letters in the language's own script
MIN_OWN_LETTERS = 1  # in its own script that make a song in Latin letters a mixed one
MIN_UNTAGGED = 8  # lines after which sections are missed
_TAGS = re.compile(r"\[([^\[\]]+)\]")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\u180e]|[\U000e0000-\U000e007f]")


def empty_lyrics(subject: Subject) -> Iterator[Finding]:
    """Lyrics written as empty: sung without words to go by, which is hardly ever what is meant."""
    spec = subject.draft.spec
    if spec.lyrics is not None and spec.lyrics_file is None and not (subject.song.instrumental or subject.lyrics):
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
    if len(subject.lyrics) * 2 < MAX_LYRIC_TOKENS:
        return
    tokens = num_tokens(subject.lyrics)
    counted = subject.prompt_tokens if tokens > WORTH_COUNTING * MAX_LYRIC_TOKENS else None
    if (counted[1] if counted else tokens) > MAX_LYRIC_TOKENS:
        why = f"the DiT reads {MAX_LYRIC_TOKENS}, and what comes after is not sung"
        yield _about_all(subject, f"the lyrics have {counted[1] if counted else f'about {tokens}'} tokens", why)


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
            f"{syllables} syllable{'s'[: syllables != 1]} for {duration:g} s",
            "long stretches have no words, which ACE-Step fills as it likes",
            "shorten the song, or add sections such as `[instrumental]`",
        )


def long_lines(subject: Subject) -> Iterator[LyricsFinding]:
    """A line too full to be sung in one breath."""
    for number, line in subject.sung_lines:
        shortest = MAX_LINE_SYLLABLES * 2 if line.isascii() else MAX_LINE_SYLLABLES  # letters that many syllables take
        if len(line) > shortest and (count := num_syllables(line)) > MAX_LINE_SYLLABLES:
            yield LyricsFinding(
                line=number,
                message=f"about {count} syllables in one line",
                why="6 to 10 are sung most clearly",
                help="break the line",
            )


def joined_sections(subject: Subject) -> Iterator[LyricsFinding]:
    """Sections that follow sung words without a blank line."""
    joined = [section for section in subject.sections if _is_joined(section, subject)]
    if joined:
        more = f", nor before {len(joined) - 1} more" if len(joined) > 1 else ""
        yield LyricsFinding(
            line=joined[0].start,
            message=f"no blank line before `{subject.lines[joined[0].start].strip()}`{more}",
            why="sections run into each other, and words may be skipped",
            help="leave a line blank before each section",
            mends=tuple((section.start, _with_blank_above) for section in joined),
        )


def stacked_tags(subject: Subject) -> Iterator[LyricsFinding]:
    """Several tags in one line."""
    for number, found in subject.headings:
        line, section = subject.lines[number], found.section
        tags = [tag for tag in _TAGS.findall(line) if kind_of(tag) is not TagKind.LANGUAGE]
        if len(tags) > 1 and line.lstrip().startswith("["):
            yield LyricsFinding(
                line=number,
                message="several tags in one line",
                why="stacked tags may be sung",
                help=f"write `[{section.numbered_tag}] ({section.annotation})`" if section.annotation else "keep one",
            )


def sung_headings(subject: Subject) -> Iterator[LyricsFinding]:
    """A section's name in a form that is sung."""
    for number, found in subject.headings:
        if found.clean:
            continue
        written = subject.lines[number].strip()
        shown = written.removesuffix(found.words).strip() if found.words else written
        message, why = f"`{shown}` would be sung", "only square brackets make a tag; round ones are backing vocals"
        if found.square:
            message, why = (
                f"`{shown}` is more than a tag",
                "what stands around its brackets is sent too, and may be sung",
            )
        if found.words and shown == found.plain:
            message, why = f"words in the line of `{shown}`", "a tag stands in a line of its own; here it may be sung"
        behind = ", and the words in the next line" if found.words else ""
        told = found.plain
        if isinstance(subject.draft.spec.lyrics, list) and written.startswith("[["):
            told = f'section = "{found.plain[1:-1]}"'  # the list form puts the brackets round it
        yield LyricsFinding(
            line=number,
            text=shown,
            message=message,
            why=why,
            help=f"write `{told}`{behind}",
            mends=((number, mended),),
        )


def unknown_tags(subject: Subject) -> Iterator[LyricsFinding]:
    """A tag that names no known section."""
    for number, found in subject.headings:
        tag = found.section.tag
        if not is_known(tag) and not _is_lyric_head(tag):
            near = get_close_matches(singular(tag), SECTION_NAMES, n=1, cutoff=0.75)
            yield LyricsFinding(
                line=number,
                text=tag,
                message=f"`{tag}` is no section that ACE-Step is known to follow",
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
        if not section.lines and not section.annotation and kind_of(section.tag) is TagKind.SUNG:
            yield LyricsFinding(
                line=section.start,
                message=f"`[{section.numbered_tag}]` has no words",
                why="the model may sing words of its own there",
                help=f"add lines, say how it is played (`[{section.numbered_tag}] (…)`), or write `[instrumental]`",
            )


def wrong_script(subject: Subject) -> Iterator[Finding]:
    """Lyrics in a script that their language is not written in, romanised ones apart."""
    language, total = subject.written_metas.vocal_language, sum(subject.letters.values())
    if language is None or total < MIN_LETTERS or not _is_foreign(subject, written_in(language)):
        return
    expected = written_in(language)
    mostly = max(subject.letters, key=lambda script: subject.letters[script])
    if mostly == LATIN.name and not is_english(subject.sung):
        return  # romanised, which is a note's matter
    likely = "en" if mostly == LATIN.name else likely_language(subject.letters)
    yield Finding(
        path=("metas", "vocal_language"),
        message=f"`vocal_language` is {language}, but the lyrics are in {mostly} letters",
        why=f"{language} is written in {' and '.join(expected)}",
        help=f"write `{likely}` if that is what is sung" if likely else "set the language that is sung",
    )


def romanised_lyrics(subject: Subject) -> Iterator[LyricsFinding]:
    """Lyrics in Latin letters of a language that is written in others."""
    language = subject.written_metas.vocal_language
    if language is None or sum(subject.letters.values()) < MIN_LETTERS or set(subject.letters) != {LATIN.name}:
        return
    marked = any(kind_of(tag) is TagKind.LANGUAGE for tag in _TAGS.findall(subject.lyrics))
    expected = written_in(language)
    if expected and LATIN.name not in expected and not marked and not is_english(subject.sung):
        yield LyricsFinding(
            line=subject.sung_lines[0][0],
            message=f"lyrics in {language}, in Latin letters",
            why=f"ACE-Step sings romanised words too; in {' and '.join(expected)} it is surer how they are said",
        )


def invisible_characters(subject: Subject) -> Iterator[LyricsFinding]:
    """Characters nobody sees, left by copying from a page."""
    if not _INVISIBLE.search(subject.lyrics):
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


def _is_lyric_head(tag: str) -> bool:
    """Whether the tag says no more than that lyrics follow, which is another lint's matter."""
    from renderer.spec.lints.mark_search import is_lyric_head  # noqa: PLC0415 - its patterns take their time to be made

    return is_lyric_head(tag)


def _with_blank_above(line: str) -> str:
    return f"\n{line}"


def _is_joined(section: Section, subject: Subject) -> bool:
    """Whether a section begins right below words that are sung."""
    start = section.start
    if not (start and section.tag and subject.lines[start - 1].strip()):
        return False
    own, above = subject.headings_by_line.get(start), subject.headings_by_line.get(start - 1)
    return (own is None or own.clean) and (above is None or bool(above.words))  # others are told how to write first


def _is_foreign(subject: Subject, expected: tuple[str, ...]) -> bool:
    """Whether the lyrics are hardly in any of the scripts; a Korean song half in English is at home."""
    letters = subject.letters
    own = sum(letters.get(script, 0) for script in expected)
    mixed = letters.get(LATIN.name, 0) and own >= MIN_OWN_LETTERS
    return bool(expected) and own < MIN_SHARE * sum(letters.values()) and not mixed


def _sung_seconds(section: Section, syllables: int) -> float:
    if syllables:
        return syllables / QUICK_PACE
    return INSTRUMENTAL_SECONDS if kind_of(section.tag) is TagKind.INSTRUMENTAL else 0.0


def _about_all(subject: Subject, message: str, why: str) -> Finding:
    key = "lyrics" if subject.draft.spec.lyrics is not None else "lyrics_file"
    return Finding(path=(key,), message=message, why=why, help="split the song, or drop lines")


def _about_duration(subject: Subject, message: str, why: str, advice: str) -> Finding:
    given = subject.written_metas.duration is not None
    return Finding(path=("metas", "duration") if given else ("lyrics",), message=message, why=why, help=advice)
