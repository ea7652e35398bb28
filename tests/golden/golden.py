"""The golden files: read, written, and what differs between them and what this checkout makes."""

from __future__ import annotations

import json
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.golden.layout import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).with_name("files")
KINDS = ("keys", "jobs", "check", "plan", "prompts", "recipes", "reasons", "render")
ABSENT = "left out"
MOST_LINES = 200  # of a difference that is shown


def path(kind: str) -> Path:
    """Where the golden document of that kind lies."""
    return FOLDER / f"{kind}.json"


def read() -> dict[str, Any]:
    """Kind -> golden document; an empty one where there is none yet."""
    return {kind: json.loads(path(kind).read_text("utf-8")) if path(kind).is_file() else {} for kind in KINDS}


def differences(kind: str, before: Any, now: Any) -> list[str]:
    """What differs between two documents of a kind, line by line."""
    lines = [*unified_diff(*(as_text(one).splitlines() for one in (before, now)), "golden", "now", n=1, lineterm="")]
    more = [f"… and {len(lines) - MOST_LINES} lines more"] if len(lines) > MOST_LINES else []
    return [f"{kind}: {line}" for line in lines[:MOST_LINES] + more]


def moved_keys(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The keys that moved though nothing said they would: a line each, with what moved them.

    Keys of other weights, of a stage whose version was raised, and of what builds on such may move.
    """
    versions, current = before["keys"]["versions"], now["keys"]["versions"]
    jobs, current_jobs = _by_take(before["jobs"]), _by_take(now["jobs"])
    return [
        f"`{take}`: the key of its file moved and that of its sound didn't, "
        f'and the version of "take" is {versions["take"]} as before'
        for take in before["keys"]["takes"]
        if take in now["keys"]["takes"] and versions["take"] == current["take"]
        if _moved(before, now, take, "take") and not _moved(before, now, take, "waveform")
    ] + [
        f'`{job}`: its key moved ({"; ".join(reasons)}), and the version of "{stage}" is {versions[stage]} as before'
        for job in jobs
        for take, _, stage in [job.rpartition(" ")]
        if job in current_jobs and _moved(before, now, take, stage) and versions[stage] == current[stage]
        if (reasons := _reasons(before, now, job, jobs[job], current_jobs[job]))
    ]


def _by_take(jobs: Mapping[str, Any]) -> dict[str, Any]:
    """`plain.s2 cot` -> the job, also for takes that share it."""
    return {
        f"{take} {stage}": job
        for name, job in jobs.items()
        for first, _, stage in [name.rpartition(" ")]
        for take in job.get("for", [first])
    }


def _moved(before: Mapping[str, Any], now: Mapping[str, Any], take: str, stage: str) -> bool:
    old, new = (side["keys"]["takes"].get(take, {}).get(stage) for side in (before, now))
    return old != new


def _reasons(
    before: Mapping[str, Any], now: Mapping[str, Any], job: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
    """What of a key's parts is another; nothing where weights or the keys below explain it."""
    here, there = (_flat({**one["request"], **one["settings"]}) for one in (old, new))
    told = [
        f"{name} {here.get(name, ABSENT)!r} → {there.get(name, ABSENT)!r}"
        for name in sorted(here.keys() | there.keys())
        if here.get(name, ABSENT) != there.get(name, ABSENT) and name != "weights"
    ]
    if old["upstream"] != new["upstream"]:
        told.append(f"builds on {new['upstream']} in place of {old['upstream']}")
    take = job.rpartition(" ")[0]
    explained = here["weights"] != there["weights"] or any(_moved(before, now, take, one) for one in new["upstream"])
    return told or ([] if explained else ["nothing that enters it did"])


def _flat(table: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{head}{name}.") if isinstance(value, dict) else {head + name: value}
    return flat
