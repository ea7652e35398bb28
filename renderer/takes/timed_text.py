"""Timestamps -> texts that other programs read: LRC, WebVTT and a track of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.artifacts import TimedLine, Timestamps

LEAST_SECONDS = 0.01  # that a subtitle is seen: players leave out what ends as it begins


def lrc_text(timestamps: Timestamps) -> str:
    """`[mm:ss.xx]text`, a line each; section tags stay lines.

    Source: ace-step/ACE-Step-1.5, acestep/core/scoring/dit_alignment.py
    """
    return "".join(f"[{_minutes(line.start)}]{line.text}\n" for line in timestamps.lines)


def vtt_text(timestamps: Timestamps) -> str:
    """WebVTT: a cue for each line that is sung, with the times of its words for karaoke; section tags are left out."""
    cues = (_cue(line) for line in timestamps.lines if not line.is_tag)
    return "\n".join(("WEBVTT\n", *cues))


def labels_text(timestamps: Timestamps) -> str:
    """A track of labels as Audacity, Ardour and others read it: a section each, `start<TAB>end<TAB>name`."""
    tags = [line for line in timestamps.lines if line.is_tag]
    ends = [line.start for line in tags[1:]] + [timestamps.seconds]
    rows = zip(tags, ends, strict=True) if tags else ()
    return "".join(f"{tag.start:.6f}\t{end:.6f}\t{_plain(tag.text)}\n" for tag, end in rows)


def _minutes(seconds: float) -> str:
    minutes, hundredths = divmod(round(seconds * 100), 6000)
    return f"{minutes:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"


def _cue(line: TimedLine) -> str:
    end = max(line.end, line.start + LEAST_SECONDS)
    return f"{_clock(line.start)} --> {_clock(end)}\n{''.join(_timed(line, end))}\n"


def _timed(line: TimedLine, end: float) -> Iterator[str]:
    """The line's own text, each word but the first behind when it is sung, as far as that is inside the cue."""
    written, told = 0, line.start
    for word in line.words:
        place = line.text.find(word.text, written)
        yield _escaped(line.text[written:place])
        if told < word.start < end:
            yield f"<{_clock(word.start)}>"
            told = word.start
        yield _escaped(word.text)
        written = place + len(word.text)
    yield _escaped(line.text[written:])


def _clock(seconds: float) -> str:
    minutes, thousandths = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{thousandths // 1000:02d}.{thousandths % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    return " ".join(text.split()).strip("[]")
