"""What a song's piece of the page hangs on -> its key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.report.kept_pieces import digest_of, states
from renderer.store.takes import OLD_FOLDER

if TYPE_CHECKING:
    from renderer.pipeline.whole import SongTakes, Whole
    from renderer.report.song_values import Surroundings
    from renderer.song import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keys of songs' pieces: what holds for the whole page is put together once."""

    whole: Whole
    around: Surroundings
    page: str
    """A digest of all that every song hangs on."""
    models: dict[Variant, str]
    """What a variant's model set is made of."""

    def key(self, one: SongTakes) -> str:
        """Of a song as it stands now."""
        store, run, song = self.around.store, self.around.run, one.song
        suffix = "" if self.whole.asked.options.preview is None else f".preview{self.whole.asked.options.preview:g}"
        names = [take.name + suffix for take in one.asked] + [take.name for take in one.others]
        names += [name for name, _ in one.previews]
        # Of edits, which version of their source theirs is, stands in that one's records.
        names += [source.name for take in (*one.asked, *one.others) if (source := take.source) is not None]
        folder = store.outputs / song.name
        return digest_of(
            (
                self.page,
                song,
                [(take.name, take.song.seeds) for take in (*one.asked, *one.others)],
                len(one.asked),
                [self._model(variant) for variant in song.variants],
                [(name, sorted(states(store.folder / "takes" / name))) for name in names],
                sorted(states(folder)),
                sorted(states(folder / OLD_FOLDER)),
                [run.failed.get(name) for name in names],
            )
        )

    def _model(self, variant: Variant) -> str:
        if variant not in self.models:
            self.models[variant] = digest_of(self.whole.rest.model_of(variant))
        return self.models[variant]


def keys_of(whole: Whole, around: Surroundings, *, folds_lyrics: bool) -> Keys:
    """What gives each song of the page its key."""
    asked, rest = whole.asked, whole.rest
    # A take made of another's sound hangs on that one's song.
    edits = [one.song for one in whole.songs if any(take.variant.edit for take in (*one.asked, *one.others))]
    page = digest_of(
        (
            program_digest(),
            around.up,
            str(around.store.outputs),
            [asked.options, rest.options],
            [asked.settings, rest.settings],
            asked.environment,
            folds_lyrics,
            [one.song for one in whole.songs] if edits else [],
        )
    )
    return Keys(whole=whole, around=around, page=page, models={})


@cache
def program_digest() -> str:
    """SHA-256 of this program: another one may draw and plan otherwise."""
    root = Path(str(files("renderer")))
    found = sorted(path for path in root.rglob("*") if path.suffix in {".py", ".js", ".css", ".jinja"})
    told = hashlib.sha256()
    for path in found:
        told.update(path.relative_to(root).as_posix().encode())
        told.update(path.read_bytes())
    return told.hexdigest()
