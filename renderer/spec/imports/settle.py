"""What must hold between the keys of an imported spec: its words, its codes, its length, and what the schema takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from renderer.errors import UsageError
from renderer.facts import CODE_RATE
from renderer.spec.checkpoints import DEFAULT_MODEL, default_max_duration
from renderer.spec.faults import diagnostics_of
from renderer.spec.imports import lyrics
from renderer.spec.imports.carry import leave, put
from renderer.spec.imports.entry import LeftOut
from renderer.spec.schema import TABLES, MetasTable, SongFile
from renderer.spec.source import Source

if TYPE_CHECKING:
    from renderer.spec.imports.draft import SpecDraft

_NOWHERE = Source(path=Path(), text="")  # the draft has no text yet


def settle(draft: SpecDraft) -> None:
    """Make the draft one that a spec can be, and list what that costs.

    Raises: UsageError when it has no caption, or lyrics that are no text.
    """
    _codes(draft)
    _words(draft)
    if not draft.values.get("caption"):
        told = ", ".join(f"`{left.key[:40]}`: {left.why}" for left in draft.left_out[:3])
        raise UsageError(
            "it holds no caption",
            why="without one there is nothing to make a song from",
            help=f"what it holds is of no use here: {told}"
            if told
            else "write `caption`: genre, instruments, mood, voice",
        )
    _drop_faults(draft)
    _retake(draft)
    _length(draft)


def _codes(draft: SpecDraft) -> None:
    """Codes bring what the LM had decided with them, as far as nothing else is asked; else that is a result."""
    for key, found in draft.decided.items():
        if not (draft.codes and key in MetasTable.model_fields):
            leave(found.name, found, draft)
        elif key not in draft.table("metas"):
            put(key, found, draft)
    if not draft.codes:
        return
    # Whether the LM writes codes says nothing where they are given: ACE-Step follows those.
    draft.table("inference").pop("thinking", None)
    lasts, duration = len(draft.codes) / CODE_RATE, draft.table("metas").get("duration")
    if isinstance(duration, int | float) and abs(duration - lasts) >= 1:
        del draft.values["metas"]["duration"]
        draft.left_out.append(LeftOut(key=draft.written["duration"], why=f"the codes last {lasts:g} s"))


def _words(draft: SpecDraft) -> None:
    """Words, no words, or nobody who sings: exactly one of them."""
    instrumental = draft.values.pop("instrumental", False)
    said, reason = lyrics.settled(draft.values.pop("lyrics", ""), instrumental=instrumental)
    draft.values |= said
    if reason:
        draft.left_out.append(LeftOut(key=draft.written["lyrics"], why=reason))
    if said == {"lyrics": ""}:
        draft.notes.append(lyrics.NO_WORDS)


def _drop_faults(draft: SpecDraft) -> None:
    """Take out, and list, what a spec can't have."""
    try:
        SongFile.model_validate(draft.values)
    except ValidationError as error:
        faults = zip(error.errors(include_url=False), diagnostics_of(error, _NOWHERE, root=SongFile), strict=False)
        for detail, fault in faults:
            table, key = (detail["loc"] if detail["loc"][0] in TABLES else ("", detail["loc"][0]))[:2]
            place = draft.table(str(table)) if table else draft.values
            if place.pop(str(key), None) is not None:
                shown = f"`{key}` is `{detail['input'][:40]}`" if isinstance(detail["input"], str) else fault.message
                why = ", ".join(filter(None, (shown, fault.why)))
                draft.left_out.append(LeftOut(key=draft.written[str(key)], why=why))


def _retake(draft: SpecDraft) -> None:
    """A retake whose seed ACE-Step would draw is none that could be rendered again."""
    inference = draft.table("inference")
    if inference.get("retake_variance") and "retake_seed" not in inference:
        del inference["retake_variance"]
        why = "there is no `retake_seed`, and one drawn at random can't be rendered again"
        draft.left_out.append(LeftOut(key=draft.written["retake_variance"], why=why))


def _length(draft: SpecDraft) -> None:
    """A song longer than its model usually makes says that it may be."""
    asked = draft.table("metas").get("duration") or len(draft.codes) / CODE_RATE
    usual = default_max_duration(draft.values.get("model", DEFAULT_MODEL))
    if asked > usual:
        draft.values["max_duration"] = asked
        draft.notes.append(f"it lasts {asked:g} s, more than the usual {usual:g}: `max_duration` allows it")
