"""A line that is no TOML -> what to write, and the change where only one thing can be meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Edit
from renderer.spec.imports.values import seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.spec.source import Source

_OPENING = "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a\u2039\u203a\uff02\u300c\u2033"
_CURLY = f"[{_OPENING}\u300d]"
_BEHIND_QUOTE = re.compile(rf"({_CURLY})\s*#[^{_OPENING}\u300d]*$")
_PAIR = re.compile(r"(\s*[\w.\"'-]+\s*)(=)(\s*)(.*)", re.DOTALL)
_COLON = re.compile(r"(\s*[A-Za-z_][\w-]*)(\s*:\s*)(\S.*)")
_NO_EQUALS = re.compile(r"(\s*[A-Za-z_][\w-]*)(\s+)(\"[^\"]*\"|\d+(?:\.\d+)?|true|false|\[.*\])\s*")
_SLASHES = re.compile(r"//|/\*|;|--")
_TRUTHS = {
    **dict.fromkeys(("True", "TRUE", "yes", "Yes", "on"), "true"),
    **dict.fromkeys(("False", "FALSE", "no", "No", "off"), "false"),
}
_NOTHINGS = frozenset({"None", "null", "nil", "NULL", "none", "undefined"})
_CLOCK = re.compile(r"\d{1,2}:[0-5]\d(?::[0-5]\d)?")
_FRACTION = re.compile(r"\d{1,2}/\d{1,2}")
_WITH_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s*(?:bpm|s|sec|secs|seconds?)", re.IGNORECASE)
_CURLY_KEY = re.compile(rf"\s*({_CURLY}([\w-]+){_CURLY})\s*=")
_STRAIGHT = "TOML's quotes are straight ones"
_SHORT = 40  # characters that fit a line of advice


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A line with the fault in it."""

    line: str
    start: int
    """Of the line in the text, in characters."""
    column: int
    """Of the fault in the line, from 0."""
    reason: str
    below: str
    """The lines that follow."""

    @property
    def rest(self) -> str:
        """From the fault to the line's end."""
        return self.line[self.column :].strip()

    def replaced(self, start: int, end: int, text: str) -> Edit:
        """A change of the line's characters from `start` to `end`."""
        return Edit(start=self.start + start, end=self.start + end, text=text)


Told = tuple[str, tuple[Edit, ...]]


def syntax_hint(source: Source, line: int, column: int, reason: str) -> Told:
    """Advice, and what mends the line; `line` and `column` are the fault's, from 1, `reason` is tomllib's."""
    start = sum(len(above) + 1 for above in source.lines[: line - 1])
    below = source.text[start + len(source.line(line)) :]
    place = _Place(line=source.line(line), start=start, column=column - 1, reason=reason, below=below)
    found = (hint(place) for hint in _HINTS)
    return next((told for told in found if told is not None), ("", ()))


def _conflict(place: _Place) -> Told | None:
    if re.match(r"<{7}|={7}$|>{7}|\|{7}", place.line):
        return "git's mark of a conflict: keep one version, and take the marks out", ()
    return None


def _json(place: _Place) -> Told | None:
    if place.line.lstrip()[:1] == "{" and place.start == 0:
        return "this is JSON: `renderer import` makes a spec of ACE-Step's own files", ()
    return None


def _twice(place: _Place) -> Told | None:
    if place.reason.startswith(("Cannot overwrite", "Cannot declare")):
        return "a key or a table is written twice: keep one", ()
    return None


def _curly(place: _Place) -> Told | None:
    """`caption = “slow blues”`, `allow = [“unusual-bpm”]`, `“caption” = …`."""
    if not re.search(_CURLY, place.line):
        return None
    if key := _CURLY_KEY.match(place.line):
        return _STRAIGHT, (place.replaced(*key.span(1), key[2]),)
    pair = _PAIR.fullmatch(place.line)
    if pair is None:
        return None
    value, first = _BEHIND_QUOTE.sub(r"\1", pair[4]).rstrip(), pair.start(4)
    opens, closes = value[:1], value[-1:]
    if opens == "[" and not re.search("[\"'\\\\]", value):
        return _STRAIGHT, (place.replaced(first, first + len(value), re.sub(_CURLY, '"', value)),)
    if not (re.match(_CURLY, opens) or (opens == '"' and re.match(_CURLY, closes))):
        return (_STRAIGHT, ()) if place.reason.startswith("Invalid value") else None
    return _curly_value(place, value, first)


def _curly_value(place: _Place, value: str, first: int) -> Told:
    """A text between curly quotes, which begins at `first` in its line."""
    if re.match(f'{_CURLY}{{3}}|"""', value):
        closing = re.search(rf"^{_CURLY}{{3}}(?=\s*(?:#.*)?$)", place.below, re.MULTILINE)
        edits = [place.replaced(first, first + 3, '"""')]
        if closing:
            edits.append(place.replaced(len(place.line) + closing.start(), len(place.line) + closing.end(), '"""'))
        return f'{_STRAIGHT}: write """', tuple(edits)
    inside = value[1:-1]
    if len(value) < 2 or not re.match(f'[{_OPENING}\u300d"]', value[-1]) or re.search(r'["\\]', inside):  # noqa: PLR2004 - two quotes
        return _STRAIGHT, ()
    shown = f': "{inside}"' if len(inside) < _SHORT else ""
    return _STRAIGHT + shown, (place.replaced(first, first + len(value), f'"{inside}"'),)


def _truth(place: _Place) -> Told | None:
    word = re.split(r"[\s#]", place.rest, maxsplit=1)[0]
    if place.reason.startswith("Invalid value") and word in _TRUTHS:
        edit = place.replaced(place.column, place.column + len(word), _TRUTHS[word])
        return f"write {_TRUTHS[word]}", (edit,)
    if place.reason.startswith("Invalid value") and word in _NOTHINGS:
        return "leave the key out", ()
    return None


def _unit(place: _Place) -> Told | None:
    """`duration = 2:30`, `bpm = 90 bpm`, `timesignature = 6/8`: a value that begins like a number."""
    pair = _PAIR.fullmatch(place.line)
    value = pair[4].partition("#")[0].strip() if pair else ""
    if pair is None:
        return None
    new = ""
    if _CLOCK.fullmatch(value) and "duration" in pair[1]:
        new = f"{seconds(value):g}"
    elif _FRACTION.fullmatch(value):
        new = f'"{value}"'
    elif match := _WITH_UNIT.fullmatch(value):
        new = match[1]
    return (f"write {new}", (place.replaced(pair.start(4), pair.start(4) + len(value), new),)) if new else None


def _unquoted(place: _Place) -> Told | None:
    rest = re.sub(r"\s+#.*", "", place.rest)
    if not (place.reason.startswith("Invalid value") and rest[:1].isalpha()):
        return None
    advice = f'put text in quotes: "{rest}"' if len(rest) < _SHORT else "put text in quotes"
    pair = _PAIR.fullmatch(place.line)
    plain = pair is not None and pair.start(4) == place.column and not re.search(r"[\"'\\#\[\]{}=]", rest)
    return advice, ((place.replaced(place.column, place.column + len(rest), f'"{rest}"'),) if plain else ())


def _colon(place: _Place) -> Told | None:
    if place.reason.startswith("Expected '='"):
        if match := _COLON.fullmatch(place.line):
            return f"write {match[1].strip()} = …", (place.replaced(match.start(2), match.end(2), " = "),)
        if match := _NO_EQUALS.fullmatch(place.line):
            return f"write {match[1].strip()} = …", (place.replaced(match.start(2), match.end(2), " = "),)
    return None


def _behind(place: _Place) -> Told | None:
    """What stands behind a value: a comma, a comment in another language's form."""
    if not place.reason.startswith("Expected newline"):
        return None
    rest = place.line[place.column :]
    if rest.strip() in {",", ";"}:
        return "take it out: nothing stands behind a value", (place.replaced(place.column, len(place.line), ""),)
    if match := _SLASHES.match(rest.lstrip()):
        start = place.column + len(rest) - len(rest.lstrip())
        return "a comment begins with `#`", (place.replaced(start, start + len(match[0]), "#"),)
    return None


def _comment(place: _Place) -> Told | None:
    if place.reason.startswith("Invalid statement") and (match := re.match(r"\s*(//)", place.line)):
        return "a comment begins with `#`", (place.replaced(match.start(1), match.end(1), "#"),)
    return None


def _header(place: _Place) -> Told | None:
    if place.reason.startswith("Expected ']' at the end of a table") and re.fullmatch(r"\s*\[[\w.-]+\s*", place.line):
        return f"write {place.line.strip()}]", (place.replaced(len(place.line.rstrip()), len(place.line), "]"),)
    return None


def _others(place: _Place) -> Told | None:
    if "Unescaped '\\'" in place.reason:
        return "write `\\\\` for a backslash, or put the text in '''…'''", ()
    if place.reason.startswith("Illegal character '\\n'"):
        return 'end the text with its quote; one over several lines stands between """ and """', ()
    return None


_HINTS: tuple[Callable[[_Place], Told | None], ...] = (
    _conflict, _json, _twice, _curly, _truth, _unit, _unquoted, _colon, _behind, _comment, _header, _others,
)  # fmt: skip
