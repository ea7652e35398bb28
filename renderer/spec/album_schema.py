"""What may stand in `album.toml`: pydantic models as `schema.py` has them of specs, which are read without these."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from renderer.formats.table import FORMATS
from renderer.spec.schema import Place, Said, Table

_WITH_COVERS = tuple(name for name, row in FORMATS.items() if row.add_picture)
AlbumFormat = Literal[*_WITH_COVERS]  # type: ignore[valid-type]  # the list is a constant; mypy wants it spelt out


def _date(written: str) -> str:
    if not re.fullmatch(DATE_PATTERN, written):
        raise PydanticCustomError("form", 'it is written `"2026"`, `"2026-11"` or `"2026-11-30"`')
    return written


def _entry_form(written: Any) -> str:
    return "table" if isinstance(written, dict | AlbumSongTable) else "name"


DATE_PATTERN = r"\d{4}(-\d{2}(-\d{2})?)?"
Date = Annotated[str, AfterValidator(_date), Field(json_schema_extra={"pattern": f"^{DATE_PATTERN}$"})]
MAX_JOIN = 60.0  # seconds
MAX_SONGS = 99  # of an album: a cue sheet has no more
Join = Annotated[float, Field(ge=0, le=MAX_JOIN)]
_GAP = "Seconds of silence behind a song that another one follows, in its file."
_FADE_IN, _FADE_OUT = "Seconds over which a song comes in.", "Seconds over which a song goes out."


class AlbumSongTable(Table):
    """A song of an album that is joined in its own way."""

    song: Said = Field(description="A song, whose kept take is meant, or a take by its name.")
    gap: Join | None = Field(default=None, description=_GAP)
    fade_in: Join | None = Field(default=None, description=_FADE_IN)
    fade_out: Join | None = Field(default=None, description=_FADE_OUT)


AlbumSong = Annotated[
    Annotated[Said, Tag("name")] | Annotated[AlbumSongTable, Tag("table")], Discriminator(_entry_form)
]


class AlbumFile(Table):
    """`album.toml`: songs in an order, to be sent out together."""

    title: Annotated[Said, Field(max_length=300)] = Field(description="Shown and tagged.")
    artist: Annotated[Said, Field(max_length=300)] | None = Field(default=None, description="Shown and tagged.")
    date: Date | None = Field(default=None, description='When it comes out: `"2026"` or `"2026-11-30"`.')
    songs: Annotated[list[AlbumSong], Field(min_length=1, max_length=MAX_SONGS)] = Field(
        description="In this order: songs, of which the kept take is meant, takes by name, or tables with more."
    )
    format: AlbumFormat | None = Field(default=None, description="Of the files that are sent out.")
    loudness: Annotated[float, Field(ge=-40, le=-5)] | None = Field(
        default=None,
        description="LUFS that every song is brought to, by one gain each; left out, songs are as loud as they are.",
    )
    gap: Join | None = Field(default=None, description=_GAP)
    fade_in: Join | None = Field(default=None, description=_FADE_IN)
    fade_out: Join | None = Field(default=None, description=_FADE_OUT)
    cover: Place | None = Field(default=None, description="A JPEG or PNG, relative to this file.")
    voice: Place | None = Field(
        default=None,
        description="The audio file that all takes are to have as `reference_audio`, relative to this file: looked at, "
        "and told where one hasn't; renderer.toml gives it to them.",
    )
