"""What `src_audio` names: a file, a take of the song, another song's take. Knows only how names are written."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.formats.table import is_audio

if TYPE_CHECKING:
    from collections.abc import Container

_TAKE = re.compile(r"(?:(?P<of>.+)\.)?s(?P<seed>0|[1-9][0-9]{0,9})", re.ASCII)
_PREVIEW = re.compile(
    r"(?P<take>(?:.+\.)?s(?:0|[1-9][0-9]{0,9}))\.preview(?P<seconds>[0-9][0-9.e+-]*)", re.ASCII | re.DOTALL
)
_OTHER_AUDIO = frozenset({".m4a", ".aac", ".aif", ".aiff", ".wma", ".mp4", ".mka", ".caf", ".au"})


def song_name(file: Path) -> str:
    """The song's name: the file's stem, NFC."""
    return unicodedata.normalize("NFC", file.stem)


def names_file(written: str) -> bool:
    """Whether it names a file: it has a folder, or an audio file's ending."""
    path = Path(written)
    return "/" in written or is_audio(path) or path.suffix.lower() in _OTHER_AUDIO


def take_named(written: str) -> tuple[str, int] | None:
    """What stands before the seed, and the seed: `s2` as `("", 2)`, `wide.s2` as `("wide", 2)`."""
    found = _TAKE.fullmatch(unicodedata.normalize("NFC", written))
    return (found["of"] or "", int(found["seed"])) if found else None


def own_take(written: str, variants: Container[str], song: str) -> tuple[str, int] | None:
    """Variant (the base is the empty name) and seed of a take of the song itself; None for anything else."""
    named = None if names_file(written) else take_named(written)
    if named is None or named[0] in variants or not named[0]:
        return named
    of = "" if named[0] == song else named[0].removeprefix(f"{song}.")
    return (of, named[1]) if named[0] != of and (not of or of in variants) else None


def preview_named(written: str) -> tuple[str, str] | None:
    """The take that a preview is the beginning of, and its seconds; None for any other name.

    `night-bus.s2.preview20` as `("night-bus.s2", "20")`. What stands behind the seed tells: a variant may be called
    `preview`, too.
    """
    found = _PREVIEW.fullmatch(written)
    return (found["take"], found["seconds"]) if found else None


def take_name(song: str, variant: str, seed: int) -> str:
    """`night-bus.s2`, `night-bus.wide.s2`."""
    return ".".join(filter(None, (song, variant, f"s{seed}")))
