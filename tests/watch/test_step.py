"""What `step` decides: saves, keys and run events in order and out of order. No processes, no files, no clock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renderer.errors import RendererError, StoreError
from renderer.run.events import TakeDone
from renderer.watch.effects import (
    AbandonJobs,
    Announce,
    CompareFiles,
    DropWorker,
    KillWorker,
    OpenPage,
    ProbeLock,
    Quit,
    ReadSpecs,
    StartMeasuring,
    StartRender,
    StopMeasuring,
    WarmUp,
    WritePage,
)
from renderer.watch.events import FileChanged, FoldersMoved, KeyPressed, RenderEnded, StopRequested, TakesMeasured
from renderer.watch.notice_text import notice_lines
from renderer.watch.notices import (
    Answer,
    FilesSaved,
    Idle,
    JobAbandoned,
    PageWritten,
    Refusal,
    RenderStarted,
    WatchStarted,
)
from renderer.watch.step import seconds_to_wait
from tests.watch.simulation import FULL_LENGTH, OPTIONS, OUTPUTS, Fate, Spec, World, spec_path

if TYPE_CHECKING:
    from renderer.watch.effects import Effect


@pytest.fixture
def world() -> World:
    """Two songs of two takes each, rendered; nothing is left to do."""
    world = World(a=Spec(), b=Spec())
    world.settle()
    world.effects.clear()
    return world


def begin_render(world: World, name: str, spec: Spec) -> None:
    """Save a spec and let its first job begin."""
    world.save(name, spec)
    while world.render is None or world.render.begun is None:
        if world.unanswered:
            world.answer()
        elif world.render is not None:
            world.render_on()
        else:
            world.pass_time(0.5)


def rendered(world: World) -> list[str]:
    """The takes that were rendered, in order."""
    return [done.take.name for done in world.notices(TakeDone)]


def idles(world: World) -> list[tuple[int, int, int]]:
    """How many takes were rendered and failed, and how many files have errors, whenever all was done."""
    return [(idle.num_rendered, idle.num_failed, idle.num_faulty) for idle in world.notices(Idle)]


def test_at_first_everything_is_rendered_then_the_page_written_then_takes_measured() -> None:
    world = World(a=Spec(), b=Spec())
    world.settle()

    order = (CompareFiles, ReadSpecs, WarmUp, StartRender, WritePage, StartMeasuring)
    assert rendered(world) == ["a.s0.preview10", "a.s1.preview10", "b.s0.preview10", "b.s1.preview10"]
    assert tuple(dict.fromkeys(type(one) for one in world.effects if type(one) in order)) == order
    assert idles(world) == [(4, 0, 0)]


def test_files_are_read_once_nothing_was_saved_for_a_while(world: World) -> None:
    def reads(effects: tuple[Effect, ...]) -> list[CompareFiles]:
        return [effect for effect in effects if isinstance(effect, CompareFiles)]

    world.specs["a"] = Spec(text=1)
    assert not reads(world.feed(FileChanged(path=spec_path("a"))))
    assert not reads(world.pass_time(0.2))
    assert not reads(world.feed(FileChanged(path=spec_path("b"))))
    assert seconds_to_wait(world.state, world.now) == pytest.approx(0.3)
    assert not reads(world.pass_time(0.2))
    (compare,) = reads(world.pass_time(0.2))

    assert compare.touched == {spec_path("a"), spec_path("b")}


def test_a_folder_that_moved_is_looked_at_without_putting_off_what_was_saved(world: World) -> None:
    world.feed(FoldersMoved())
    waited = seconds_to_wait(world.state, world.now)
    world.pass_time(0.2)
    world.feed(FoldersMoved())

    assert waited == pytest.approx(0.3)
    assert seconds_to_wait(world.state, world.now) == pytest.approx(0.1)


def test_what_was_saved_without_a_change_is_told_and_not_read(world: World) -> None:
    world.save("a", Spec())
    world.settle()

    assert [saved.unchanged for saved in world.notices(FilesSaved)] == [(spec_path("a"),)]
    assert world.begun(ReadSpecs) == world.begun(StartRender) == []
    assert idles(world) == [(0, 0, 0)]


def test_an_edit_renders_its_song_only_and_tells_how_long_ago_it_was_saved(world: World) -> None:
    world.save("b", Spec(text=1))
    world.settle()

    assert rendered(world) == ["b.s0.preview10", "b.s1.preview10"]
    (started,) = world.notices(RenderStarted)
    assert started.since_save_seconds == pytest.approx(0.5)
    assert all(page.since_save_seconds is not None for page in world.notices(PageWritten))


def test_the_page_is_written_as_soon_as_a_song_is_edited_and_told_once_it_holds_what_came_of_that(world: World) -> None:
    begin_render(world, "a", Spec(text=1))
    assert world.page is not None
    world.end_page()
    early = world.notices(PageWritten)
    world.settle()

    assert early == []
    assert len(world.notices(PageWritten)) == 1
    assert len(world.begun(WritePage)) > 1


def test_where_the_page_is_is_told_before_the_first_render_ends_and_no_more_for_measurements() -> None:
    world = World(a=Spec())
    while world.page is None:
        world.answer() if world.unanswered else world.render_on() if world.render else world.pass_time(0.5)
    assert world.render is not None
    world.end_page()
    early = len(world.notices(PageWritten))
    world.settle()
    world.feed(TakesMeasured())
    world.settle()

    assert early == len(world.notices(PageWritten)) == 1
    assert len(world.begun(WritePage)) >= 3


@pytest.mark.parametrize(
    ("paths", "names", "told"),
    [
        (("specs",), (), "specs"),
        (("specs",), ("night-bus", "day.s1"), "night-bus, day.s1 in specs"),
        (("songs/one.toml", "specs"), ("night-*",), "songs/one.toml, night-* in specs"),
        (("songs/one.toml", "two.toml"), (), "songs/one.toml, two.toml"),
    ],
)
def test_what_is_watched_is_said(paths: tuple[str, ...], names: tuple[str, ...], told: str) -> None:
    started = WatchStarted(paths=tuple(map(Path, paths)), names=names, reads_keys=False)
    assert list(notice_lines(started)) == [f"watching {told}"]


def test_a_changed_title_begins_a_render_of_tags_each_time(world: World) -> None:
    for title in (1, 2):
        world.save("a", Spec(title=title))
        world.settle()

    assert [take.song.title for take in world.done.values() if take.song.name == "a"] == ["a 2", "a 2"]
    assert rendered(world) == []


def test_a_save_during_a_render_abandons_what_changed_and_goes_first(world: World) -> None:
    world.save("b", Spec(text=1))
    begin_render(world, "a", Spec(text=1))
    world.save("a", Spec(text=2))
    world.settle()

    (abandon,) = world.begun(AbandonJobs)
    assert {key for key in abandon.wanted if key.startswith("a")} == {"a 2 done.s0.preview10", "a 2 done.s1.preview10"}
    assert {"b 1 done.s0.preview10", "b 1 done.s1.preview10"} <= abandon.wanted
    assert abandon.begin_no_more
    assert [(one.job.takes, one.is_stale) for one in world.notices(JobAbandoned)] == [(("a.s0.preview10",), True)]
    assert rendered(world) == [f"{song}.s{seed}.preview10" for song in "ab" for seed in (0, 1)]


def test_what_runs_when_another_song_is_edited_is_finished_and_the_rest_follows_that_song(world: World) -> None:
    begin_render(world, "a", Spec(text=1))
    world.save("b", Spec(text=1))
    world.settle()

    assert rendered(world) == ["a.s0.preview10", "b.s0.preview10", "b.s1.preview10", "a.s1.preview10"]
    assert not world.notices(JobAbandoned)


def test_a_deleted_song_is_given_up_and_nothing_else_waits_for_it(world: World) -> None:
    begin_render(world, "a", Spec(text=1))
    world.save("a", None)
    world.settle()

    (abandon,) = world.begun(AbandonJobs)
    assert not abandon.begin_no_more
    assert rendered(world) == []
    assert idles(world) == [(0, 0, 0)]


def test_a_song_broken_during_its_render_is_finished_as_it_was(world: World) -> None:
    begin_render(world, "a", Spec(text=1))
    world.save("a", Spec(is_broken=True))
    world.settle()

    assert rendered(world) == ["a.s0.preview10", "a.s1.preview10"]
    assert not world.begun(AbandonJobs)
    assert idles(world) == [(2, 0, 1)]


def test_a_failed_take_is_not_tried_again_until_it_changes_or_is_asked_for(world: World) -> None:
    world.save("a", Spec(fate=Fate.FAILS))
    world.settle()
    world.save("b", Spec(text=1))
    world.settle()
    begun = len(world.begun(StartRender))
    world.feed(KeyPressed(key="r"))
    world.settle()

    assert idles(world) == [(0, 2, 0), (2, 0, 0), (0, 2, 0)]
    assert (begun, len(world.begun(StartRender))) == (2, 3)


def test_takes_that_never_get_done_are_not_rendered_for_ever(world: World) -> None:
    world.save("a", Spec(fate=Fate.STUBBORN))
    world.settle()

    assert len(world.begun(StartRender)) == 1


def test_of_songs_that_cannot_be_rendered_together_each_is_tried_by_itself(world: World) -> None:
    world.save("a", Spec(fate=Fate.REFUSED))
    world.save("b", Spec(text=1))
    world.settle()

    assert [refusal.song for refusal in world.notices(Refusal)] == ["a"]
    assert rendered(world) == ["b.s0.preview10", "b.s1.preview10"]


def test_a_disk_that_refuses_is_told_once_and_fought_no_more(world: World) -> None:
    world.save("a", Spec(text=1))
    begin_render(world, "b", Spec(text=1))
    world.render = None
    world.feed(RenderEnded(error=StoreError("the disk is full"), unfinished=(), outputs=OUTPUTS))
    world.settle()

    assert [refusal.song for refusal in world.notices(Refusal)] == [None]
    assert len(world.begun(StartRender)) == 1


def test_a_folder_that_another_render_holds_is_waited_for_and_nothing_saved_meanwhile_is_lost(world: World) -> None:
    world.is_locked = True
    world.save("a", Spec(text=1))
    for _ in range(10):
        while world.unanswered or world.render:
            world.answer() if world.unanswered else world.render_on()
        if world.page:
            world.end_page()
        world.pass_time(0.5)
    probes = len(world.begun(ProbeLock))
    world.save("b", Spec(text=1))
    world.is_locked = False
    world.settle()

    assert len(world.notices(Answer)) == 1
    assert probes in {4, 5}
    assert sorted(rendered(world)) == [f"{song}.s{seed}.preview10" for song in "ab" for seed in (0, 1)]


def test_f_renders_in_full_length_what_was_edited_and_shows_that_until_the_next_edit(world: World) -> None:
    world.save("a", Spec(text=1))
    world.settle()
    world.feed(KeyPressed(key="f"))
    world.settle()
    shown = world.begun(WritePage)[-1].options
    world.save("b", Spec(text=1))
    world.settle()

    assert [one.text for one in world.notices(Answer)] == ["full length: a"]
    assert rendered(world)[2:4] == ["a.s0", "a.s1"]
    assert (shown, world.begun(WritePage)[-1].options) == (FULL_LENGTH, OPTIONS)


def test_f_during_a_render_follows_it_and_outlives_an_edit(world: World) -> None:
    begin_render(world, "a", Spec(text=1))
    world.feed(KeyPressed(key="f"))
    world.save("b", Spec(text=1))
    world.settle()

    last = ["b.s0.preview10", "b.s1.preview10", "a.s0", "a.s1", "a.s1.preview10"]
    assert rendered(world) == ["a.s0.preview10", *last]


def test_the_page_waits_until_a_render_has_progressed_and_is_written_while_it_goes_on(world: World) -> None:
    world.save("a", Spec(text=1))
    world.pass_time(0.5)
    while world.unanswered:
        world.answer()
    before = world.begun(WritePage)
    world.render_on()

    assert world.render is not None
    assert before == []
    assert len(world.begun(WritePage)) == 1


def test_a_page_that_cannot_be_written_is_told_and_the_next_one_tried(world: World) -> None:
    world.feed(KeyPressed(key="r"))
    while world.page is None:
        world.answer()
    world.end_page(RendererError("the disk is full"))
    world.feed(KeyPressed(key="r"))
    world.settle()

    assert [refusal.error.message for refusal in world.notices(Refusal)] == ["the disk is full"]
    assert len(world.begun(WritePage)) == 2


def test_o_opens_the_report_once_there_is_one(world: World) -> None:
    early = World(a=Spec())
    early.feed(KeyPressed(key="o"))
    world.feed(KeyPressed(key="o"))

    assert [one.text for one in early.notices(Answer)] == ["there is no report yet"]
    assert [one.address for one in world.begun(OpenPage)] == ["outputs/report/index.html"]


def test_measuring_leaves_the_processor_to_a_render_before_it_begins(world: World) -> None:
    world.save("a", Spec(text=1))
    world.settle()

    kinds = [type(one) for one in world.effects if isinstance(one, StopMeasuring | StartRender | StartMeasuring)]
    assert kinds == [StopMeasuring, StartRender, StartMeasuring]


def test_the_models_are_dropped_once_after_a_while_and_not_while_something_runs(world: World) -> None:
    begin_render(world, "a", Spec(text=1))
    world.pass_time(700.0)
    during = world.begun(DropWorker)
    world.settle()
    world.pass_time(599.0)
    early = world.begun(DropWorker)
    world.pass_time(1.0)
    world.pass_time(700.0)

    assert during == early == []
    assert [drop.idle_seconds for drop in world.begun(DropWorker)] == [600.0]


@pytest.mark.parametrize("asked", [KeyPressed(key="q"), StopRequested()])
def test_the_end_waits_for_the_next_step_and_the_page_and_asked_twice_ends_the_worker(
    world: World, asked: KeyPressed | StopRequested
) -> None:
    begin_render(world, "a", Spec(text=1))
    world.feed(asked)
    during = world.begun(Quit)
    world.feed(asked)
    world.settle()

    assert during == []
    assert len(world.begun(KillWorker)) == 1
    assert [one.text[:8] for one in world.notices(Answer)] == ["stopping"]
    assert world.has_quit
    assert rendered(world) == []


def test_at_rest_the_end_comes_at_once(world: World) -> None:
    effects = world.feed(StopRequested())

    assert effects[-1] == Quit()
    assert not [effect for effect in effects if isinstance(effect, Announce)]


def test_other_keys_do_nothing(world: World) -> None:
    assert world.feed(KeyPressed(key="x")) == ()
