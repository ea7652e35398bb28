"""ACE-Step's own example songs, imported and checked: how many mean what they meant, and what `check` says of them.

`python -m tests.bench.official_examples FOLDER`, with the folder `examples` of ace-step/ACE-Step-1.5. Their texts are
not ours to keep: their digests and the counts are in `results/official_examples.json`; `--write` writes it anew. Ends
with 1 when a meaning changed without being listed, or when files or counts are other than written there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.errors import RendererError
from renderer.spec.imports.specs import read_foreign
from renderer.spec.load import load_songs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.song import Song
    from renderer.spec.imports.specs import Imported

RESULTS = Path(__file__).parent / "results" / "official_examples.json"
SETS = ("text2music", "simple_mode")


def words(text: str) -> list[str]:
    """A text less everything that is no word: what of it a model can tell apart."""
    return unicodedata.normalize("NFC", text).split()


def sung(text: str) -> list[str]:
    """Lyrics line by line, less blanks at line ends and blank lines around them."""
    lines = unicodedata.normalize("NFC", text).replace("\r", "").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n").split("\n")


def key(text: str) -> tuple[str, str]:
    """A key signature in one spelling."""
    note, mode = text.replace("\u266d", "b").replace("\u266f", "#").split()
    return note, mode.lower()


MEANS: Mapping[str, Callable[[Any, Song], bool]] = {
    "caption": lambda value, song: words(value) == words(song.caption),
    "description": lambda value, song: words(value) == words(song.caption),
    "lyrics": lambda value, song: sung(value) == sung(song.lyrics),
    "instrumental": lambda value, song: value is song.instrumental,
    "think": lambda value, song: value is song.variants[0].inference.thinking,
    "bpm": lambda value, song: value == song.metas.bpm,
    "duration": lambda value, song: value == song.metas.duration,
    "keyscale": lambda value, song: song.metas.keyscale is not None and key(value) == key(song.metas.keyscale),
    "timesignature": lambda value, song: value == song.metas.timesignature,
    "language": lambda value, song: value == song.metas.vocal_language,
    "vocal_language": lambda value, song: (None if value == "unknown" else value) == song.metas.vocal_language,
}
"""A key of the examples -> whether a song means what its value says; judged without the import's own rules."""


def changed(source: Mapping[str, Any], song: Song, spec: Imported) -> Iterator[str]:
    """The keys whose meaning is another one and that no list names; and what the song has that nobody asked for."""
    listed = {left.key for left in spec.left_out}
    yield from (name for name, value in source.items() if name not in listed and not MEANS[name](value, song))
    if not source.get("lyrics") and not source.get("instrumental") and not (song.lyrics == "" and spec.notes):
        yield "lyrics"
    if len(song.variants) != 1 or song.seeds != (0,) or song.pinned is not None:
        yield "takes"


def measured(folder: Path) -> dict[str, Any]:
    """The counts of one set."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("findings", "listed", "changed")}
    imported = 0
    with tempfile.TemporaryDirectory() as name:
        specs = Path(name)
        (specs / ".git").mkdir()
        for file in sorted(folder.glob("*.json")):
            (spec,) = read_foreign(file.read_text("utf-8"), file).songs
            if isinstance(spec, RendererError):
                counts["changed"]["refused"] += 1
                continue
            path = specs / f"{file.stem}.toml"
            path.write_text(spec.text(None), encoding="utf-8")
            loaded = load_songs([path])
            counts["findings"].update(f"{one.level.value} {one.code}" for one in loaded.diagnostics)
            counts["listed"].update(left.key for left in spec.left_out)
            source = json.loads(file.read_text("utf-8"))
            counts["changed"].update(changed(source, loaded.songs[0], spec) if loaded.songs else ["refused by check"])
            imported += 1
    return {"imported": imported, **{name: dict(sorted(counted.items())) for name, counted in counts.items()}}


def digests(folder: Path) -> dict[str, str]:
    """File -> the beginning of its SHA-256."""
    files = sorted(file for name in SETS for file in (folder / name).glob("*.json"))
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}


def main() -> int:
    """Import, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true", help="write the expected counts anew")
    arguments = parser.parse_args()
    counts = {name: measured(arguments.folder / name) for name in SETS}
    sys.stdout.write(json.dumps(counts, indent=1) + "\n")
    found = {"counts": counts, "digests": digests(arguments.folder)}
    if arguments.write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    expected = json.loads(RESULTS.read_text("utf-8"))
    odd = [name for name in ("digests", "counts") if found[name] != expected[name]]
    odd += ["meanings"] * any(one["changed"] for one in counts.values())
    sys.stdout.write(f"not as expected: {', '.join(odd)}\n" if odd else "as expected\n")
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
