"""Random sequences of saves, keys and what a render does, checked against what must hold whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from renderer.errors import RendererError
from renderer.plan.jobs import Why
from renderer.watch.effects import AbandonJobs, Announce, Quit, StartRender, WritePage
from renderer.watch.events import FoldersMoved, KeyPressed, StopRequested, TakesMeasured
from renderer.watch.notices import Idle
from tests.watch.simulation import OPTIONS, Fate, Spec, World

if TYPE_CHECKING:
    from renderer.plan.jobs import TakePlan
    from renderer.watch.effects import Effect
    from renderer.watch.events import Event
    from renderer.watch.state import WatchState

NAMES = st.sampled_from("abc")
SPECS = st.builds(
    Spec,
    text=st.integers(0, 2),
    title=st.integers(0, 1),
    fate=st.sampled_from(Fate),
    is_broken=st.sampled_from([False, False, True]),
)


class CheckedWorld(World):
    """A world that looks at each step as it is made."""

    def feed(self, event: Event) -> tuple[Effect, ...]:
        before = self.state
        effects = super().feed(event)
        self._check_requests(before)
        return effects

    def _begin(self, effect: Effect) -> None:
        match effect:
            case StartRender():
                self._check_start(effect)
            case AbandonJobs():
                self._check_abandoned(effect)
            case WritePage():
                assert self.render is None or self.state.run is None or self.state.run.has_progressed
            case Announce(notice=Idle()):
                assert not self.unanswered
                assert self.render is self.page is self.state.quiet_at is None
                assert self.missing() == []
            case Quit():
                assert self.is_stopped
                assert self.render is self.page is None
        super()._begin(effect)

    def _check_start(self, start: StartRender) -> None:
        """Nothing is rendered that nobody asks for, that is there, or that failed as it is."""
        assert not self.is_stopped
        assert self.state.requests
        request = self.state.requests[0]
        assert start.options == request.options
        assert start.takes
        for take in start.takes:
            assert take.take in request.takes_of(self.state.takes)
            assert take.why is not Why.DONE
            assert self.state.failed.get(take.name) != take.key

    def _check_abandoned(self, abandon: AbandonJobs) -> None:
        """What is as it was goes on, what changed doesn't, and nothing is put off without something to go first."""
        run = self.state.run
        assert run is not None
        meant = {self.plan(take, run.request.options).key for take in self.state.takes}
        assert {take.key for take in run.takes if take.key in abandon.wanted} == meant & {
            take.key for take in run.takes
        }
        if abandon.begin_no_more:
            assert run.begins_no_more

    def _check_requests(self, before: WatchState) -> None:
        """A request is let go of once each of its takes is done or has failed, or when everything is asked anew."""
        for request in set(before.requests) - set(self.state.requests):
            if before.takes != self.state.takes and request.options == OPTIONS:
                continue
            for take in request.takes_of(before.takes):
                plan = self.plan(take, request.options)
                assert plan.why is Why.DONE or self.state.failed.get(plan.name) == plan.key

    def missing(self) -> list[TakePlan]:
        """The takes that the specs mean, as they were read, and that are neither done nor given up."""
        plans = [self.plan(take, OPTIONS) for take in self.state.takes]
        return [plan for plan in plans if plan.why is not Why.DONE and self.state.failed.get(plan.name) != plan.key]


class AnyOrder(RuleBasedStateMachine):
    """Saves, keys, answers and a render's steps in any order."""

    @initialize()
    def start(self) -> None:
        self.world = CheckedWorld(a=Spec(), b=Spec())

    @rule(name=NAMES, spec=SPECS | st.none())
    def save(self, name: str, spec: Spec | None) -> None:
        self.world.save(name, spec)

    @rule(key=st.sampled_from("rfo"))
    def press(self, key: str) -> None:
        self.world.feed(KeyPressed(key=key))

    @rule(seconds=st.sampled_from([0.1, 0.3, 0.5, 1_000.0]))
    def wait(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @precondition(lambda self: self.world.unanswered)
    @rule()
    def answer(self) -> None:
        self.world.answer()

    @precondition(lambda self: self.world.render)
    @rule()
    def render_on(self) -> None:
        self.world.render_on()

    @precondition(lambda self: self.world.page)
    @rule(fails=st.booleans())
    def end_page(self, fails: bool) -> None:
        self.world.end_page(RendererError("the disk is full") if fails else None)

    @rule()
    def measure(self) -> None:
        self.world.feed(TakesMeasured())

    @rule()
    def move_folders(self) -> None:
        self.world.feed(FoldersMoved())

    @rule(is_locked=st.booleans())
    def lock(self, is_locked: bool) -> None:
        self.world.is_locked = is_locked

    @precondition(lambda self: not self.world.has_quit)
    @rule()
    def stop(self) -> None:
        self.world.feed(StopRequested())

    @rule()
    def settle(self) -> None:
        """After quiet, everything that the specs mean is done, or the user knows why not."""
        self.world.is_locked = False
        self.world.settle()
        if self.world.is_stopped:
            assert self.world.has_quit
            return
        meant = [take for take in self.world.state.takes if Fate.DONE in take.song.caption]
        assert [take for take in meant if self.world.plan(take, OPTIONS).why is not Why.DONE] == []

    def teardown(self) -> None:
        """It can always be ended."""
        self.settle()
        self.stop()
        self.settle()
        assert self.world.has_quit


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestAnyOrder = AnyOrder.TestCase
