"""A song -> its piece of the page: text that hangs on nothing but the song, so that it can be kept."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
import base64
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jinja2.utils import htmlsafe_json_dumps

from renderer.report.facts import song_facts
from renderer.report.templating import template
from renderer.report.values import ReportSong
from renderer.report.view import song_view

LEVEL = 6  # of packing: 9 saves two parts in a thousand and takes seven times as long


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceFailure:
    """A take of the song that failed."""

    row: str
    """The id of its row."""
    name: str
    stage: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SongPiece:
    """What a song gives to the page."""

    article: str
    """HTML."""
    facts: str
    """What the script knows of it: JSON that may stand in HTML."""
    folds: str
    """What opens on demand, packed."""
    outcomes: Mapping[str, int]
    """Outcome -> how many of its takes."""
    names: tuple[str, ...]
    """Of its takes."""
    num_previews: int
    """How many of those are previews."""
    flags: Mapping[str, int]
    """Flag -> how many of its takes have it."""
    failures: tuple[PieceFailure, ...]
    remarks: tuple[str, ...]
    """What of checkpoints wasn't read."""


class Folds:
    """What opens on demand, as pieces of HTML, each once; packed, for prompts repeat lyrics and settings each other."""

    def __init__(self) -> None:
        self._positions: dict[bytes, int] = {}
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._packed = bytearray(self._packer.compress(b"["))

    def place(self, html: str) -> int:
        """Where the piece stands."""
        text = json.dumps(html, ensure_ascii=False).encode()
        digest = hashlib.sha256(text).digest()
        if digest not in self._positions:
            self._packed += self._packer.compress(b"," * bool(self._positions) + text)
            self._positions[digest] = len(self._positions)
        return self._positions[digest]

    def packed(self) -> str:
        """All pieces as JSON, deflated, in base64: a tenth of what they were. No piece comes after."""
        self._packed += self._packer.compress(b"]") + self._packer.flush()
        return base64.b64encode(self._packed).decode()


def packed_together(packs: Iterable[str]) -> str:
    """The pieces of several songs as one list of lists, packed: songs repeat each other, too."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = bytearray(packer.compress(b"["))
    for number, pack in enumerate(packs):
        packed += packer.compress(b"," * bool(number) + zlib.decompress(base64.b64decode(pack), -zlib.MAX_WBITS))
    return base64.b64encode(packed + packer.compress(b"]") + packer.flush()).decode()


def song_piece(song: ReportSong, *, folds_lyrics: bool) -> SongPiece:
    """The song's piece; `folds_lyrics` where so many songs would weigh megabytes with all their lyrics open."""
    view, folds = song_view(song), Folds()
    article = template("song").render(song=view, folds=folds, folds_lyrics=folds_lyrics)
    rows = view.takes
    return SongPiece(
        article=article,
        facts=str(htmlsafe_json_dumps(song_facts(view, folds), separators=(",", ":"))),
        folds=folds.packed(),
        outcomes=Counter(str(row.take.outcome) for row in rows),
        names=tuple(row.take.name for row in rows),
        num_previews=sum(row.take.preview_seconds is not None for row in rows),
        flags=Counter(flag.code for row in rows for flag in row.flags),
        failures=tuple(
            PieceFailure(
                row=f"take-{view.id}-{row.number}",
                name=row.take.name,
                stage=row.take.failure.stage,
                message=row.take.failure.message,
            )
            for row in rows
            if row.take.failure
        ),
        remarks=tuple(dict.fromkeys(remark for row in rows for remark in row.take.left_out)),
    )
