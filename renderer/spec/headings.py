"""A line -> the section it heads, in whichever form it is written, and how it is written so that nothing of it is sung.

ACE-Step's own form is `[tag]`, `[tag - annotation]` or `[tag] (annotation)`. People and language models write others:
`**[Chorus]**`, `［サビ］`, `Verse 1:`. Which are certain is decided here; the text that is sent stays as written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from renderer.song import Section
from renderer.spec.tags import PARTS, TagKind, is_direction, is_shouted, is_weak, kind_of, names_ending, names_part

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER = re.compile(r"[ \t]*\[([^\[\]]+)\][ \t]*((?:\[[^\[\]]*\][ \t]*)*)(?:[(\uff08](.*)[)\uff09])?[ \t]*")
_DIVIDER = re.compile(r"\s+[-\u2013\u2014|]\s*|\s*[-\u2013\u2014|]\s+|\s*[:\uff1a]\s*|\s*[,\uff0c]\s*")
_NUMBER = re.compile(r"(.*?[^\d\s#.])\s*#?(\d{1,3})")
_REPEAT = re.compile(r".*(?:^|[\s\d])[x\u00d7]\s*\d+", re.IGNORECASE)
_STACKED = re.compile(r"\[([^\[\]]*)\]")
_BETWEEN = re.compile(r"[)\uff09]\s*[(\uff08]")
MAX_HEADER = 300  # characters; a longer line is no header, whatever it looks like
_MAX_NAME = 60  # of a heading without square brackets
_SHORT = 40  # characters; a longer line that nothing marks is no heading
_CACHED = 8192  # lines
_TEXTS = 8  # whose headings are asked for again: by whoever parses a song, then by its lints

CHORD = re.compile(
    r"[A-H][#b\u266f\u266d]?(?:maj|min|dim|aug|sus|add|m|M|\u00b0|\u00f8|\+|-(?=\d))?(?:\d{1,2})?(?:(?:maj|sus|add|[#b])\d{1,2})*"
    r"(?:/[A-H][#b\u266f\u266d]?)?"
)
# `[00:12.00]`, `[ar: Somebody]`: the marks of lyric files with times, no tags.
TIME_MARK = re.compile(r"\d{1,3}:\d{1,2}(?:[.:,]\d{1,3})?")
LRC_FIELD = re.compile(r"(?:ar|ti|al|au|by|re|ve|length|offset|la|tool|lr|id)\s*:.*", re.IGNORECASE | re.DOTALL)
_PAIRS = {
    "[": "]", "\uff3b": "\uff3d", "\u3010": "\u3011", "\u3014": "\u3015", "(": ")", "\uff08": "\uff09", "{": "}",
    "<": ">", "\u300c": "\u300d", "\u300e": "\u300f", "\u300a": "\u300b", "\u3008": "\u3009", "\u00ab": "\u00bb",
    '"': '"', "\u201c": "\u201d",
}  # fmt: skip
_SQUARE = "[\uff3b"
_ROUND = "(\uff08"
_TAGS = (
    r"</?(?:b|i|u|em|strong|p|br|div|span|h[1-6]|center|font|hr|li|ul|blockquote|code)\b[^<>]{0,60}/?>"
    r"|<!--[^<>]{0,80}-->|\[/?(?:b|i|u|h[1-6]|center|size|color)(?:=[^\[\]]{0,20})?\]"
)
_SIGNS = "[\u203b\u25a0-\u27bf\ufe0f\U0001f300-\U0001faff]"
_LEADING = re.compile(
    rf"(?:{_TAGS}|\s|#{{1,6}}(?=\s|\[|\w)|[*_~`=\u2022|/\\]|{_SIGNS}|>(?=\s)|[-\u2013\u2014]+(?=\s|\[|\w)|\d{{1,2}}[.)]\s+(?=\[))+"
)
_TRAILING = re.compile(rf"(?:{_TAGS}|\s|[*_~`=#:\uff1a|.;,\uff0c\u3002\u2026/\\]|{_SIGNS}|[-\u2013\u2014])+$")
_TIMES = re.compile(
    r"[(\uff08\[]?\s*((?:x|\u00d7|\u0445|\*)\s*\d{1,2}|\d{1,2}\s*(?:x|\u00d7|\u0445|times|veces|vezes|fois|mal|раза?|раз|kez|lần|kali)|bis|[x\u00d7]\d)\s*[)\uff09\]]?",
    re.IGNORECASE,
)
_WORDS_BEHIND = re.compile(r"\s*(?:[:\uff1a]|[-\u2013\u2014]\s)?\s*(.+?)\s*")
_BARE_WITH_WORDS = re.compile(r"(.{1,40}?)\s*[:\uff1a]\s*(\S.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A line that heads a section."""

    section: Section
    """Without lines yet."""
    plain: str
    """The heading as ACE-Step takes it; the line itself where nothing is amiss."""
    words: str = ""
    """What stands behind it in the same line and is sung."""
    clean: bool = True
    """Whether nothing is sent but the tag and its annotation."""
    square: bool = True
    """Whether it has a tag's square brackets."""


def header(line: str) -> Section | None:
    """A line in ACE-Step's own form, as a section without lines yet; None for any other line."""
    match = _HEADER.fullmatch(line) if len(line) <= MAX_HEADER else None
    if match is None or not any(map(str.isalnum, match[1])):
        return None
    inside, stacked, paren = match.groups()
    parts = [part.strip() for part in _DIVIDER.split(inside.strip(), maxsplit=1)]
    annotations = [*parts[1:], *_STACKED.findall(stacked), *_BETWEEN.split(paren or "")]
    tag, number = _tag(parts[0] or inside.strip())
    return Section(tag=tag, number=number, annotation=", ".join(filter(None, map(str.strip, annotations))) or None)


@lru_cache(_TEXTS)
def headings_in(text: str) -> Mapping[int, Heading]:
    """The lines of a text that head something, by their numbers from 0."""
    lines = text.split("\n")
    found = ((number, heading(line, lines[number - 1] if number else "")) for number, line in enumerate(lines))
    return {number: one for number, one in found if one is not None}


def heading(line: str, before: str = "") -> Heading | None:
    """What a line heads, in any form that is certain; None for a line that is sung. `before` is the line above it."""
    opens = not before.strip()
    if not _may_head(line, opens=opens):
        return None
    found = _cached(line, opens)
    if found is None or found.square or not _echoes(found, line, before):
        return found
    return None


def _may_head(line: str, *, opens: bool) -> bool:
    """Whether to look closer: cheap, for it is asked of every line that is sung."""
    if not line or len(line) > MAX_HEADER:
        return False
    first, last = line[0], line[-1]
    if not first.isalpha() or last in "])\uff09:\uff1a*_" or last.isdecimal() or (opens and len(line) <= _SHORT):
        return True
    return ":" in line[:_SHORT] or "\uff1a" in line[:_SHORT] or last > "\u2600" or last in "xX\u00d7"


def mended(line: str) -> str | None:
    """The line as ACE-Step takes it, its words in a line of their own; None where something else may be meant.

    A name in round brackets or quotes may be sung for once, if it isn't written as a name or a count.
    """
    found = heading(line.rstrip())
    if found is None or found.clean:
        return None
    name, opening = found.section.tag, line.lstrip()[:1]
    if opening in f'{_ROUND}"\u201c\u00ab' and found.section.number is None and (name.islower() or is_weak(name)):
        return None
    return f"{found.plain}\n{found.words}" if found.words else found.plain


@lru_cache(_CACHED)
def _cached(line: str, opens: bool) -> Heading | None:
    """`opens` is whether the line stands first or below a blank one."""
    own = header(line)
    if own is not None:
        inside = line.strip()[1:].partition("]")[0].strip()
        marks = (
            TIME_MARK.match(inside) or LRC_FIELD.fullmatch(inside) or _TIMES.fullmatch(inside) or _plays(own, inside)
        )
        return None if marks else Heading(section=_spoken(own), plain=line)
    return _in_other_form(line, opens=opens)


def _spoken(section: Section) -> Section:
    """`[en] [chorus]` heads a chorus: a mark of the language stands before a tag."""
    if kind_of(section.tag) is not TagKind.LANGUAGE or not section.annotation:
        return section
    first, _, rest = section.annotation.partition(", ")
    if kind_of(first) not in PARTS:
        return section
    tag, number = _tag(first)
    return replace(section, tag=tag, number=number, annotation=", ".join(filter(None, (section.tag, rest))))


def _in_other_form(line: str, *, opens: bool) -> Heading | None:
    text = re.sub(r"\\([\[\]*_#])", r"\1", _unescaped(line) if "&" in line else line)
    bare = _TRAILING.sub("", _LEADING.sub("", text, count=1) if _LEADING.match(text) else text)
    if not bare:
        return None
    bare = _mended(bare)
    closing = _PAIRS.get(bare[0], "")
    if closing and (end := bare.find(closing, 1)) > 1:
        return _in_brackets(bare[0], bare[1:end].strip(), bare[end + 1 :].strip(), text, opens=opens)
    return _bare(bare, text, opens=opens)


def _unescaped(line: str) -> str:
    from html import unescape  # noqa: PLC0415 - two thousand names, for the few lines that have one

    return unescape(line)


def _mended(bare: str) -> str:
    """Brackets written twice as one pair, and a part's name with one of its square brackets missing as with both."""
    if re.match(r"\[\[|\(\(|\{\{|<<|.*\]\]$", bare):
        bare = re.sub(r"([\[({<])\1+\s*", r"\1", re.sub(r"\s*([\])}>])\1+", r"\1", bare))
    if re.fullmatch("[\"'\u201c\u201d].*[\"'\u201c\u201d]", bare) and bare[1] in _SQUARE:
        bare = bare[1:-1]
    inside = bare.strip("[](){}").strip()
    one_missing = bare in {f"[{inside}", f"{inside}]"}
    other_kind = bare[1:-1].strip() == inside and bare[0] + bare[-1] in {"[)", "[}", "(]", "{]", "{)", "(}"}
    return f"[{inside}]" if (one_missing or other_kind) and names_part(inside) else bare


def _in_brackets(opening: str, inside: str, behind: str, line: str, *, opens: bool) -> Heading | None:
    inside = inside.rstrip(" :\uff1a")
    if not any(map(str.isalpha, inside)) or len(inside) > _MAX_NAME:
        return None
    found = header(f"[{inside}]")
    if found is None or LRC_FIELD.fullmatch(inside):
        return None
    square = opening in _SQUARE
    certain = (
        square
        or names_ending(inside)
        or (names_part(found.tag) and (opens or not is_weak(found.tag) or found.number is not None))
    )
    if not certain or (square and line.strip().startswith(opening) and not _follows_tag(found, behind)):
        return None
    return _behind(f"[{inside}]", found, behind, square=square)


def _follows_tag(section: Section, behind: str) -> bool:
    """Whether a tag with something behind it heads a section, and doesn't stand in a sung line."""
    return not behind or kind_of(section.tag) in PARTS or not any(map(str.isalnum, behind))


def _behind(plain: str, tagged: Section, behind: str, *, square: bool) -> Heading | None:
    """The heading with what stands behind its brackets: a count, an annotation, words."""
    if not any(map(str.isalnum, behind)):
        return Heading(section=tagged, plain=plain, clean=False, square=square)
    if times := _TIMES.fullmatch(_TRAILING.sub("", behind).lstrip(" :\uff1a-\u2013\u2014")):
        return _repeated(plain, tagged, times[1], square=square)
    if kind_of(tagged.tag) not in PARTS:
        return None
    annotated = re.fullmatch(r"[\s:\uff1a]*[(\uff08]([^()\uff08\uff09]*)[)\uff09][\s:\uff1a*_.]*(.*)", behind)
    if annotated:
        section = replace(tagged, annotation=", ".join(filter(None, (tagged.annotation, annotated[1].strip()))) or None)
        return Heading(
            section=section, plain=f"{plain} ({annotated[1].strip()})", words=annotated[2], clean=False, square=square
        )
    match = _WORDS_BEHIND.fullmatch(behind)
    words = (match[1] if match else behind).lstrip("*_~` ")
    if behind[:1] in "-\u2013\u2014:\uff1a" and is_direction(words):
        section = replace(tagged, annotation=", ".join(filter(None, (tagged.annotation, words))))
        return Heading(section=section, plain=f"{plain[:-1]} - {words}]", clean=False, square=square)
    return Heading(section=tagged, plain=plain, words=words, clean=False, square=square)


def _repeated(plain: str, section: Section, times: str, *, square: bool) -> Heading:
    return Heading(
        section=replace(section, annotation=", ".join(filter(None, (section.annotation, times.strip())))),
        plain=f"{plain[:-1]} {times.strip()}]",
        clean=False,
        square=square,
    )


def _bare(bare: str, line: str, *, opens: bool) -> Heading | None:
    """A part's name without brackets: certain with marks around it, with a number, or in capitals."""
    name, times = _without_times(bare)
    found = header(f"[{name}]") if len(name) <= _MAX_NAME and not re.search(r"[\[\](){}<>]", name) else None
    marked = bare != line.strip()
    if found is not None and names_part(found.tag) and not re.search("[,\uff0c:\uff1a]", name):
        likely = opens or not is_weak(found.tag) or (line.rstrip()[-1:] in ":\uff1a" and not name[:1].islower())
        told = found.number is not None or times or marked or name[:1].isdecimal()
        alone = opens and not name[:1].islower() and not is_weak(found.tag)
        shouted = opens and name.isupper() and not is_shouted(found.tag)
        if (likely and (told or alone)) or shouted:
            one = Heading(section=found, plain=f"[{name}]", clean=False, square=False)
            return _repeated(one.plain, found, times, square=False) if times else one
    if found is not None and marked and names_ending(name):
        return Heading(section=found, plain=f"[{name}]", clean=False, square=False)
    if annotated := re.fullmatch(r"([^()]{2,40}?)\s*[(\uff08]([^()]{1,60})[)\uff09]", bare):
        name = _TRAILING.sub("", annotated[1])
        return _bare_annotated(name, annotated[2].strip(), marked=marked or annotated[1][-1] in ":\uff1a")
    return _bare_with_words(bare, opens=opens)


def _bare_annotated(name: str, annotation: str, *, marked: bool) -> Heading | None:
    """`**Verse 1 (whispered)**`, `Chorus (x2):`, `Verse 1: (whispered)`."""
    found = header(f"[{name}]")
    if found is None or not names_part(found.tag) or is_weak(found.tag) or not (marked or found.number is not None):
        return None
    if times := _TIMES.fullmatch(annotation):
        return _repeated(f"[{name}]", found, times[1], square=False)
    return Heading(
        section=replace(found, annotation=annotation), plain=f"[{name}] ({annotation})", clean=False, square=False
    )


def _bare_with_words(bare: str, *, opens: bool) -> Heading | None:
    """`Verse 1: words in the same line`."""
    match = _BARE_WITH_WORDS.fullmatch(bare)
    name = _TRAILING.sub("", match[1]) if match else ""
    found = header(f"[{name}]") if name and not re.search(r"[\[\](){}<>,]", name) else None
    if match is None or found is None or not names_part(found.tag):
        return None
    if is_weak(found.tag) and not (opens and found.number is not None):
        return None
    words = _LEADING.sub("", match[2], count=1) if _LEADING.match(match[2]) else match[2]
    if is_direction(words):
        return Heading(section=replace(found, annotation=words), plain=f"[{name} - {words}]", clean=False, square=False)
    return Heading(section=found, plain=f"[{name}]", words=words, clean=False, square=False)


def _without_times(bare: str) -> tuple[str, str]:
    """`Chorus x2` -> `Chorus`, `x2`."""
    match = re.fullmatch(rf"(.*?\S)\s+{_TIMES.pattern}", bare, re.IGNORECASE)
    return (match[1].rstrip(" -\u2013:"), match[2]) if match else (bare, "")


def _plays(section: Section, inside: str) -> bool:
    """Whether the brackets hold chords: `[Am7]`, `[C] [G]`; a single letter may name a part."""
    chords = [inside, *filter(None, (section.annotation or "").split(", "))]
    return all(map(CHORD.fullmatch, chords)) and (len(chords) > 1 or len(inside) > 1)


def _echoes(heading: Heading, line: str, before: str) -> bool:
    """Whether round brackets hold what was just sung: `over the bridge`, `(bridge)`."""
    inside = heading.plain.strip("[]").casefold()
    return line.lstrip()[:1] in _ROUND and heading.section.number is None and inside in before.casefold()


def _tag(words: str) -> tuple[str, int | None]:
    match = None if _REPEAT.fullmatch(words) else _NUMBER.fullmatch(words)
    return (match[1].strip(), int(match[2])) if match else (words, None)
