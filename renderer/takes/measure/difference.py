"""Two takes' files -> how many samples differ, inside the windows that were made anew and outside of them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from renderer.formats.table import FORMATS
from renderer.store.disk import RealDisk, write_whole
from renderer.takes.measure.values import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from renderer.takes.measure.values import SoundPair

VERSION = 1  # raised when comparing changes: older results are made again
MARGIN_SECONDS = 0.1  # beside a window: its ramp lasts up to 50 ms, and it begins with a latent frame of 40 ms
_BLOCK = 1 << 20  # frames; two files of ten minutes would take half a gigabyte


def compare_files(pair: SoundPair, folder: Path) -> None:
    """Keep a pair's difference below `folder`.

    Raises: soundfile's errors for what can't be read, ValueError for files that can't be laid beside each other.
    """
    text = json.dumps({"version": VERSION, "difference": asdict(difference(pair))})
    write_whole(RealDisk(), folder / f"{pair.name}.json", text.encode())


def stored_difference(name: str, folder: Path) -> Difference | None:
    """What was found before; None when nobody compared these, or by another version of this code."""
    try:
        kept = json.loads((folder / f"{name}.json").read_text("utf-8"))
        return Difference(**kept["difference"]) if kept["version"] == VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def difference(pair: SoundPair) -> Difference:
    """How the two differ, as far as both reach.

    Raises: see `compare_files`.
    """
    import numpy as np  # noqa: PLC0415 - in the measuring process only

    counts, peak = np.zeros((2, 2), dtype=np.int64), 0.0
    for inside, outside, apart in _blocks(pair):
        for place, chosen in enumerate((outside, inside)):
            counts[place] += apart[chosen].size, np.count_nonzero(apart[chosen])
        peak = max(peak, float(apart[outside].max(initial=0.0)))
    return Difference(
        num_outside=int(counts[0, 0]),
        num_outside_differing=int(counts[0, 1]),
        outside_peak_db=20 * math.log10(peak) if peak else None,
        num_inside=int(counts[1, 0]),
        num_inside_differing=int(counts[1, 1]),
        lossless=all(_is_lossless(file.path) for file in (pair.edit, pair.source)),
    )


def _blocks(pair: SoundPair) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.float32]]]:
    """Which frames are inside, which outside, and how far apart [frames, channels] the two are, block by block."""
    import numpy as np  # noqa: PLC0415 - in the measuring process only
    import soundfile  # noqa: PLC0415 - as above

    with soundfile.SoundFile(pair.edit.path) as edit, soundfile.SoundFile(pair.source.path) as source:
        if (edit.samplerate, edit.channels) != (source.samplerate, source.channels):
            raise ValueError("they have other rates or channels")
        lead = round(pair.lead_seconds * edit.samplerate)
        edit.seek(lead)
        for start in range(lead, min(edit.frames, source.frames + lead), _BLOCK):
            one, other = (file.read(_BLOCK, dtype="float32", always_2d=True) for file in (edit, source))
            shared = min(len(one), len(other))
            seconds = np.arange(start, start + shared) / edit.samplerate
            yield *_sides(pair, seconds), np.abs(one[:shared] - other[:shared])


def _sides(pair: SoundPair, seconds: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    import numpy as np  # noqa: PLC0415 - as above

    inside, near = np.zeros(len(seconds), dtype=np.bool_), np.zeros(len(seconds), dtype=np.bool_)
    for start, end in pair.windows:
        inside |= (seconds >= start + MARGIN_SECONDS) & (seconds < end - MARGIN_SECONDS)
        near |= (seconds >= start - MARGIN_SECONDS) & (seconds < end + MARGIN_SECONDS)
    return inside, ~near


def _is_lossless(path: Path) -> bool:
    return any(row.lossless for row in FORMATS.values() if path.suffix.lower() in row.endings)
