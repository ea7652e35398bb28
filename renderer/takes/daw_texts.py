"""Sections and beats of a take -> marker files of audio workstations: REAPER's CSV, Audacity's labels."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.takes.timed_text import labels_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.artifacts import Timestamps

REAPER_HEAD = ("#", "Name", "Start", "End", "Length")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedSection:
    """A section with when it is played, in seconds."""

    name: str
    start: float
    end: float


def marked_sections(timestamps: Timestamps) -> tuple[MarkedSection, ...]:
    """The tagged sections, each up to the next one's tag, the last to the sound's end."""
    rows = (row.split("\t") for row in labels_text(timestamps).splitlines())
    return tuple(MarkedSection(name=name, start=float(start), end=float(end)) for start, end, name in rows)


def reaper_csv(sections: Sequence[MarkedSection], beats: Sequence[float]) -> str:
    """What REAPER's region manager imports: a region a section, a marker a beat, times as minutes and seconds."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write(REAPER_HEAD)
    for number, one in enumerate(sections, start=1):
        write((f"R{number}", one.name, _minutes(one.start), _minutes(one.end), _minutes(one.end - one.start)))
    for number, beat in enumerate(beats, start=1):
        write((f"M{number}", f"beat {number}", _minutes(beat), "", ""))
    return text.getvalue()


def beats_text(beats: Sequence[float]) -> str:
    """A track of labels as Audacity reads it: a beat each, numbered."""
    return "".join(f"{beat:.6f}\t{beat:.6f}\t{number}\n" for number, beat in enumerate(beats, start=1))


def _minutes(seconds: float) -> str:
    """`1:02.500`: with a colon it is time whatever REAPER's ruler shows, without one it may be bars."""
    minutes, thousandths = divmod(round(seconds * 1000), 60_000)
    return f"{minutes}:{thousandths // 1000:02d}.{thousandths % 1000:03d}"
