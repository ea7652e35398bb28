"""A finished take's record, results and measurement -> what can be compared between takes of a song. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from renderer.artifacts import Codes, Cot, CotMetas, PlanScore
from renderer.models.family import stored_kinds
from renderer.takes.agreement import same_key, tempo_difference
from renderer.takes.measure import stored_measurement, stored_word_errors
from renderer.takes.measurements import measured_folder
from renderer.takes.sung_facts import sung_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord
    from renderer.takes.measure.values import Measured, WordErrors
    from renderer.takes.sung_facts import SungFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedAt:
    """A line of the lyrics that nothing in the sound attends to."""

    text: str
    seconds: float
    """Where it would be sung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeScores:
    """What is known of one take; None is what nobody made or measured."""

    plan: float | None = None
    """How well its codes tell caption, lyrics and metas, as the LM reads them: 0 to 1."""
    alignment: float | None = None
    """How well its latents follow the lyrics, as the DiT attends to them: 0 to 1."""
    num_lines: int | None = None
    """Lines that are to be sung."""
    skipped: tuple[SkippedAt, ...] = ()
    """Those of them that perhaps aren't."""
    is_measured: bool = False
    """Whether anybody listened to its sound, which all below is from."""
    tempo_off: float | None = None
    """How far its tempo is from the wanted one, as a share; half and double time are the same."""
    bpm: float | None = None
    in_key: bool | None = None
    """Whether it is in the wanted key."""
    keyscale: str | None = None
    seconds_off: float | None = None
    """How much longer or shorter it is than wanted."""
    silent_seconds: float | None = None
    """At head and tail, the far quieter ends counted in."""
    num_clipped: int | None = None
    """Samples."""
    loudness_lufs: float | None = None
    words: WordErrors | None = None
    """What is sung beside its lyrics, where a recogniser listened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    bpm: float | None
    keyscale: str | None
    seconds: float | None


def take_scores(record: TakeRecord, store: Store) -> TakeScores:
    """All that is known of a finished version: its results by its record's keys, its sound's by the file's digest.

    A few small files are read, no sound. `ranking.ranked` puts a song's takes in order by these.
    """
    scores, facts = TakeScores(plan=_plan_score(record, store)), sung_facts(record, store)
    if facts is not None:
        scores = _with_words(scores, facts)
    folder = measured_folder(store.outputs)
    found, scores = (
        stored_measurement(record.digest, folder),
        replace(scores, words=stored_word_errors(record.digest, folder)),
    )
    return _with_sound(scores, found.measured, _wanted(record)) if found and found.measured else scores


def _plan_score(record: TakeRecord, store: Store) -> float | None:
    """Its own, else that of another version of the take with the same codes: only its sound was made anew since."""
    own, plan = _own_plan_score(record, store), _plan(record)
    if own is not None or plan is None:
        return own
    same = (one for one in store.versions(record.take) if _plan(one) == plan)
    return next((score for one in same if (score := _own_plan_score(one, store)) is not None), None)


def _plan(record: TakeRecord) -> tuple[frozenset[tuple[str, str]], Mapping[str, object]] | None:
    """What a score is of: codes and chain of thought by their keys, and what they are judged by.

    None where there are no codes.
    """
    kinds, spec = stored_kinds(), record.recipe.spec
    keys = frozenset((stage, key) for stage, key in record.keys.items() if kinds.get(stage) in (Codes, Cot))
    metas = {name: said for name, said in (spec.get("metas") or {}).items() if said != "unknown"}
    # Not told by the keys: pinned codes keep theirs whatever the words are now, and no key hangs on the language.
    words = {name: spec.get(name) for name in ("caption", "lyrics", "instrumental")}
    return (keys, {**words, "metas": metas}) if keys else None


def _own_plan_score(record: TakeRecord, store: Store) -> float | None:
    """As its record tells, else as the store has it: a page asks it of thousands of takes."""
    kinds = stored_kinds()
    for stage in (stage for stage in record.keys if kinds.get(stage) is PlanScore):
        score = record.page.notes[stage].others.get("score") if stage in record.page.notes else None
        found = None if isinstance(score, float) else store.get(stage, record.keys[stage])
        return score if isinstance(score, float) else found.score if isinstance(found, PlanScore) else None
    return None


def _wanted(record: TakeRecord) -> _Wanted:
    """As it was asked when it was made, else as the LM decided."""
    said, decided = record.recipe.spec.get("metas") or {}, record.recipe.decided or CotMetas()
    seconds = said.get("duration", decided.duration)
    return _Wanted(bpm=said.get("bpm", decided.bpm), keyscale=said.get("keyscale", decided.keyscale), seconds=seconds)


def _with_words(scores: TakeScores, facts: SungFacts) -> TakeScores:
    sung = [line for line in facts.lines if not line.is_tag]
    skipped = tuple(SkippedAt(text=line.text, seconds=line.start) for line in sung if line.is_skipped)
    return replace(scores, alignment=facts.score, num_lines=len(sung), skipped=skipped)


def _with_sound(scores: TakeScores, sound: Measured, wanted: _Wanted) -> TakeScores:
    head = max(sound.head_silence_seconds, sound.head_quiet_seconds)
    tail = max(sound.tail_silence_seconds, sound.tail_quiet_seconds)
    return replace(
        scores,
        is_measured=True,
        tempo_off=tempo_difference(wanted.bpm, sound.bpm) if wanted.bpm and sound.bpm else None,
        bpm=sound.bpm,
        in_key=same_key(wanted.keyscale, sound.keyscale) if wanted.keyscale and sound.keyscale else None,
        keyscale=sound.keyscale,
        seconds_off=abs(sound.duration_seconds - wanted.seconds) if wanted.seconds else None,
        silent_seconds=head + tail,
        num_clipped=sound.num_clipped,
        loudness_lufs=sound.loudness_lufs,
    )
