"""All that the report shows, as one frozen value; whoever has store and journal fills it in, the page only draws it.

Paths are relative to the report's folder, with forward slashes and unquoted: `../chihuahua/chihuahua.s7.flac`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from renderer.settings import Metas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.artifacts import CotMetas
    from renderer.song import Section
    from renderer.spec.picks import Pick
    from renderer.takes.measure.values import Difference, Measured, WordErrors

Setting = str | int | float | bool | None


class Outcome(StrEnum):
    """Where a take stands."""

    DONE = "done"
    """Its audio lies on disk as its spec asks."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """A job it hangs on failed."""
    WAITING = "waiting"
    """To be rendered yet."""
    NOT_PICKED = "not picked"
    """Planned and scored, and not to be rendered: others of its song scored better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no audio."""

    stage: str
    message: str
    why: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecFault:
    """A fault of a spec, as `check` prints it: lines of pieces, each with its tone, the place from the project on."""

    lines: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionMark:
    """Where a section of the lyrics begins in the sound."""

    label: str
    """`verse 1`."""
    start_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLyrics:
    """What is sung."""

    text: str
    """As sent, down to the blank."""
    sections: tuple[Section, ...] = ()
    instrumental: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedLine:
    """A line of the lyrics that the sound seems to leave out."""

    text: str
    start_seconds: float
    """About where it would be sung."""
    row: int
    """The line of the lyrics it is, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFrom:
    """What an edit is made from, and what of it is made anew."""

    task: str
    """`repaint`, `cover`, …"""
    source: str
    """The name of a take, or of a file."""
    is_take: bool = True
    chain: tuple[str, ...] = ()
    """The take it is made from, the one that was made from, and so on."""
    windows: tuple[tuple[float, float], ...] = ()
    """From where to where it is made anew, in seconds of its own sound; nothing where all of it is."""
    asked: tuple[str, ...] = ()
    """The sections by whose names its windows are asked for."""
    keeps_the_rest: bool = True
    """Whether all outside of its windows is to stay as it was; in mode `aggressive` it isn't."""
    lead_seconds: float = 0.0
    """How much later than in its source everything is in it."""
    difference: Difference | None = None
    """How its file differs from its source's; None where nobody compared them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerTake:
    """An earlier version of a take, kept for before/after."""

    key8: str
    """The head of its key: what its file name tells."""
    audio: str
    changes: str
    """What differs since, `shift 2.0 → 3.0`; may be empty."""
    duration_seconds: float
    peaks: str = ""
    loudness_lufs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTake:
    """One take: what was asked of it, what came of it, where it lies."""

    name: str
    variant: str
    """Empty for the base."""
    seed: int
    outcome: Outcome
    why: str = ""
    """What differs from the version before: `shift 3.0 → 2.0`."""
    model: str
    lm: str | None = None
    vae: str | None = None
    """None for the model's own."""
    based_on: str | None = None
    """What a model in one file takes the rest from."""
    metas: Metas | None = None
    """What it asks, its variant included; None: as the song."""
    caption: str | None = None
    """None: as the song's."""
    lyrics: ReportLyrics | None = None
    """None: as the song's."""
    made_from: MadeFrom | None = None
    """None where it is made of nothing but words."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Under the spec's names, as they were used."""
    preview_seconds: float | None = None
    audio: str | None = None
    """None when there is none. Of a take that isn't done, its newest former version's, as all that is heard below."""
    made_at: float = 0.0
    """When that was made, in seconds since 1970."""
    marks: tuple[SectionMark, ...] = ()
    """Where its sections begin."""
    marks_estimated: bool = True
    """Whether nobody measured where; told on the page."""
    words: str = ""
    times: str = ""
    """Its lyrics' words, and when they are sung: see `takes.sung_facts`."""
    lyrics_score: float | None = None
    """The lyric alignment score, 0 to 1: ranks takes of one song, never songs."""
    rank: int | None = None
    """Its place among the song's takes as `renderer pick` has them, from 1; None where there is nothing to compare."""
    ranked_by: tuple[str, ...] = ()
    """The scores that tell the song's takes apart: `words`, `tempo`."""
    speaks_for: tuple[str, ...] = ()
    speaks_against: tuple[str, ...] = ()
    unscored: tuple[str, ...] = ()
    """What counts as the mean of the song's takes, for it has none."""
    skipped: tuple[SkippedLine, ...] = ()
    advice: str = ""
    """The command that may mend what is skipped."""
    num_bytes: int = 0
    duration_seconds: float = 0.0
    peaks: str = ""
    """`encode_peaks`' text."""
    spectrogram: str | None = None
    recipe: str | None = None
    """The sidecar TOML."""
    key8: str = ""
    """The head of the key of what plays."""
    decided: CotMetas | None = None
    """What the LM wrote; None without chain of thought."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """As sent: what it was for -> text."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Stage -> how long its own job ran."""
    failure: Failure | None = None
    degraded: tuple[str, ...] = ()
    """How the render was made easier to fit: `tiles of 256`."""
    cut: tuple[str, ...] = ()
    """Texts that the DiT didn't hear to their end: `the text prompt has 300 tokens, the DiT hears 256`."""
    left_out: tuple[str, ...] = ()
    """What of its checkpoint wasn't read."""
    measured: Measured | None = None
    word_errors: WordErrors | None = None
    """What is sung beside its lyrics; None where no recogniser listened."""
    former: tuple[FormerTake, ...] = ()
    """The newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSong:
    """One song with its takes, in the order of the spec."""

    name: str
    title: str
    caption: str
    lyrics: str
    """As sent, down to the blank."""
    sections: tuple[Section, ...] = ()
    instrumental: bool = False
    metas: Metas = field(default_factory=Metas)
    source: str
    """The spec file, relative to the project."""
    takes: tuple[ReportTake, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLoad:
    """A component read from disk."""

    component: str
    start_seconds: float
    """Since the run began; so everywhere below."""
    seconds: float
    num_bytes: int = 0
    worker: int = 0
    """By whom it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportJob:
    """One job that ran: a bar of the timeline."""

    stage: str
    part: str
    takes: tuple[str, ...]
    start_seconds: float
    seconds: float
    failed: bool = False
    worker: int = 0
    """Who ran it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRun:
    """The batch as a whole."""

    started: str
    """Local date and time, for people."""
    seconds: float
    ended: str = "finished"
    """`finished`, `interrupted`, or why it stopped."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Specs that were left out: the place of the first fault, `specs/night.toml:3:7`, -> what it is."""
    workers: tuple[str, ...] = ()
    """Their devices."""
    jobs: tuple[ReportJob, ...] = ()
    loads: tuple[ReportLoad, ...] = ()
    loads_song_by_song: Mapping[str, int] = field(default_factory=dict)
    """Component -> how often rendering take after take would have read it."""
    num_worker_restarts: int = 0
    disk_bytes: int = 0
    """Of the outputs folder."""
    device: str = ""
    dtype: str = ""
    threads: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    """Part -> name and digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHead:
    """What the page tells beside its songs."""

    run: ReportRun | None = None
    """The last one; None when nothing has run yet."""
    last_takes: tuple[str, ...] = ()
    """Takes that it rendered or failed at; of songs' pieces they are no part, or every run would make all anew."""
    notes: tuple[str, ...] = ()
    """Sentences above everything else: `mini is trained on nothing and hisses`."""
    faults: tuple[SpecFault, ...] = ()
    """Of specs that can't be read: their takes stay as they were, or are missing."""
    picks: Mapping[str, Pick] = field(default_factory=dict)
    """All of picks.toml, of takes that are not here too: an export must not lose them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(ReportHead):
    """The whole page."""

    songs: tuple[ReportSong, ...]

    @property
    def takes(self) -> tuple[ReportTake, ...]:
        """Every take, song after song."""
        return tuple(take for song in self.songs for take in song.takes)

    @property
    def head(self) -> ReportHead:
        """What it tells beside its songs."""
        return self
