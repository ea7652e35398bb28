"""Lints of the metas: what ACE-Step does less well, and what nobody decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.spec.checkpoints import default_max_duration
from renderer.spec.findings import Finding, Mark
from renderer.spec.schema import tables_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.spec.lints.subject import Subject

USUAL_DURATION = (30, 240)  # seconds
USUAL_BPM = (60, 180)


def unusual_duration(subject: Subject) -> Iterator[Finding]:
    """A duration that is less stable."""
    duration, (low, high) = subject.song.metas.duration, USUAL_DURATION
    if duration is not None and subject.written_metas.duration is not None and not low <= duration <= high:
        yield Finding(
            path=("metas", "duration"),
            message=f"`duration` is {duration:g} s",
            why=f"{low} to {high} s are most stable",
        )


def unusual_bpm(subject: Subject) -> Iterator[Finding]:
    """A tempo that is less reliable."""
    bpm, (low, high) = subject.written_metas.bpm, USUAL_BPM
    if bpm is not None and not low <= bpm <= high:
        other = bpm * 2 if bpm < low else bpm // 2
        yield Finding(
            path=("metas", "bpm"),
            message=f"`bpm` is {bpm}",
            why=f"{low} to {high} are reliable",
            help=f"try {other}, and ask for {'half' if bpm < low else 'double'} time in the caption",
        )


def unusual_timesignature(subject: Subject) -> Iterator[Finding]:
    """A time signature that is less reliable."""
    if subject.written_metas.timesignature == "2":
        yield Finding(
            path=("metas", "timesignature"), message="`timesignature` is 2", why="4 is safest, 3 and 6 are usable"
        )


def max_duration_unused(subject: Subject) -> Iterator[Finding]:
    """A longest duration beside a duration that is within everybody's."""
    spec, duration = subject.draft.spec, subject.song.metas.duration
    allowed = min(default_max_duration(variant.trained_as) for variant in subject.song.variants)
    if spec.max_duration is not None and duration is not None and duration <= allowed:
        yield Finding(
            path=("max_duration",),
            message="`max_duration` has no effect",
            why=f"`duration` is {duration:g} s, which is never too long here",
            mark=Mark.KEY,
        )


def lora_unused(subject: Subject) -> Iterator[Finding]:
    """An adapter without strength."""
    for path, table in tables_of(subject.draft.spec):
        for position, lora in enumerate(table.lora or ()):
            if lora.scale == 0:
                yield Finding(
                    path=(*path, "lora", position, "scale"),
                    message="the adapter has no effect",
                    why="at `scale` 0 the weights stay as they are",
                    help="1 is full strength",
                )


def lm_of_nothing(subject: Subject) -> Iterator[Finding]:
    """An LM where none runs."""
    spec, (base, *others) = subject.draft.spec, subject.layers
    variants = [one for one in others if one.table[0] == "variants"]  # edits have no LM
    named = [((), base, spec.lm), *((one.table, one, spec.variants[str(one.table[-1])].lm) for one in variants)]
    for table, layer, lm in named:
        if lm is not None and not layer.runs_lm and (table or not any(one.runs_lm for one in variants)):
            yield Finding(
                path=(*table, "lm"),
                message="`lm` has no effect",
                why="with these settings the LM does not run",
                mark=Mark.KEY,
            )


def language_of_instrumental(subject: Subject) -> Iterator[Finding]:
    """A language where nobody sings."""
    language = subject.written_metas.vocal_language
    if subject.song.instrumental and language not in {None, "unknown"}:
        yield Finding(
            path=("metas", "vocal_language"),
            message=f"`vocal_language` is {language}, but nobody sings",
            why="the song is instrumental",
        )


def language_open(subject: Subject) -> Iterator[Finding]:
    """Lyrics whose language neither the spec nor the LM names."""
    song = subject.song
    if song.instrumental or song.metas.vocal_language is not None:
        return
    inference = song.variants[0].inference
    if subject.has_all_metas or not (inference.use_cot_metas and inference.use_cot_language):
        yield Finding(
            path=("lyrics" if subject.draft.spec.lyrics is not None else "lyrics_file",),
            mark=Mark.KEY,
            message="nobody says which language is sung",
            why="`vocal_language` is not set, and without a chain of thought the LM does not name it",
            help="set `vocal_language`",
        )
