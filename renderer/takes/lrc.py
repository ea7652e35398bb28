"""What comes to a take after its sound: the `.lrc` beside it, and what its record tells.

A file that a user made or changed is never written over.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.store.disk import write_whole
from renderer.store.takes import LRC_ENDING, file_digest
from renderer.takes.retag import made_at
from renderer.takes.sidecar import make_sidecar
from renderer.takes.sung_facts import sung_facts_text
from renderer.takes.timed_text import lrc_text
from renderer.takes.versions import put_aside

if TYPE_CHECKING:
    from renderer.artifacts import Artifact, Timestamps
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord


def add_lrc(store: Store, record: TakeRecord, stage: str, key: str, timestamps: Timestamps) -> TakeRecord:
    """Put timestamps beside a finished take's audio, which stays as it is; its record and sidecar tell of them.

    Raises: StoreError, OSError as the disk gives it.
    """
    content = lrc_text(timestamps).encode()
    told, text = _with_result(store, record, stage, key, timestamps)
    page = replace(told.page, sung=sung_facts_text(timestamps))
    told = replace(told, lrc_digest=hashlib.sha256(content).hexdigest(), page=page)
    lrc = (store.outputs / record.file).with_suffix(LRC_ENDING)
    if lrc.exists() and file_digest(lrc) not in {record.lrc_digest, told.lrc_digest}:
        put_aside(store, lrc)
    _put(store, told, text)
    write_whole(store.disk, lrc, content)
    return told


def add_result(store: Store, record: TakeRecord, stage: str, key: str, artifact: Artifact) -> TakeRecord:
    """Tell in a finished take's record and sidecar of a result that came after its sound.

    Raises: StoreError, OSError as the disk gives it.
    """
    told, text = _with_result(store, record, stage, key, artifact)
    _put(store, told, text)
    return told


def _with_result(
    store: Store, record: TakeRecord, stage: str, key: str, artifact: Artifact
) -> tuple[TakeRecord, bytes | None]:
    """The record that tells of a result, and the sidecar; None where that is the user's, who wrote to it by hand."""
    recipe, sidecar = record.recipe, (store.outputs / record.file).with_suffix(".toml")
    told = replace(
        record,
        keys={**record.keys, stage: key},
        recipe=replace(recipe, keys={**recipe.keys, stage: key}),
        page=replace(record.page, notes={**record.page.notes, stage: artifact.take_notes}),
    )
    if sidecar.exists() and file_digest(sidecar) != record.sidecar_digest:
        return told, None
    text = make_sidecar(record.take, told.recipe, told.provenance, made_at(record, sidecar))
    return replace(told, sidecar_digest=hashlib.sha256(text).hexdigest()), text


def _put(store: Store, record: TakeRecord, sidecar: bytes | None) -> None:
    # The record first, so that no file of ours ever lies there unrecorded.
    store.put_take(record)
    if sidecar is not None:
        write_whole(store.disk, (store.outputs / record.file).with_suffix(".toml"), sidecar)


def has_lrc(store: Store, record: TakeRecord) -> bool:
    """Whether there is one beside the audio, whoever wrote it last."""
    return bool(record.lrc_digest) and (store.outputs / record.file).with_suffix(LRC_ENDING).exists()
