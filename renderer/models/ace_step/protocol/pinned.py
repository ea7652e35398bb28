"""A song's pinned codes -> results in place of the LM's, with keys; no LM runs for them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from renderer.artifacts import Codes, Cot, CotMetas
from renderer.facts import CODE_RATE
from renderer.models.ace_step.protocol.names import CODES, COT
from renderer.models.take_requests import PinnedResult
from renderer.provenance import CodesNotes, CotNotes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.song import Pinned, Take


def pinned_artifacts(take: Take, preview: float | None) -> Mapping[str, PinnedResult]:
    """Stage -> key and artifact of what the song pins; empty when it pins nothing or the variant doesn't think.

    Unedited, they bear the keys of the jobs that made them: a take rendered before stays done when its codes are
    pinned. The chain of thought's caption counts as long as the song's own is the one it was written for.
    """
    pinned = take.song.pinned
    if pinned is None or not take.variant.inference.thinking:
        return {}
    import numpy as np  # noqa: PLC0415 - a tenth of a second of imports that most plans do without

    whole = pinned.is_as_pinned
    length = len(pinned.codes) if preview is None else max(1, int(preview * CODE_RATE))
    codes = Codes(codes=np.array(pinned.codes[:length], dtype=np.int32), notes=CodesNotes(pinned=pinned.take))
    kept = whole and length >= len(pinned.codes)
    results: dict[str, PinnedResult] = {}
    if pinned.cot is not None:
        results[COT] = _cot(take, pinned, whole=whole)
    key = pinned.codes_key if kept else _key({"codes": codes.codes.tolist()})
    results[CODES] = PinnedResult(key=key, artifact=codes)
    return results


def _cot(take: Take, pinned: Pinned, *, whole: bool) -> PinnedResult:
    said = pinned.cot
    assert said is not None  # noqa: S101 - asked by the only caller
    metas = CotMetas(
        bpm=said.bpm,
        caption=said.caption,
        duration=said.duration,
        keyscale=said.keyscale,
        language=said.language,
        timesignature=said.timesignature,
    )
    own_caption = take.song.caption == pinned.caption
    if not own_caption:
        metas = replace(metas, caption=None)
    cot = Cot(text=said.text, metas=metas, notes=CotNotes(pinned=pinned.take))
    key = pinned.cot_key if whole and own_caption else _key({"cot": asdict(metas), "text": said.text})
    return PinnedResult(key=key, artifact=cot)


def _key(content: Mapping[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
