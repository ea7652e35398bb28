"""`renderer album`: what the kept takes make together, and a folder of them to send out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.cli.exit_codes import EXIT_FAULTS, EXIT_FINE
from renderer.cli.options import takes_folder_option
from renderer.cli.streams import echo_json, say, say_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from renderer.pipeline.album import AlbumTrack, PickedAlbum
    from renderer.pipeline.album_remarks import AlbumRemark


@click.command(name="album")
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="[ALBUM]")
@click.option("--to", "folder", type=click.Path(path_type=Path), metavar="FOLDER", help="Write the album there.")
@click.option("--best", is_flag=True, help="Of songs without a kept take, the one that `renderer pick` puts first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program to read.")
@takes_folder_option
def command(file: Path | None, folder: Path | None, best: bool, as_json: bool, outputs: Path | None) -> int:
    """Show the album in ALBUM, an album.toml: its tracks, and what of them to hear again before it is sent out.

    --to writes it: a FLAC or MP3 a song with tags and cover, a cue sheet, an M3U playlist and a page. Songs are made as
    loud as the album says by one gain each, never by a limiter. Files that are there and hold something else are never
    written over: nothing is written then. Exits with 1 while a song has no kept take.
    """
    from renderer.pipeline.album import open_album
    from renderer.pipeline.album_export import export_album
    from renderer.pipeline.album_places import the_album
    from renderer.pipeline.album_remarks import album_remarks

    picked = open_album(the_album(file), outputs, best=best)
    remarks = album_remarks(picked)
    written = export_album(picked, folder) if folder else ()
    if as_json:
        echo_json(_document(picked, remarks, written))
    else:
        _print(picked, remarks, written)
    return EXIT_FAULTS if picked.missing else EXIT_FINE


def _print(picked: PickedAlbum, remarks: Sequence[AlbumRemark], written: Sequence[Path]) -> None:
    from rich.console import Console

    from renderer.plurals import counted

    seconds = sum(track.seconds + track.joined.gap for track in picked.tracks)
    say_line(f"{picked.album.title}: {counted(len(picked.tracks), 'track')}, {_clock(seconds)}")
    if picked.tracks:
        Console(highlight=False).print(_table(picked))
    for remark in remarks:
        say(remark.text)
        if remark.help:
            say(f"  = help: {remark.help}")
    for path in written:
        say(str(path))


def _table(picked: PickedAlbum) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from renderer.spec.diagnostics import printable

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "take", "length", "bpm", "key", "LUFS", "gain"):
        table.add_column(heading, overflow="fold", justify="left" if heading in ("take", "key") else "right")
    for track in picked.tracks:
        table.add_row(*(Text(printable(cell)) for cell in _cells(track)))
    return table


def _cells(track: AlbumTrack) -> tuple[str, ...]:
    loudness = track.loudness
    return (
        str(track.number),
        track.record.take,
        _clock(track.seconds),
        f"{track.bpm:.0f}" if track.bpm else "",
        track.keyscale or "",
        "" if loudness is None else f"{loudness:.1f}",
        f"{track.gain.decibels:+.2f}" if track.gain.decibels else "",
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _document(picked: PickedAlbum, remarks: Sequence[AlbumRemark], written: Sequence[Path]) -> dict[str, object]:
    album = picked.album
    return {
        "title": album.title,
        "file": str(album.file),
        "tracks": [_row(track) for track in picked.tracks],
        "missing": [entry.song for entry in picked.missing],
        "remarks": [
            {"code": one.code, "songs": list(one.songs), "told": one.text, "help": one.help} for one in remarks
        ],
        "written": [str(path) for path in written],
    }


def _row(track: AlbumTrack) -> dict[str, object]:
    peak = track.levels.true_peak if track.levels else None
    return {
        "number": track.number,
        "song": track.song.name,
        "take": track.record.take,
        "key": track.record.key,
        "audio": str(track.audio),
        "seconds": track.seconds,
        "gap": track.joined.gap,
        "fade_in": track.joined.fade_in,
        "fade_out": track.joined.fade_out,
        "bpm": track.bpm,
        "keyscale": track.keyscale,
        "gain_db": track.gain.decibels,
        "lowered_by_db": track.gain.lowered_by,
        "loudness_lufs": track.loudness,
        "true_peak_db": None if peak is None else peak + track.gain.decibels,
    }
