"""What is outside of `step`, simulated: specs and takes that change, renders that go on, an hour that passes at once.

Effects are answered when the test says so, in any order that the shell allows. Nothing is rendered or written.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from renderer.artifacts import Waveform
from renderer.errors import FolderBusy, ModelError, RendererError, StageError
from renderer.models.model_files import ModelFiles
from renderer.models.stage_spec import Cost, StageSpec
from renderer.pipeline.options import Options
from renderer.plan.jobs import Job, TakePlan, Why
from renderer.run.events import JobDone, JobFailed, JobProgress, TakeDone, TakeFailed
from renderer.settings import Inference, Metas
from renderer.song import Song, Take, Variant
from renderer.spec.diagnostics import Diagnostic
from renderer.watch.effective_takes import faulty_files
from renderer.watch.effects import (
    AbandonJobs,
    Announce,
    CompareFiles,
    PlanRequest,
    ProbeLock,
    Quit,
    ReadSpecs,
    StartRender,
    StopRender,
    WritePage,
)
from renderer.watch.events import (
    FileChanged,
    FilesCompared,
    LockProbed,
    PageEnded,
    RenderEnded,
    RequestPlanned,
    SpecsRead,
    Started,
    Tick,
)
from renderer.watch.spec_files import Differences, SpecFiles, differences
from renderer.watch.state import WatchSettings, first_state
from renderer.watch.step import step

if TYPE_CHECKING:
    from renderer.watch.effects import Effect, Question
    from renderer.watch.events import Event

SPECS, OUTPUTS = Path("specs"), Path("outputs")
OPTIONS = Options(preview=10.0)
FULL_LENGTH = replace(OPTIONS, preview=None)
SETTINGS = WatchSettings(options=OPTIONS, quiet_seconds=0.3, idle_seconds=600.0, measures=True)


@dataclass(frozen=True, kw_only=True)
class SoundRequest:
    """What the one stage is asked."""


_STAGE = StageSpec(
    name="sound",
    part="toy",
    ask=lambda _: SoundRequest(),
    runner=f"{__name__}:nothing_runs",
    version=1,
    request=SoundRequest,
    artifact=Waveform,
    cost=Cost(seconds=lambda _: 10.0),
)
_FILES = ModelFiles(
    family="toy", name="toy", kind="turbo", layout="diffusers", dit="dit", vae="vae", text_encoder="text", lm=None
)
Kind = TypeVar("Kind")


class Fate(StrEnum):
    """What becomes of a spec's takes when they are rendered."""

    DONE = "done"
    FAILS = "fails"
    """Each job fails."""
    REFUSED = "refused"
    """No render can begin with them: their model isn't there."""
    STUBBORN = "stubborn"
    """They never get done, though nothing fails."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a spec file holds."""

    text: int = 0
    """Another number is another caption: other keys."""
    title: int = 0
    """Another number is other tags, and the same keys."""
    fate: Fate = Fate.DONE
    is_broken: bool = False


def spec_path(name: str) -> Path:
    """The spec file of a song."""
    return SPECS / f"{name}.toml"


def takes_of(name: str, spec: Spec) -> tuple[Take, ...]:
    """The two takes a spec means."""
    song = Song(
        name=name,
        title=f"{name} {spec.title}",
        caption=f"{name} {spec.text} {spec.fate}",
        lyrics="la",
        sections=(),
        instrumental=False,
        metas=Metas(),
        variants=(Variant(name="", model="toy", lm=None, inference=Inference()),),
        seeds=(0, 1),
        source=spec_path(name),
        outputs=OUTPUTS,
    )
    return tuple(song.takes())


def planned(take: Take, options: Options, why: Why = Why.NEW) -> TakePlan:
    """A take's plan; its key follows from its song's caption and its length."""
    preview = "" if options.preview is None else f".preview{options.preview:g}"
    key = f"{take.song.caption}.s{take.seed}{preview}"
    return TakePlan(
        take=take,
        name=take.name + preview,
        file=f"{take.song.name}/{take.name}{preview}.flac",
        key=key,
        keys={_STAGE.name: key},
        files=_FILES,
        requests={},
        why=why,
        runs=() if why in {Why.DONE, Why.TAGS} else (_STAGE.name,),
    )


def job_of(take: TakePlan) -> Job:
    """The one job of a take."""
    return Job(
        spec=_STAGE,
        key=take.key,
        request=SoundRequest(),
        settings={},
        inputs={},
        files=_FILES,
        takes=(take.name,),
    )


@dataclass(kw_only=True)
class Render:
    """A render under way."""

    left: deque[TakePlan]
    begun: TakePlan | None = None
    unfinished: list[Job] = field(default_factory=list)
    abandoned: AbandonJobs | None = None

    def is_wanted(self, take: TakePlan) -> bool:
        if self.abandoned is None:
            return True
        return take.key in self.abandoned.wanted and (not self.abandoned.begin_no_more or take is self.begun)


class World:
    """Specs, takes, a render, a page and time around one watch."""

    def __init__(self, **specs: Spec) -> None:
        self.specs = dict(specs)
        self.now = 100.0
        self.state = first_state(SETTINGS, self.now)
        self.done: dict[str, Take] = {}
        """Take, with its preview -> what it was when it was rendered."""
        self.unanswered: deque[Question] = deque()
        self.render: Render | None = None
        self.page: WritePage | None = None
        self.is_locked = self.is_stopped = self.has_quit = False
        self.effects: list[Effect] = []
        """All there were."""
        self.feed(Started(paths=(SPECS,), reads_keys=True))

    # What happens

    def feed(self, event: Event) -> tuple[Effect, ...]:
        """Let `step` know, and begin what it wants."""
        self.state, effects = step(self.state, event, self.now)
        for effect in effects:
            self._begin(effect)
        self.effects += effects
        return effects

    def pass_time(self, seconds: float) -> tuple[Effect, ...]:
        self.now += seconds
        return self.feed(Tick())

    def save(self, name: str, spec: Spec | None) -> None:
        """Write a spec, or delete it."""
        if spec is None:
            self.specs.pop(name, None)
        else:
            self.specs[name] = spec
        self.feed(FileChanged(path=spec_path(name)))

    def answer(self) -> None:
        """Answer the question that waits longest."""
        match self.unanswered.popleft():
            case CompareFiles() as effect:
                self.feed(self._compared(effect))
            case ReadSpecs() as effect:
                self.feed(self._read(effect))
            case PlanRequest(request=request, takes=takes):
                plans = tuple(self.plan(take, request.options) for take in takes)
                self.feed(RequestPlanned(request=request, takes=(plans,) if plans else ()))
            case ProbeLock():
                self.feed(LockProbed(is_free=not self.is_locked))

    def render_on(self) -> None:
        """The render comes to its next token, step or tile: it begins a job, finishes it, or ends."""
        render = self.render
        assert render is not None
        if self.is_locked:
            self._end_render(FolderBusy("another render is writing"))
        elif any(Fate.REFUSED in take.take.song.caption for take in render.left):
            self._end_render(ModelError("its model isn't there"))
        elif render.begun is not None:
            self._finish_job(render, render.begun)
        elif wanted := [take for take in render.left if render.is_wanted(take) and not self.is_stopped]:
            self._begin_job(render, wanted[0])
        else:
            self._end_render(None)

    def end_page(self, error: RendererError | None = None) -> None:
        self.page = None
        self.feed(PageEnded(address=None if error else "outputs/report/index.html", error=error))

    def settle(self) -> None:
        """Let everything come to its end; fails when that takes forever."""
        for _ in range(2_000):
            if self.has_quit:
                return
            if self.unanswered:
                self.answer()
            elif self.state.quiet_at is not None:
                self.pass_time(0.5)
            elif self.render is not None:
                self.render_on()
            elif self.page is not None:
                self.end_page()
            elif self.state.is_idle:
                return
            else:
                self.pass_time(0.5)
        raise AssertionError("it never comes to an end")

    # What is true

    def plan(self, take: Take, options: Options) -> TakePlan:
        """A take's plan against what is done."""
        plan = planned(take, options)
        before = self.done.get(plan.name)
        if before == take:
            return replace(plan, why=Why.DONE, runs=())
        if before is not None and planned(before, options).key == plan.key:
            return replace(plan, why=Why.TAGS, runs=())
        return plan

    def notices(self, kind: type[Kind]) -> list[Kind]:
        """What the user was let know, of one kind."""
        said = [effect.notice for effect in self.effects if isinstance(effect, Announce)]
        return [notice for notice in said if isinstance(notice, kind)]

    def begun(self, kind: type[Kind]) -> list[Kind]:
        """The effects of one kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    # How effects are carried out

    def _begin(self, effect: Effect) -> None:
        match effect:
            case CompareFiles() | ReadSpecs() | PlanRequest() | ProbeLock():
                self.unanswered.append(effect)
            case StartRender(takes=takes):
                assert self.render is None, "two renders at once"
                self.render = Render(left=deque(takes))
            case AbandonJobs():
                if self.render is not None:
                    self.render.abandoned = effect
            case StopRender():
                self.is_stopped = True
            case WritePage():
                assert self.page is None, "two pages at once"
                self.page = effect
            case Quit():
                self.has_quit = True

    def _compared(self, effect: CompareFiles) -> FilesCompared:
        files = SpecFiles(
            digests={spec_path(name): repr(spec) for name, spec in self.specs.items()},
            trees=frozenset({SPECS}),
            folders=frozenset(),
            outputs=frozenset({OUTPUTS}),
        )
        changes = Differences() if effect.before is None else differences(effect.before, files)
        touched = effect.touched & files.digests.keys()
        unchanged = tuple(sorted(touched - {*changes.changed, *changes.added}))
        return FilesCompared(files=files, differences=changes, unchanged=unchanged)

    def _read(self, effect: ReadSpecs) -> SpecsRead:
        good = [take for name, spec in self.specs.items() if not spec.is_broken for take in takes_of(name, spec)]
        broken = {spec_path(name) for name, spec in self.specs.items() if spec.is_broken}
        kept = [take for take in effect.takes if take.song.source in broken]
        diagnostics = tuple(Diagnostic(code="toml-syntax", message="no TOML", file=file) for file in sorted(broken))
        run_options = effect.run_options or OPTIONS
        return SpecsRead(
            takes=tuple(self.plan(take, OPTIONS) for take in (*good, *kept)),
            diagnostics=diagnostics,
            fixed=tuple(faulty_files(effect.diagnostics) - broken),
            refusals=(),
            run_keys=frozenset(self.plan(take, run_options).key for take in (*good, *kept)),
        )

    def _begin_job(self, render: Render, take: TakePlan) -> None:
        if take.why is Why.TAGS:
            render.left.remove(take)
            if Fate.STUBBORN not in take.take.song.caption:
                self.done[take.name] = take.take
            return
        render.begun = take
        self.feed(JobProgress(job=job_of(take), done=0, total=8, unit="steps"))

    def _finish_job(self, render: Render, take: TakePlan) -> None:
        job, is_wanted = job_of(take), render.is_wanted(take) and not self.is_stopped
        render.begun = None
        render.left.remove(take)
        if not is_wanted:
            render.unfinished.append(job)
        elif Fate.FAILS in take.take.song.caption:
            error = StageError("numbers overflow")
            self.feed(JobFailed(job=job, error=error))
            self.feed(TakeFailed(take=take, stage=job.stage, error=error))
        elif Fate.STUBBORN in take.take.song.caption:
            self.feed(JobDone(job=job, seconds=1.0))
        else:
            self.done[take.name] = take.take
            self.feed(JobDone(job=job, seconds=1.0))
            self.feed(TakeDone(take=take, seconds=10.0))

    def _end_render(self, error: RendererError | None) -> None:
        assert self.render is not None
        unfinished, self.render = tuple(self.render.unfinished), None
        self.feed(RenderEnded(error=error, unfinished=unfinished, outputs=OUTPUTS))
