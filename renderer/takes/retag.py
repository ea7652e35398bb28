"""A take whose title or recipe level was edited -> the same sound with other tags: nothing is decoded or encoded.

The tags go into a copy, which takes the name by a rename. The record that was written before holds both, so that,
whenever this is cut off, the file that is there is one it tells of.
"""

from __future__ import annotations

import hashlib
import tomllib
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from renderer.errors import StoreError
from renderer.files import read_regular
from renderer.store.disk import commit, temp_beside, write_whole
from renderer.store.takes import FILE, file_digest
from renderer.takes.audio import change_tags
from renderer.takes.measure import share_measurement
from renderer.takes.measurements import measured_folder
from renderer.takes.recipe import recipe_tags
from renderer.takes.sidecar import make_sidecar
from renderer.takes.versions import move_aside, put_aside

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.plan.jobs import TakePlan
    from renderer.store.recipe import Recipe
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord


def retag(store: Store, plan: TakePlan) -> TakeRecord | None:
    """Give the take's audio the tags that the plan asks for; returns its record.

    None when the audio isn't what was recorded: it lies in `old/` then, and the take has to be made again.

    Raises: StoreError, OSError as the disk gives it; the file is then what it was, or what it was to be.
    """
    record, audio = store.take(plan.name, plan.key), store.outputs / plan.file
    if record is None or store.find(record) != audio:
        raise StoreError(f"`{plan.file}` is gone", help="start again: it is made anew from its latents")
    if file_digest(audio) != record.digest:
        move_aside(store, audio)
        return None
    recipe = _recipe(record.recipe, plan)
    temp, output = temp_beside(store.disk, audio), plan.take.song.output
    try:
        change_tags(audio, temp, output.format, recipe_tags(recipe, output.recipe, plan.family.note))
        sidecar = _sidecar(record, recipe, audio.with_suffix(".toml"))
        tagged = _record(record, plan, recipe, temp, sidecar)
        store.put_take(tagged)
        _put_sidecar(store, record, sidecar)
        commit(store.disk, temp, audio, num_bytes=tagged.num_bytes)
    finally:
        with suppress(OSError):
            temp.unlink(missing_ok=True)
    share_measurement(record.digest, tagged.digest, measured_folder(store.outputs))
    return tagged


def _recipe(recipe: Recipe, plan: TakePlan) -> Recipe:
    song = plan.take.song
    output = {name: value for name, value in asdict(song.output).items() if value is not None}
    return replace(recipe, spec={**recipe.spec, "title": song.title, "output": output})


def _record(record: TakeRecord, plan: TakePlan, recipe: Recipe, temp: Path, sidecar: bytes) -> TakeRecord:
    written = temp.stat()
    return replace(
        record,
        num_bytes=written.st_size,
        mtime_ns=written.st_mtime_ns,
        digest=file_digest(temp),
        sidecar_digest=hashlib.sha256(sidecar).hexdigest(),
        requests={**record.requests, FILE: plan.requests[FILE]},
        recipe=recipe,
        distrusted=False,  # it was read just now
        before=record.of_the_file,
    )


def _sidecar(record: TakeRecord, recipe: Recipe, path: Path) -> bytes:
    """What it is to be: made when the one that lies there says, or when the audio was."""
    return make_sidecar(record.take, recipe, record.provenance, made_at(record, path))


def made_at(record: TakeRecord, sidecar: Path) -> str:
    """When a take was made, in ISO 8601: as its sidecar says, or when its audio was written."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(tomllib.loads(read_regular(sidecar).decode())["made"]["at"])
    return datetime.fromtimestamp(record.mtime_ns // 10**9, UTC).isoformat(timespec="seconds")


def _put_sidecar(store: Store, record: TakeRecord, sidecar: bytes) -> None:
    path = (store.outputs / record.file).with_suffix(".toml")
    # One that was written to by hand stays, beside the former versions; ours may be the new one already.
    if path.is_file() and file_digest(path) not in (record.sidecar_digest, hashlib.sha256(sidecar).hexdigest()):
        put_aside(store, path)
    write_whole(store.disk, path, sidecar)
