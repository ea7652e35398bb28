"""A take's codes and chain of thought -> a small file beside its spec, and the line in the spec that names it."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import tomlkit

from renderer.artifacts import Codes, Cot
from renderer.errors import SpecError, UsageError
from renderer.song import Pinned, PinnedCot
from renderer.spec.picks import Vote
from renderer.spec.pins import ENDING, parse_pinned, pinned_text
from renderer.store.edits import edit, rehearse
from renderer.takes.spec_changes import errors_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from renderer.models.stage_spec import StageSpec
    from renderer.pipeline.project import Project
    from renderer.plan.jobs import TakePlan
    from renderer.spec.picks import Pick
    from renderer.store.store import Store


def pin(project: Project, name: str, picks: Mapping[str, Pick]) -> Path:
    """Pin the codes of a take, or of a song's only one that fits; returns the codes file.

    Raises: UsageError when there are none to pin or it isn't clear which, SpecError where the spec would be at fault
    with them, StoreError when a file can't be written.
    """
    if project.options.preview:
        raise UsageError("a preview can't be pinned", why="its codes end early", help="render and pin the whole take")
    take = _the_one(project, name, picks)
    song, source = take.take.song, take.take.source
    if take.take.variant.edit is not None:
        raise UsageError(
            f"`{take.name}` has no codes of its own",
            why="it is made from what is there, and no LM runs for it",
            help=f"renderer pin {shlex.quote(source.name)}" if source else "pin a take that is made anew",
        )
    if song.pinned:
        raise UsageError(
            f"`{song.name}` follows the pinned codes of `{song.pinned.take}` already",
            why="so this take's codes are the same",
            help="take `codes` out of the spec, render, and pin the take you like",
        )
    text = pinned_text(pinned_of(take, project.store))
    path = song.source.with_name(f"{song.name}{ENDING}")

    def named(spec: str) -> str:
        return naming(spec, path.name)

    # The spec last: what it names is there. But nothing is written when it can't be.
    rehearse(song.source, named)
    if errors := errors_after(song.source, named, {path: text}):
        raise SpecError([replace(one, message=f"with `{take.name}` pinned, {one.message}") for one in errors])
    edit(path, lambda former: _in_place_of(former, path, text))
    edit(song.source, named)
    return path


def pinned_of(take: TakePlan, store: Store) -> Pinned:
    """The codes of a rendered take with what they came with.

    Raises: UsageError when the store doesn't hold them.
    """
    written = {spec.artifact: store.get(spec.name, key) for spec, key in _pinnable(take)}
    codes, cot = written.get(Codes), written.get(Cot)
    if not isinstance(codes, Codes) or (Cot in written and not isinstance(cot, Cot)):
        off = "`thinking` is off" if _makes_codes(take) else "its model makes none"
        raise UsageError(
            f"the codes of `{take.name}` aren't there",
            why="it isn't rendered as its spec is now" if Codes in written else off,
            help=f"render it first: renderer render {shlex.quote(take.name)}" if Codes in written else "",
        )
    pinned = Pinned(
        codes=tuple(int(code) for code in codes.codes),
        cot=PinnedCot(text=cot.text, **asdict(cot.metas)) if isinstance(cot, Cot) else None,
        take=take.name,
        caption=take.take.song.caption,
        codes_key=_key_of(Codes, take),
        cot_key=_key_of(Cot, take),
        digest="",
    )
    return replace(pinned, digest=pinned.content_digest)


def _makes_codes(take: TakePlan) -> bool:
    return any(spec.artifact is Codes for spec in take.family.stages.values())


def _pinnable(take: TakePlan) -> Iterator[tuple[StageSpec, str]]:
    """The stages of a take whose results a codes file holds, with their keys."""
    for stage, key in take.keys.items():
        if (spec := take.family.stages[stage]).artifact in (Codes, Cot):
            yield spec, key


def _key_of(kind: type[Codes | Cot], take: TakePlan) -> str:
    return next((key for spec, key in _pinnable(take) if spec.artifact is kind), "")


def naming(spec: str, file: str) -> str:
    """The spec's text with `codes = "file"` put in; comments, order and the rest stay.

    Raises: UsageError when the file can't be edited so that only this changes.
    """
    document = tomlkit.parse(spec)
    before = document.unwrap()
    document["codes"] = file
    text = tomlkit.dumps(document)
    if tomlkit.parse(text).unwrap() != before | {"codes": file}:
        raise UsageError(
            "the spec can't be edited safely", help=f'write `codes = "{file}"` above its first table by hand'
        )
    return text


def _the_one(project: Project, name: str, picks: Mapping[str, Pick]) -> TakePlan:
    """The take of that name, or of a song's takes the only one with codes of its own, or the only keeper."""
    every = project.plan().takes
    # Of a path, all that lies there.
    named = [take for take in every if name in (take.name, take.take.song.name)] or every
    if len({take.take.song.name for take in named}) > 1:
        raise UsageError(
            f"`{name}` holds several songs", help=f"pin one of them: renderer pin {shlex.quote(named[0].name)}"
        )
    takes = [take for take in named if take.take.variant.edit is None or take.name == name]
    sources: dict[str, TakePlan] = {}
    for take in takes:
        sources.setdefault(_key_of(Codes, take), take)
    sources.pop("", None)
    if takes and not sources:
        return takes[0]
    found = list(sources.values())
    keepers = [take for take in takes if _kept(take, picks)]
    for candidates in (found, keepers):
        if len(candidates) == 1:
            return candidates[0]
    raise UsageError(
        f"`{name}` has takes of different codes",
        why=f"pin one of {_names(takes)}",
        help=f"renderer pin {shlex.quote(found[0].name)}",
    )


def _kept(take: TakePlan, picks: Mapping[str, Pick]) -> bool:
    pick = picks.get(take.name)
    return pick is not None and pick.vote is Vote.KEEP


def _names(takes: Sequence[TakePlan]) -> str:
    return ", ".join(f"`{take.name}`" for take in takes[:8]) + (", …" if len(takes) > 8 else "")  # noqa: PLR2004 - enough


def _in_place_of(former: str, path: Path, text: str) -> str:
    """The new codes file's text.

    Raises: UsageError when the one that is there isn't as it was pinned.
    """
    pinned = parse_pinned(former) if former else None
    if former and (pinned is None or not pinned.is_as_pinned):
        raise UsageError(
            f"`{path}` was changed by hand", why="pinning would replace it", help="move it away, then pin again"
        )
    return text
