"""The formats that takes are written in: a row is all that spec, encoder, page, server and disk budget know of one.

Encoders and taggers are imported when they are used, so that reading a spec stays quick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renderer.facts import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from renderer.formats.pictures import Picture
    from renderer.formats.tagger import Tagger

PCM_BYTES = SAMPLE_RATE * 2 * 3  # a second: stereo, 24 bit


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a take is encoded, tagged, read back and served."""

    name: str
    """As a spec names it; a take's file ends in it."""
    called: str
    """As people write it."""
    media_type: str
    """What servers and browsers call it."""
    lossless: bool
    """Whether all 24 bits of a sample come back: then samples are compared after writing, else the encoder's bytes."""
    bytes_per_second: float
    """Of stereo, on the generous side."""
    container: str
    """libsndfile's name of the file format."""
    encoding: str
    """libsndfile's name of the sample encoding."""
    options: Mapping[str, str | float] = field(default_factory=dict)
    """libsndfile's encoder settings."""
    tagger: Callable[[], Tagger]
    """Gives what reads and writes its tags."""
    add_picture: Callable[[Path, Picture], None] | None = None
    """Puts a cover beside tags just written; None of what albums aren't sent out in."""
    aliases: tuple[str, ...] = ()
    """What else such files end in: `.wave`, lower case."""

    @property
    def suffix(self) -> str:
        """Of the files written here: `.flac`."""
        return f".{self.name}"

    @property
    def endings(self) -> tuple[str, ...]:
        """Everything that such files end in, lower case."""
        return (self.suffix, *self.aliases)


def _wave() -> Tagger:
    from renderer.formats.chunked import ChunkedFile  # noqa: PLC0415 - see above

    return ChunkedFile(called="WAV", magic=b"RIFF", form=b"WAVE", byte_order="<", samples=b"data", id3=b"id3 ")


def _flac() -> Tagger:
    from renderer.formats import flac  # noqa: PLC0415 - as above

    return flac


def _mp3() -> Tagger:
    from renderer.formats import mp3  # noqa: PLC0415 - as above

    return mp3


def _add_to_flac(path: Path, picture: Picture) -> None:
    from renderer.formats.flac import add_picture  # noqa: PLC0415 - as above

    add_picture(path, picture)


def _add_to_mp3(path: Path, picture: Picture) -> None:
    from renderer.formats.mp3 import add_picture  # noqa: PLC0415 - as above

    add_picture(path, picture)


def _opus() -> Tagger:
    from renderer.formats import opus  # noqa: PLC0415 - as above

    return opus


# 24 bit: rounding then lies at -146 dBFS, below what any converter resolves, so fades need no dither (which would need
# a generator of its own), and browsers play it. PCM WAV has no PEAK chunk, whose time stamp would change the bytes.
_ROWS = (
    Format(
        name="wav",
        called="WAV",
        media_type="audio/wav",
        lossless=True,
        bytes_per_second=PCM_BYTES,
        container="WAV",
        encoding="PCM_24",
        tagger=_wave,
        aliases=(".wave",),
    ),
    Format(
        name="flac",
        called="FLAC",
        media_type="audio/flac",
        lossless=True,
        bytes_per_second=0.8 * PCM_BYTES,
        container="FLAC",
        encoding="PCM_24",
        tagger=_flac,
        add_picture=_add_to_flac,
    ),
    Format(
        name="mp3",
        called="MP3",
        media_type="audio/mpeg",
        lossless=False,
        bytes_per_second=40_000,
        container="MP3",
        encoding="MPEG_LAYER_III",
        # LAME's V0, about 245 kbit/s.
        options={"bitrate_mode": "VARIABLE", "compression_level": 0.0},
        tagger=_mp3,
        add_picture=_add_to_mp3,
    ),
    Format(
        name="opus",
        called="Opus",
        media_type="audio/ogg",
        lossless=False,
        bytes_per_second=32_000,
        container="OGG",
        encoding="OPUS",
        # libsndfile maps 0..1 to 256..6 kbit/s a channel: 0.64 is 192 kbit/s in stereo.
        options={"compression_level": 0.64},
        tagger=_opus,
        aliases=(".ogg", ".oga"),
    ),
)
FORMATS: Mapping[str, Format] = {row.name: row for row in _ROWS}
_ENDINGS = frozenset(ending for row in _ROWS for ending in row.endings)


def is_audio(path: Path) -> bool:
    """Whether a file's name ends as one of our formats does, in any case of its letters."""
    return path.suffix.lower() in _ENDINGS
