"""A take's record -> what can be heard of that version, and what was decided and measured of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from renderer.json_values import to_json
from renderer.report.diff_values import SideRow, TakeSound
from renderer.report.formatting import decided_language
from renderer.report.section_marks import estimated_marks
from renderer.report.sung import measured_marks
from renderer.spec.lyrics import parse
from renderer.takes.measure import stored_measurement
from renderer.takes.measurements import measured_folder
from renderer.takes.sung_facts import sung_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord

DECIDED, MEASURED = "decided", "measured"


def take_sound(record: TakeRecord, place: Path, store: Store) -> TakeSound:
    """The version whose audio lies at `place`."""
    sounds = stored_measurement(record.digest, measured_folder(store.outputs))
    sections, facts = parse(lyrics_of(record)), sung_facts(record, store)
    marks = measured_marks(facts, sections) if facts else ()
    return TakeSound(
        take=record.take,
        mark=record.mark,
        audio=place,
        seconds=record.page.seconds,
        decided=record.recipe.decided,
        measured=sounds.measured if sounds else None,
        marks=marks or estimated_marks(sections, record.page.seconds),
        marks_estimated=not marks,
    )


def lyrics_of(record: TakeRecord) -> str:
    """What was sung, as it was sent; empty for an instrumental."""
    spec = record.recipe.spec
    return "" if spec.get("instrumental") else str(spec.get("lyrics", ""))


def side_rows(a: TakeSound, b: TakeSound) -> tuple[SideRow, ...]:
    """What was decided and measured of two versions side by side."""
    decided = beside(DECIDED, decided_values(a), decided_values(b))
    return (*decided, *beside(MEASURED, measured_values(a), measured_values(b)))


def beside(group: str, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[SideRow]:
    """Values by their names, those of the first one first."""
    for name in dict.fromkeys((*a, *b)):
        yield SideRow(group=group, name=name, a=a.get(name, ""), b=b.get(name, ""))


def decided_values(one: TakeSound) -> dict[str, str]:
    """What the LM decided, but for its caption: name -> as it is told."""
    found = to_json(replace(one.decided, language=decided_language(one.decided))) if one.decided else {}
    return {name: value_told(value) for name, value in found.items() if name != "caption" and value is not None}


def measured_values(one: TakeSound) -> dict[str, str]:
    """What was measured, as far as it was: name -> as it is told."""
    told = {"length": f"{one.seconds:.1f} s"}
    if one.measured is None:
        return told
    found = one.measured
    values = {
        "tempo": found.bpm and f"{found.bpm:.0f} bpm",
        "key": found.keyscale,
        "loudness": None if found.loudness_lufs is None else f"{found.loudness_lufs:.1f} LUFS",
        "true peak": None if found.true_peak_db is None else f"{found.true_peak_db:.1f} dBTP",
        "silence": f"{found.head_silence_seconds:.1f} s head, {found.tail_silence_seconds:.1f} s tail",
        "clipped": str(found.num_clipped),
    }
    return told | {name: value for name, value in values.items() if value}


def values_in(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of a table and those within it, as they are told."""
    for name, value in table.items():
        own = name if above in ("", "metas", "inference", "output") else f"{above}.{name}"
        if isinstance(value, dict):
            yield from values_in(value, own)
        elif value is not None:
            yield own, value_told(value)


def value_told(value: object) -> str:
    """A value as a spec has it; nothing of none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(value_told, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {value_told(one)}" for name, one in value.items())
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
