"""The `.lrc` beside a take's audio: when its lines are sung. One that a user made or changed is never written over."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.store.disk import write_whole
from renderer.store.takes import LRC_ENDING, file_digest
from renderer.takes.retag import made_at
from renderer.takes.sidecar import make_sidecar
from renderer.takes.timed_text import lrc_text
from renderer.takes.versions import put_aside

if TYPE_CHECKING:
    from renderer.artifacts import Timestamps
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord


def add_lrc(store: Store, record: TakeRecord, stage: str, key: str, timestamps: Timestamps) -> TakeRecord:
    """Put timestamps beside a finished take's audio, which stays as it is; its record and sidecar tell of them.

    Raises: StoreError, OSError as the disk gives it.
    """
    content = lrc_text(timestamps).encode()
    keys, recipe = {**record.keys, stage: key}, record.recipe
    told = replace(
        record,
        keys=keys,
        recipe=replace(recipe, keys={**recipe.keys, stage: key}),
        page=replace(record.page, notes={**record.page.notes, stage: timestamps.take_notes}),
        lrc_digest=hashlib.sha256(content).hexdigest(),
    )
    place = store.outputs / record.file
    sidecar, lrc = place.with_suffix(".toml"), place.with_suffix(LRC_ENDING)
    made = made_at(record, sidecar)
    text = make_sidecar(record.take, told.recipe, told.provenance, made)
    # A sidecar that was written to by hand stays the user's.
    rewrites = not sidecar.exists() or file_digest(sidecar) == record.sidecar_digest
    told = replace(told, sidecar_digest=hashlib.sha256(text).hexdigest()) if rewrites else told
    if lrc.exists() and file_digest(lrc) not in {record.lrc_digest, told.lrc_digest}:
        put_aside(store, lrc)
    # The record first, so that no file of ours ever lies there unrecorded.
    store.put_take(told)
    if rewrites:
        write_whole(store.disk, sidecar, text)
    write_whole(store.disk, lrc, content)
    return told


def has_lrc(store: Store, record: TakeRecord) -> bool:
    """Whether there is one beside the audio, whoever wrote it last."""
    return bool(record.lrc_digest) and (store.outputs / record.file).with_suffix(LRC_ENDING).exists()
