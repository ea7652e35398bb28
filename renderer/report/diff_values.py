"""What differs between two takes, or between the specs of two times, as frozen values: printed, or drawn on a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from renderer.artifacts import CotMetas
    from renderer.plan.jobs import Change
    from renderer.report.text_diff import LineDiff
    from renderer.report.values import SectionMark
    from renderer.takes.measure.values import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSound:
    """A version of a take that lies on disk."""

    take: str
    mark: str
    """What tells this version from the take's others."""
    audio: Path
    seconds: float
    decided: CotMetas | None = None
    """By the LM; None without a chain of thought."""
    measured: Measured | None = None
    """None where nobody measured it."""
    marks: tuple[SectionMark, ...] = ()
    marks_estimated: bool = False
    curve: tuple[float | None, ...] = ()
    """Its loudness in LUFS, a value a second; None is silence. Empty where nobody asked."""

    @property
    def label(self) -> str:
        """`night-bus.s1 (4f2a9c1b)`."""
        return f"{self.take} ({self.mark})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDiff:
    """A caption or lyrics that changed."""

    name: str
    """`caption` or `lyrics`."""
    variants: tuple[str, ...]
    """Whose, the base with the empty name; nothing where it is all of the song's."""
    lines: tuple[LineDiff, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeChange:
    """A take at two times."""

    name: str
    was: str = ""
    """Its former name, where its song has another now."""
    variant: str = ""
    """Empty for the base."""
    state: str
    """`added`, `removed`, `changed`, `tags` (its file's tags and name, not its sound) or `same`."""
    stages: tuple[str, ...] = ()
    """What is made anew, from the first stage that is asked something else."""
    changes: tuple[Change, ...] = ()
    is_done: bool = False
    """Whether the take lies on disk as it is asked for last."""
    before: TakeSound | None = None
    """As it was asked for first; None where no such version lies on disk."""
    after: TakeSound | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SongChange:
    """A song at two times."""

    name: str
    was: str = ""
    """Its former name."""
    state: str
    """`added`, `removed`, `renamed`, `changed`, `text` (of its file, nothing of the song), `same` or `broken`."""
    title: tuple[str, str] = ("", "")
    texts: tuple[TextDiff, ...] = ()
    takes: tuple[TakeChange, ...] = ()
    """Of a broken one those that are asked for now, where it was broken at the earlier time alone."""
    broken_at: str = ""
    """Where its spec has errors: `HEAD~3`, `the working folder`."""

    @property
    def reasons(self) -> Sequence[tuple[Change, int]]:
        """Which settings changed, with the number of takes that each changes; texts apart, which are told as words."""
        counts: dict[tuple[str, str], tuple[Change, int]] = {}
        for take in self.takes:
            for change in take.changes:
                if change.name not in TOLD_AS_WORDS:
                    found = counts.get((change.text_with_place, change.stage), (change, 0))
                    counts[change.text_with_place, change.stage] = (change, found[1] + 1)
        return tuple(counts.values())

    def of(self, *states: str) -> tuple[TakeChange, ...]:
        """The takes in one of these states."""
        return tuple(take for take in self.takes if take.state in states)


TOLD_AS_WORDS = frozenset({"caption", "lyrics", "title"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDiff:
    """Specs at two times."""

    before: str
    """`HEAD~3`."""
    before_commit: str
    after: str
    after_commit: str
    """Empty for the working folder."""
    songs: tuple[SongChange, ...]
    remarks: tuple[str, ...] = ()

    def of(self, *states: str) -> tuple[SongChange, ...]:
        """The songs in one of these states."""
        return tuple(song for song in self.songs if song.state in states)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRow:
    """One value of two takes side by side."""

    group: str
    """`asked`, `made with`, `decided` or `measured`."""
    name: str
    a: str
    """Empty for none."""
    b: str

    @property
    def differs(self) -> bool:
        """Whether it isn't the same in both."""
        return self.a != self.b


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesDistance:
    """How far apart the LM's codes of two takes are, in a section or in all of them."""

    label: str
    """`verse 1`; `all` of them."""
    start: float
    """Seconds of the first take."""
    num_codes: int
    """Of the longer one."""
    num_differing: int
    distance: float
    """0 for the same codes, 1 for opposite corners of the codebook; codes drawn at random are about 0.4 apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakesDiff:
    """Two takes, or two versions of one."""

    a: TakeSound
    b: TakeSound
    rows: tuple[SideRow, ...]
    texts: tuple[TextDiff, ...]
    codes: tuple[CodesDistance, ...] = ()
    """All of them first, then section by section; nothing where a take's codes aren't there."""
    same_sound: bool = False
    """Whether both files hold the same sound, sample for sample."""
    remarks: tuple[str, ...] = ()
    """What couldn't be compared, and what to do."""
    outputs: Path
    """The outputs folder of the second one."""
