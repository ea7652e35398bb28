"""Names of takes, or of former versions -> two of them side by side: asked, decided, measured, codes and sound."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.artifacts import Codes
from renderer.errors import UsageError
from renderer.files import why_refused
from renderer.formats.table import FORMATS, is_audio
from renderer.models.family import stored_kinds
from renderer.pipeline.measure_now import measure_now, quietly
from renderer.pipeline.options import Options
from renderer.pipeline.rendered import require_intact
from renderer.pipeline.select import select
from renderer.plan.reasons import environment_changes
from renderer.report.codes_distance import codes_distance
from renderer.report.diff_values import SideRow, TakesDiff, TextDiff
from renderer.report.take_sound import beside, lyrics_of, side_rows, take_sound, value_told, values_in
from renderer.report.text_diff import changed_lines
from renderer.spec.near import suggestion
from renderer.store.store import Store
from renderer.takes.encoding import sound_digest
from renderer.takes.measure import SoundFile, missing_libraries, stored_measurement
from renderer.takes.measure.loudness_curve import loudness_curve
from renderer.takes.measurements import measured_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from renderer.pipeline.measure_now import ShowProgress
    from renderer.report.diff_values import TakeSound
    from renderer.store.takes import TakeRecord

ASKED, MADE = "asked", "made with"
_MARK = re.compile(r"(?P<take>.+)\.(?P<mark>[0-9a-f]{4,8}(?:-[0-9a-f]{1,8})?)")
_TEXTS = ("caption", "lyrics")

_Found = tuple["TakeRecord", Path, Store]


def compare_takes(
    names: Sequence[str], outputs: Path | None, *, measure: bool = True, show: ShowProgress = quietly
) -> TakesDiff:
    """Two takes side by side; of one alone its last former version beside it.

    A name is a take's, with the head of its key behind it a former version's (`night-bus.s1.4f2a9c1b`, as its file is
    called); a file of one is as good. With `measure`, what wasn't measured is, now, while `show` is entered.

    Raises: UsageError for names without a version on disk, SpecError for specs that can't be read, StoreError for a
    take that was damaged.
    """
    stores = _stores(outputs)
    found = [_version(name, stores) for name in names]
    a, b = (_former(*found[0]), found[0]) if len(found) == 1 else found
    for record, place, _ in (a, b):
        require_intact(place, digest=record.digest, take=record.take)
    remarks = tuple(_measure((a, b), show)) if measure else ()
    sides = tuple(_listened(*one) for one in (a, b))
    codes, lacks = _codes(a, b, sides)
    return TakesDiff(
        a=sides[0],
        b=sides[1],
        rows=tuple(_rows(a[0], b[0], sides)),
        texts=tuple(_texts(a[0], b[0])),
        codes=codes,
        same_sound=_same_sound(a, b),
        remarks=(*remarks, *lacks),
        outputs=b[2].outputs,
    )


def _stores(outputs: Path | None) -> tuple[Store, ...]:
    folders = dict.fromkeys([outputs] if outputs else (song.outputs for song in select((), Options()).songs))
    return tuple(Store(folder, kinds=stored_kinds()) for folder in folders)


def _version(name: str, stores: Sequence[Store]) -> _Found:
    called = Path(name).stem if is_audio(Path(name)) else name
    for store in stores:
        versions = store.versions(called)
        named = (one for one in versions if store.find(one) == store.outputs / one.file)
        record = next(named, None) or next((one for one in versions if store.find(one)), None)
        if record is not None:
            return _placed(record, store)
        marked = _MARK.fullmatch(called)
        fitting = (
            [one for one in store.versions(marked["take"]) if one.mark.startswith(marked["mark"])] if marked else []
        )
        there = [one for one in fitting if store.find(one)]
        if len(there) > 1:
            raise UsageError(
                f"`{called}` may be several versions",
                why=", ".join(f"`{one.take}.{one.mark}`" for one in there),
                help="write more of what its file in old/ is called",
            )
        if there:
            return _placed(there[0], store)
        if versions or fitting:
            raise UsageError(
                f"the sound of `{called}` is gone",
                why="its file was deleted, moved or altered",
                help=f"renderer render {shlex.quote((versions or fitting)[0].take)} makes what its spec asks for",
            )
    known = [take for store in stores for take in store.take_names()]
    raise UsageError(
        f"there is no rendered take `{called}`",
        why="nothing lies under that name that could be heard",
        help=suggestion(called, known, most=3)
        or "renderer status tells of the takes; renderer diff --rev of their history",
    )


def _former(record: TakeRecord, place: Path, store: Store) -> _Found:
    """The last version before."""
    del place
    every = [one for one in store.versions(record.take) if one.digest != record.digest and store.find(one)]
    if not every:
        raise UsageError(
            f"`{record.take}` has no former version",
            why="nothing of it lies in old/",
            help=f"name another take beside it: renderer diff {shlex.quote(record.take)} TAKE",
        )
    return _placed(every[0], store)


def _placed(record: TakeRecord, store: Store) -> _Found:
    place = store.find(record)
    assert place is not None  # noqa: S101 - for the type checker: it was looked for
    return record, place, store


def _measure(versions: Iterable[_Found], show: ShowProgress) -> Iterator[str]:
    """Measure what isn't yet; what couldn't be, in words."""
    if missing_libraries():
        yield "tempo, key and loudness aren't measured: pip install 'renderer[measure]'"
        return
    files: dict[Path, dict[SoundFile, str]] = {}
    for record, place, store in versions:
        file = SoundFile(path=place, digest=record.digest)
        files.setdefault(measured_folder(store.outputs), {})[file] = record.take
    for folder, takes in files.items():
        problems = _problems(tuple(takes), folder, show)
        yield from (f"{take} isn't measured: {why}" for file, take in takes.items() if (why := problems(file)))


def _problems(files: Sequence[SoundFile], folder: Path, show: ShowProgress) -> Callable[[SoundFile], str]:
    """What tells why a file can't be measured; nothing of one that is."""
    try:
        found = measure_now(files, folder, show)
    except OSError as error:
        # Where takes can't be written beside, they are compared all the same.
        why = f"`{folder}` can't be written: {why_refused(error)}"
        return lambda file: "" if stored_measurement(file.digest, folder) else why
    return lambda file: found[file.digest].problem


def _listened(record: TakeRecord, place: Path, store: Store) -> TakeSound:
    return replace(take_sound(record, place, store), curve=loudness_curve(place))


def _same_sound(a: _Found, b: _Found) -> bool:
    if a[0].digest == b[0].digest:
        return True
    kinds = {place.suffix for _, place, _ in (a, b)}
    row = FORMATS.get(kinds.pop().removeprefix(".")) if len(kinds) == 1 else None
    return row is not None and sound_digest(a[1], row) == sound_digest(b[1], row)


def _texts(a: TakeRecord, b: TakeRecord) -> Iterator[TextDiff]:
    pairs = {
        "caption": tuple(str(one.recipe.spec.get("caption", "")) for one in (a, b)),
        "caption by the LM": tuple((one.recipe.decided and one.recipe.decided.caption) or "" for one in (a, b)),
        "lyrics": (lyrics_of(a), lyrics_of(b)),
    }
    for name, (old, new) in pairs.items():
        if old != new:
            yield TextDiff(name=name, variants=(), lines=changed_lines(old, new))


def _rows(a: TakeRecord, b: TakeRecord, sides: Sequence[TakeSound]) -> Iterator[SideRow]:
    yield from beside(ASKED, _asked(a), _asked(b))
    yield from _made(a, b)
    yield from side_rows(*sides)


def _asked(record: TakeRecord) -> dict[str, str]:
    """What its recipe says was asked, texts apart, and how it was made from another."""
    spec = {name: value for name, value in record.recipe.spec.items() if name not in _TEXTS}
    told = dict(values_in(spec)) | dict(values_in(record.recipe.edit or {}))
    if record.recipe.pinned:
        told["codes"] = f"pinned, of {record.recipe.pinned.get('take', 'a take')}"
    return told


def _made(a: TakeRecord, b: TakeRecord) -> Iterator[SideRow]:
    """Weights, and settings and surroundings that change bits and stand in no spec."""
    for name in dict.fromkeys((*a.recipe.weights, *b.recipe.weights)):
        yield SideRow(
            group=MADE,
            name=f"weights of {name}",
            a=a.recipe.weights.get(name, "")[:12],
            b=b.recipe.weights.get(name, "")[:12],
        )
    yield from beside(MADE, dict(values_in(a.recipe.settings)), dict(values_in(b.recipe.settings)))
    for change in environment_changes(a.environment, b.environment):
        yield SideRow(group=MADE, name=change.name, a=value_told(change.old), b=value_told(change.new))


def _codes(a: _Found, b: _Found, sides: Sequence[TakeSound]) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """The distance of their codes, or why there is none."""
    found = [_codes_of(record, store) for record, _, store in (a, b)]
    if any(one is None for one in found):
        takes = [one[0].take for one, codes in zip((a, b), found, strict=True) if codes is None]
        return (), (f"no codes to compare of {', '.join(dict.fromkeys(takes))}: made without, or freed by store gc",)
    return codes_distance(found[0], found[1], sides[0], sides[1]), ()


def _codes_of(record: TakeRecord, store: Store) -> Any:
    """The LM's codes of a version: int [n] at 5 Hz; None where they aren't in the store."""
    pinned = (record.recipe.pinned or {}).get("codes")
    if isinstance(pinned, list):
        return pinned
    kinds = stored_kinds()
    stored = (store.get(stage, key) for stage, key in record.keys.items() if kinds.get(stage) is Codes)
    return next((one.codes for one in stored if isinstance(one, Codes)), None)
