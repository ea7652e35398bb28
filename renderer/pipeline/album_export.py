"""An album -> a folder to send out: tagged tracks, cover, cue sheet, playlist and a page; the same bytes every time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from renderer.artifacts import Waveform
from renderer.errors import UsageError
from renderer.formats.table import FORMATS
from renderer.pipeline.put_files import put_files
from renderer.pipeline.rendered import require_intact
from renderer.report.shared_page import SharedAlbum, SharedSong, SharedTake, shared_page
from renderer.spec.lyrics import parse
from renderer.takes.album_texts import ListedTrack, cue_text, m3u_text
from renderer.takes.audio import change_tags, read_sound, write_audio
from renderer.takes.mastering import finished, with_fades
from renderer.takes.recipe import song_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from renderer.pipeline.album import AlbumTrack, PickedAlbum
    from renderer.spec.album import Album

CUE_NAME, M3U_NAME, PAGE_NAME = "album.cue", "album.m3u8", "index.html"


def export_album(picked: PickedAlbum, folder: Path) -> tuple[Path, ...]:
    """The files of the album in `folder`, written or there already with the very same content; the page comes last.

    Raises: UsageError while a song has no take, and for files that would be written over; StoreError for a take that
    was damaged or a file that can't be written.
    """
    if picked.missing:
        names = ", ".join(f"`{entry.song}`" for entry in picked.missing)
        raise UsageError(
            f"no take is kept of {names}",
            why="an album is sent out whole; nothing was written",
            help="hear them and vote: renderer pick SONG, renderer keep TAKE; or let --best choose",
        )
    return put_files(folder, _files(picked))


def track_file(track: AlbumTrack, album: Album) -> str:
    """What a track's file is called: `01-night-bus.flac`."""
    return f"{track.number:02d}-{track.song.name}{FORMATS[album.format].suffix}"


def _files(picked: PickedAlbum) -> Mapping[str, Callable[[Path], None]]:
    album = picked.album
    cover = {f"cover{album.cover.suffix}": album.cover.content} if album.cover else {}
    listed = [_listed(track, album) for track in picked.tracks]
    texts = {
        CUE_NAME: cue_text(listed, title=album.title, artist=album.artist, date=album.date, format=album.format),
        M3U_NAME: m3u_text(listed, title=album.title, artist=album.artist),
        PAGE_NAME: _page(picked, next(iter(cover), None)),
    }
    return {
        **{track_file(track, album): partial(_write_track, picked, track) for track in picked.tracks},
        **{name: partial(_write, content) for name, content in cover.items()},
        **{name: partial(_write, text.encode()) for name, text in texts.items()},
    }


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _listed(track: AlbumTrack, album: Album) -> ListedTrack:
    return ListedTrack(title=track.song.title, file=track_file(track, album), seconds=track.seconds + track.joined.gap)


def _write_track(picked: PickedAlbum, track: AlbumTrack, path: Path) -> None:
    """The take's sound, joined and as loud as the album asks, with tags for players and none of a recipe.

    Raises: StoreError for one that was damaged, or can't be written.
    """
    require_intact(track.audio, digest=track.record.digest, take=track.record.take)
    album, tags = picked.album, _tags(picked, track)
    if track.is_as_rendered and track.audio.suffix == FORMATS[album.format].suffix:
        change_tags(track.audio, path, album.format, tags, album.cover)
        return
    faded = with_fades(read_sound(track.audio).samples.T, track.joined)
    sound = finished(faded, track.gain, track.joined)
    write_audio(Waveform(samples=sound.T), path, album.format, tags, album.cover)


def _tags(picked: PickedAlbum, track: AlbumTrack) -> dict[str, str]:
    album = picked.album
    ours = {
        "title": track.song.title,
        "artist": album.artist,
        "album": album.title,
        "albumartist": album.artist,
        "track": str(track.number),
        "tracktotal": str(len(picked.tracks)),
        "date": album.date,
    }
    return {name: text for name, text in (song_tags(track.record.recipe) | ours).items() if text}


def _page(picked: PickedAlbum, cover: str | None) -> str:
    songs = []
    for track in picked.tracks:
        spec = track.record.recipe.spec  # what was sung, whatever the song's spec says by now
        instrumental = spec.get("instrumental", track.song.instrumental)
        lyrics = "" if instrumental else spec.get("lyrics", track.song.lyrics)
        take = SharedTake(
            label=f"Track {track.number}",
            file=track_file(track, picked.album),
            seconds=track.seconds + track.joined.gap,
        )
        songs.append(SharedSong(title=track.song.title, sections=parse(lyrics) if lyrics else (), takes=(take,)))
    album = SharedAlbum(title=picked.album.title, artist=picked.album.artist or "", cover=cover or "")
    return shared_page(songs, album)
