"""Audio files that specs name: inside the project, there, and fit to make a take from, as far as their heads tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.facts import MAX_DURATION
from renderer.files import from_home, is_regular
from renderer.formats.sound_head import sound_seconds
from renderer.spec.error_at import error_at
from renderer.spec.inside import outside
from renderer.spec.stand_ins import is_kept_inside, where_kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.source import KeyPath
    from renderer.spec.toml import Parsed


def sound_length(file: Path, root: Path) -> float | None:
    """Seconds of an audio file; None of one that no take can be made from, of which `audio_faults` tells."""
    file = where_kept(file)
    try:
        return sound_seconds(file, MAX_DURATION) if is_kept_inside(file, root) and is_regular(file) else None
    except UsageError:
        return None


def audio_faults(
    parsed: Parsed, path: KeyPath, written: str, folder: Path, root: Path, max_seconds: float = MAX_DURATION
) -> Iterator[Diagnostic]:
    """The errors of an audio file that is `written` at a path of a file in `folder`; `root` is the project's."""
    file, source = where_kept(folder / from_home(written)), parsed.source
    if "\0" in written or not is_kept_inside(file, root):
        yield outside(parsed, path, written, root)
    elif not is_regular(file):
        yield error_at(
            source,
            source.value(path),
            code="audio-missing",
            message=f"the audio file of `{path[-1]}` is not there",
            why=f"looked for `{written}` beside `{source.path.name}`",
        )
    else:
        try:
            sound_seconds(file, max_seconds)
        except UsageError as error:
            told = source.value(path)
            yield error_at(source, told, code="audio-file", message=error.message, why=error.why, advice=error.help)
