"""What differs between two takes, or two times -> a page to hear it: A and B at one position, and why they differ.

It opens from disk or from any server, plays the files where they lie, and asks for nothing else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from renderer.files import real
from renderer.report.content_policy import content_policy
from renderer.report.song_values import without_places
from renderer.report.take_sound import side_rows
from renderer.report.templating import part, template
from renderer.store.disk import RealDisk, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from renderer.report.diff_values import (
        CodesDistance,
        HistoryDiff,
        SideRow,
        SongChange,
        TakesDiff,
        TakeSound,
        TextDiff,
    )

NAME = "diff.html"
_WIDTH, _HEIGHT = 720, 140
_LOUDEST, _QUIETEST = -4.0, -46.0  # LUFS at the top and the bottom of a curve


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """Two sounds to be heard beside each other."""

    title: str
    a: TakeSound
    b: TakeSound
    rows: tuple[SideRow, ...]
    codes: tuple[CodesDistance, ...] = ()
    same_sound: bool = False

    @property
    def seconds(self) -> float:
        """Of the longer one."""
        return max(self.a.seconds, self.b.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A song, or two takes, of a page."""

    title: str
    remarks: tuple[str, ...] = ()
    texts: tuple[TextDiff, ...] = ()
    pairs: tuple[SideBySide, ...] = ()


def page_of_takes(diff: TakesDiff, folder: Path) -> Path:
    """Write the page of two takes into a folder; its path.

    Raises: StoreError, OSError as the disk gives it.
    """
    title = f"{diff.a.label} and {diff.b.label}"
    pair = SideBySide(title=title, a=diff.a, b=diff.b, rows=diff.rows, codes=diff.codes, same_sound=diff.same_sound)
    item = Item(title=title, remarks=diff.remarks, texts=diff.texts, pairs=(pair,))
    return _write(title, (item,), folder)


def page_of_history(diff: HistoryDiff, folder: Path) -> Path:
    """Write the page of two times into a folder: every song that changed, and takes of which both versions lie on disk.

    Raises: StoreError, OSError as the disk gives it.
    """
    title = f"{diff.before} and {diff.after}"
    return _write(title, [_item(song) for song in diff.songs if song.state not in ("same", "text")], folder)


def _item(song: SongChange) -> Item:
    from renderer.report.diff_text import song_lines  # noqa: PLC0415

    pairs = (
        SideBySide(title=take.name, a=take.before, b=take.after, rows=side_rows(take.before, take.after))
        for take in song.takes
        if take.before and take.after and take.state != "same"
    )
    return Item(title=song.name, remarks=tuple(song_lines(song)), texts=song.texts, pairs=tuple(pairs))


def _write(title: str, items: Sequence[Item], folder: Path) -> Path:
    style, script = part("diff.css"), part("diff.js")
    page = folder / NAME
    text = template("diff").render(
        title=title,
        items=items,
        link_to=lambda audio: Path(os.path.relpath(real(audio), real(folder))).as_posix(),
        curve=_curve,
        across=_across,
        plain=without_places,
        width=_WIDTH,
        height=_HEIGHT,
        style=Markup(style),  # noqa: S704 - our own file, hashed in the policy
        script=Markup(script),  # noqa: S704 - our own file, hashed in the policy
        policy=content_policy(style, script, images=False),
    )
    write_whole(RealDisk(), page, text.encode())
    return page


def _curve(values: Iterable[float | None], seconds: float) -> str:
    """Points of a line through a loudness a second; a silence is drawn at the bottom."""
    points = []
    for second, value in enumerate(values):
        level = _QUIETEST if value is None else min(_LOUDEST, max(_QUIETEST, value))
        down = (_LOUDEST - level) / (_LOUDEST - _QUIETEST) * _HEIGHT
        points.append(f"{_across(second + 0.5, seconds):.1f},{down:.1f}")
    return " ".join(points)


def _across(second: float, seconds: float) -> float:
    return min(1.0, second / max(seconds, 0.1)) * _WIDTH
