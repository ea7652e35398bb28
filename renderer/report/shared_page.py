"""Takes for somebody to hear -> a small page of its own: players and lyrics, nothing of how anything was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from renderer.report.content_policy import content_policy
from renderer.report.templating import part, template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.song import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTake:
    """A player."""

    label: str
    """What to call it in an answer: `Take 2`."""
    file: str
    """Beside the page."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSong:
    """Takes in which the same words are sung."""

    title: str
    sections: tuple[Section, ...]
    """Empty for an instrumental."""
    takes: tuple[SharedTake, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAlbum:
    """What stands above songs that come out together."""

    title: str
    artist: str = ""
    cover: str = ""
    """A picture beside the page; empty for none."""


def shared_page(songs: Sequence[SharedSong], album: SharedAlbum | None = None) -> str:
    """The page as text: it opens from disk, beside the files that it names, and asks for nothing else."""
    style, script = part("shared.css"), part("shared.js")
    titles = tuple(dict.fromkeys(song.title for song in songs))
    return template("shared").render(
        songs=songs,
        album=album,
        title=album.title if album else ", ".join(titles),
        style=Markup(style),  # noqa: S704 - our own file, hashed in the policy
        script=Markup(script),  # noqa: S704 - our own file, hashed in the policy
        policy=content_policy(style, script, images=bool(album and album.cover)),
    )
