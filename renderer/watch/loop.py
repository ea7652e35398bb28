"""The watch itself: one thread on which everything is decided; files, keys, rounds and the page post to it."""

from __future__ import annotations

import queue
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import FolderBusy, RendererError, StoreError
from renderer.models.family import Residency
from renderer.pipeline.project import is_free
from renderer.pipeline.render import Stop
from renderer.run.events import JobProgress, RunPlanned, TakeDone, TakeFailed
from renderer.watch.events import Idle, PageWritten, Refused, RoundBegun, Said, Watching, WorkerDropped
from renderer.watch.folders import FolderWatch
from renderer.watch.keys import has_keys, reading_keys
from renderer.watch.measuring import Measuring
from renderer.watch.pages import Pages
from renderer.watch.rounds import Round
from renderer.watch.specs import Specs
from renderer.watch.wishes import Wish, needed, plans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.pipeline.options import Options
    from renderer.pipeline.project import Project
    from renderer.plan.jobs import TakePlan
    from renderer.run.events import RunEvent
    from renderer.run.local import Workers
    from renderer.store.store import Store
    from renderer.watch.events import WatchEvent
    from renderer.watch.pages import Publish

_TICK_SECONDS = 0.5
_RETRY_SECONDS = 1.0  # while another render holds the folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the watch waits for what."""

    quiet_seconds: float = 0.3
    """Without a change, before the files are read: editors and git save in several moves."""
    idle_seconds: float = 600.0
    """Without anything to render, before the models are dropped."""


class Watch:
    """Renders what is saved until it is told to stop.

    `publish` takes over each new report, `open_page` shows its address to the user; takes are measured, if at all,
    while nothing is rendered.
    """

    def __init__(
        self,
        named: Sequence[str],
        options: Options,
        *,
        patience: Patience,
        tell: Callable[[WatchEvent], None],
        measures: bool,
        publish: Publish,
        open_page: Callable[[str], None],
    ) -> None:
        # Explicit paths: a folder that is moved away for a while must not be taken for a song's name.
        explicit = [f"./{name}" if Path(name).is_dir() and "/" not in name else name for name in named]
        self._options = options
        self._patience = patience
        self._tell = tell
        self._open_page = open_page
        self._measures = measures
        # Simple: a signal's handler may post while this very thread takes something out.
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._folders = FolderWatch(lambda path: self._inbox.put(partial(self._notice, path)))
        self._specs = Specs(explicit, options, tell)
        self._pages = Pages(self._inbox.put, publish=publish, written=self._end_page)
        self._measuring = Measuring(self._inbox.put, self._pages.fall_behind)
        self._address: str | None = None
        self._shown = options
        """What the report tells of: previews, or takes in full length."""
        self._keys: dict[str, Callable[[], None]] = {
            "r": self._render_all,
            "f": self._render_full_length,
            "o": self._show_page,
            "q": self._be_stopped,
        }
        self._stop = Stop()
        self._noticed: set[Path] = set()
        self._quiet_at: float | None = None
        self._saved_at: float | None = None
        self._tick_at = 0.0
        self._edited: frozenset[str] = frozenset()
        """Songs edited since the watch began."""
        self._wishes: deque[Wish] = deque()
        self._round: Round | None = None
        self._workers: Workers | None = None
        self._failed: dict[str, str] = {}
        """Take -> the key under which it failed: not tried again until something changes."""
        self._num_rendered = self._num_failed = 0
        self._is_idle = self._is_starting = False
        self._busy: Store | None = None
        """The store that another render holds: what was asked for waits until it is free."""
        self._retry_at = 0.0
        self._active_at = time.monotonic()

    def run(self) -> None:
        """Watch until `stop`, then let what runs come to its next token, step or tile."""
        with ExitStack() as ending:
            ending.enter_context(self._folders)
            ending.callback(self._end_worker)
            ending.callback(self._measuring.end)
            keys = has_keys()
            if keys:
                ending.enter_context(reading_keys(lambda key: self._inbox.put(partial(self._press, key))))
            self._tell(Watching(paths=self._specs.paths, keys=keys))
            self._look()
            self._pages.fall_behind()
            while not (self._stop and self._round is None and self._pages.is_settled):
                self._turn()

    def stop(self) -> None:
        """Ask for the end; asked again, the worker is ended at once. May be called from anywhere."""
        self._inbox.put(self._be_stopped)

    def _turn(self) -> None:
        with suppress(queue.Empty):
            self._inbox.get(timeout=self._seconds_to_wait())()
        now = time.monotonic()
        if now >= self._tick_at:
            self._tick_at = now + _TICK_SECONDS
            if self._quiet_at is None and self._folders.is_stale():
                self._wait_for_quiet()
        if self._quiet_at is not None and now >= self._quiet_at:
            self._look()
        if self._round is None and not self._stop and not self._waits_for_folder(now):
            self._begin_round()
        # Until a round speaks it needs this process to itself: a page of many takes would hold it up.
        if self._pages.is_due and not self._is_starting:
            self._pages.write(self._projects_shown())
        self._rest()

    def _waits_for_folder(self, now: float) -> bool:
        if self._busy is None:
            return False
        if now >= self._retry_at:
            self._retry_at = now + _RETRY_SECONDS
            if is_free(self._busy):
                self._busy = None
        return self._busy is not None

    def _projects_shown(self) -> list[Project]:
        return [project for project, _ in plans(self._specs.takes, self._shown, _ignore)]

    def _seconds_to_wait(self) -> float:
        if self._quiet_at is None:
            return _TICK_SECONDS
        return min(_TICK_SECONDS, max(0.0, self._quiet_at - time.monotonic()))

    def _notice(self, path: Path) -> None:
        if self._specs.matters(path):
            self._noticed.add(path)
            self._wait_for_quiet()

    def _wait_for_quiet(self) -> None:
        now = time.monotonic()
        if self._quiet_at is None:
            self._saved_at = now
        self._quiet_at = now + self._patience.quiet_seconds

    def _look(self) -> None:
        """Read the files again, and do what follows from their having changed."""
        is_first = self._specs.sources is None
        noticed, self._noticed, self._quiet_at = self._noticed, set(), None
        found = self._specs.look(noticed)
        self._is_idle = False
        if self._specs.sources:
            try:
                self._folders.watch(self._specs.sources.trees, self._specs.sources.folders)
            except RendererError as error:
                self._tell(Refused(song=None, error=error))
        if not is_first:
            self._edited |= found.edited
        if self._workers is None:
            self._warm_up()
        if found.is_other:
            self._shown = self._options
            self._pages.fall_behind()
            self._make_way(found.edited)

    def _warm_up(self) -> None:
        """Start the worker beside the first look's round or page: the first edit mustn't wait for its imports."""
        for project, _ in plans(self._specs.takes[:1], self._options, _ignore):
            self._workers = project.workers(Residency.BESIDE)
            self._workers.warm(project.model_of(project.takes[0].variant).files.family)

    def _make_way(self, edited: frozenset[str]) -> None:
        """Put edited songs first, then what was asked for besides, then everything else."""
        first = [Wish(songs=edited, options=self._options)] if edited else []
        asked = [wish for wish in self._wishes if wish.options != self._options]
        self._wishes = deque([*first, *asked, Wish(songs=None, options=self._options)])
        if self._round is None:
            return
        planned = plans(self._specs.takes, self._round.wish.options, _ignore)
        self._round.retire(frozenset(key for _, plan in planned for take in plan.takes for key in take.keys.values()))
        if edited:
            self._round.yield_to_others()

    def _begin_round(self) -> None:
        while self._wishes:
            wish = self._wishes[0]
            for project, plan in plans(wish.takes_of(self._specs.takes), wish.options, _ignore):
                if takes := needed(plan, self._has_failed):
                    self._start(Round(project.only(take.take for take in takes), wish), takes)
                    return
            self._wishes.popleft()

    def _start(self, begun: Round, takes: tuple[TakePlan, ...]) -> None:
        self._round, self._is_idle, self._is_starting = begun, False, True
        self._measuring.step_aside()
        self._tell(RoundBegun(takes=takes, since_save_seconds=self._since_save()))
        if self._workers is None:
            self._workers = begun.project.workers(Residency.BESIDE)
        begun.start(
            self._workers,
            self._stop,
            tell=lambda event: self._inbox.put(partial(self._hear, event)),
            ended=lambda error: self._inbox.put(partial(self._end_round, begun, error)),
        )

    def _hear(self, event: RunEvent) -> None:
        match event:
            case RunPlanned():
                return
            case JobProgress():
                self._is_starting = False
            case TakeDone():
                self._num_rendered += 1
                self._failed.pop(event.take.name, None)
                self._pages.fall_behind()
            case TakeFailed():
                self._num_failed += 1
                self._failed[event.take.name] = event.take.key
                self._pages.fall_behind()
        self._tell(event)

    def _end_round(self, ended: Round, error: RendererError | None) -> None:
        self._round, self._is_starting = None, False
        self._active_at = time.monotonic()
        self._pages.fall_behind()
        for given_up in ended.given_up():
            self._tell(given_up)
        if error is None and not ended.was_disturbed and not self._stop:
            # Whatever it still needs, another round of the same wouldn't bring it.
            self._give_up(ended)
        elif error is not None:
            self._refuse(ended, error)

    def _refuse(self, ended: Round, error: RendererError) -> None:
        """A round that couldn't be: of several songs each by itself, of one no more until it changes."""
        if isinstance(error, FolderBusy):
            # Nothing of it is given up: the wish stands, and is taken up again.
            self._busy = ended.project.store
            self._tell(Said(text=f"{error.message}: what was saved is rendered when that has ended"))
            return
        songs = dict.fromkeys(take.song.name for take in ended.project.takes)
        if len(songs) > 1 and not isinstance(error, StoreError):
            one_by_one = [Wish(songs=frozenset({song}), options=ended.wish.options) for song in songs]
            self._wishes.extendleft(reversed(one_by_one))
            return
        self._tell(Refused(song=next(iter(songs)) if len(songs) == 1 else None, error=error))
        self._give_up(ended)

    def _give_up(self, ended: Round) -> None:
        for _, plan in plans(ended.project.takes, ended.wish.options, _ignore):
            self._failed |= {take.name: take.key for take in needed(plan, self._has_failed)}

    def _has_failed(self, take: TakePlan) -> bool:
        return self._failed.get(take.name) == take.key

    def _since_save(self) -> float | None:
        return None if self._saved_at is None else time.monotonic() - self._saved_at

    def _end_page(self, result: str | RendererError) -> None:
        if isinstance(result, RendererError):
            self._tell(Refused(song=None, error=result))
            return
        self._address = result
        self._tell(PageWritten(address=result, since_save_seconds=self._since_save()))

    def _press(self, key: str) -> None:
        if key in self._keys:
            self._keys[key]()

    def _render_all(self) -> None:
        self._failed.clear()
        self._ask_for(Wish(songs=None, options=self._options))

    def _render_full_length(self) -> None:
        if self._options.preview is None:
            self._tell(Said(text="takes are rendered in full length already: there is no --preview"))
            return
        self._tell(Said(text=f"full length: {', '.join(sorted(self._edited)) or 'all songs'}"))
        self._ask_for(Wish(songs=self._edited or None, options=replace(self._options, preview=None)))

    def _ask_for(self, wish: Wish) -> None:
        self._saved_at, self._is_idle, self._shown = None, False, wish.options
        self._pages.fall_behind()
        if wish not in self._wishes:
            self._wishes.append(wish)

    def _show_page(self) -> None:
        if self._address is None:
            self._tell(Said(text="there is no report yet"))
        else:
            self._open_page(self._address)

    def _be_stopped(self) -> None:
        if self._stop.wanted:
            self._end_worker()
            return
        self._stop.now()
        if self._round is not None:
            self._tell(Said(text="stopping at the next token, step or tile (again to stop at once)"))

    def _end_worker(self) -> None:
        if self._workers is not None:
            self._workers.end()

    def _rest(self) -> None:
        """Say so when nothing is left to do, and drop the models when that lasts."""
        if self._round is not None or self._quiet_at is not None or not self._pages.is_settled or self._stop:
            return
        if self._busy is not None:
            return
        now = time.monotonic()
        if not self._is_idle:
            self._is_idle, self._active_at, self._saved_at = True, now, None
            faulty = len(self._specs.faulty)
            self._tell(Idle(num_rendered=self._num_rendered, num_failed=self._num_failed, num_faulty=faulty))
            self._num_rendered = self._num_failed = 0
            if self._measures:
                self._measuring.begin(self._projects_shown())
        if self._workers and self._workers.running and now - self._active_at >= self._patience.idle_seconds:
            self._end_worker()
            self._tell(WorkerDropped(idle_seconds=now - self._active_at))


def _ignore(event: Refused) -> None:
    """It was told when the specs were read."""
    del event
