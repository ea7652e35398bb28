"""The takes asked for and the outputs folder they belong to: what plan, render, status and report share."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from renderer.errors import FolderBusy, SpecError, StoreError, UsageError
from renderer.files import by_real, what_to_do, why_refused
from renderer.folders import WATCH_LOG, WORKER_LOG
from renderer.models.family import stored_kinds
from renderer.models.model_files import Residency
from renderer.pipeline.edited import preview_remarks, sources_of, takes_for
from renderer.pipeline.environment import environment
from renderer.pipeline.model_faults import model_faults, refuse_model_faults
from renderer.pipeline.models import pick_workers, planned_models
from renderer.pipeline.pace_history import expected_times
from renderer.pipeline.refused_specs import refused_specs
from renderer.pipeline.shard_lock import Hold, shard_of_split
from renderer.plan.make import Ask, last_failures, make_plan
from renderer.plan.shards import names_in, split_digest
from renderer.run.executor import EXECUTORS, ExecutorConfig
from renderer.spec.name_lengths import refuse_long_names
from renderer.spec.picks import Vote
from renderer.spec.seeds import refuse_takes_seeds
from renderer.store.store import Store
from renderer.takes.votes import all_picks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from renderer.models.model_files import Settings
    from renderer.pipeline.models import Workers
    from renderer.pipeline.options import Options
    from renderer.pipeline.refused_specs import RefusedSpec
    from renderer.pipeline.select import Selection
    from renderer.pipeline.whole import Whole
    from renderer.plan.jobs import Plan, TakePlan
    from renderer.provenance import Environment
    from renderer.run.executor import Executor
    from renderer.song import Take
    from renderer.spec.diagnostics import Diagnostic


_GRACE_SECONDS = 0.2  # a watch that waits for its turn takes the lock for a moment to see whether it is free


class Project:
    """The takes asked for, with the store of their outputs folder: what plan, render, status and report share."""

    def __init__(self, takes: Sequence[Take], options: Options, *, refused: Sequence[RefusedSpec] = ()) -> None:
        self.options = options
        self.refused = tuple(refused)
        """Specs that were left out for their faults."""
        asked = takes_for(takes, options)
        self._left_out = preview_remarks(takes, options)
        self.added = () if options.only_edits else sources_of(asked)
        """Takes that nobody asked for, and that edits are made from."""
        self.takes = (*asked, *self.added)
        refuse_takes_seeds(self.takes)
        self.named = self.takes or tuple(takes)
        """The same; of edits of files in a preview, which leaves out all of them, these: they tell of the folder."""
        picked = pick_workers(replace(options, device=_device_of(self.named, options)))
        self.workers: Workers = _on_cluster(picked, options) if options.cluster else picked
        self.settings: Settings = self.workers.settings[0]
        shard = options.shard.file_part if options.shard else ""
        self.store = Store(_outputs_of(self.named, options), kinds=stored_kinds(), shard=shard)
        refuse_long_names(self.takes, self.store.outputs)
        self.model_of = planned_models(self.settings)
        self.environment = environment(self.workers)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to know before it runs: what devices compute wrong, takes that are left out."""
        return (*self.workers.remarks, *self._left_out)

    def plan(self, takes: Sequence[Take] | None = None) -> Plan:
        """What would run now, of all takes or of these.

        Raises: SpecError or ModelError for model sets that aren't any, UsageError for takes a model can't make.
        """
        takes = self.takes if takes is None else takes
        refuse_model_faults(takes, self.model_of, self.options)
        return self._plan(takes, last_failures(self.store))

    def plan_of_shard(self) -> Plan:
        """As `plan`, of the shard asked for, or of all takes.

        Raises: see `plan`.
        """
        plan = self.plan()
        if self.options.shard is None:
            return plan
        names = names_in(plan, self.options.shard)
        return self.plan([take.take for take in plan.takes if take.name in names])

    @contextmanager
    def held(self) -> Iterator[Hold]:
        """Hold the outputs folder alone, or as one of a split's shards; takes away what a killed render left.

        Raises: FolderBusy when another render holds it, StoreError when it can't be locked.
        """
        if self.options.shard:
            with shard_of_split(self.store, self.options.shard, split_digest(self.plan())) as hold:
                yield hold
        else:
            with one_at_a_time(self.store):
                self.store.clear_leftovers()
                yield Hold(was_last=True)

    def plans(self) -> Iterator[Plan]:
        """As `plan`, song after song: of thousands of takes, one song's plan and records are in memory at a time.

        Raises: see `plan`.
        """
        refuse_model_faults(self.takes, self.model_of, self.options)
        failed = last_failures(self.store)
        for _, takes in groupby(self.takes, key=lambda take: take.song.name):
            with self.store.remembering():
                yield self._plan(takes, failed)

    def _plan(self, takes: Iterable[Take], failed: Mapping[str, str]) -> Plan:
        ask = Ask(
            preview=self.options.preview,
            force=self.options.force,
            complete=self.options.completes,
            keep_sources=self.options.only_edits,
            refresh=self.differs if self.options.refresh_environment else None,
            environment=self.environment,
            failed=failed,
            kept=self._kept,
        )
        others = (*self.takes, *(sources_of(self.takes) if self.options.only_edits else ()))
        return make_plan(
            takes, model_of=self.model_of, settings=self.settings, store=self.store, ask=ask, others=others
        )

    @cached_property
    def _kept(self) -> frozenset[str]:
        """The takes of songs with a pick that a listener keeps; votes that come later count for the next project."""
        songs = {take.song.name: take.song for take in self.takes if take.song.pick is not None}
        return frozenset(name for name, pick in all_picks(songs.values()).items() if pick.vote is Vote.KEEP)

    def plan_takes(self, takes: Sequence[Take]) -> tuple[TakePlan, ...]:
        """How these takes stand, for whoever shows them: failures are told by the journal, models looked at before.

        Raises: UsageError, ModelError for takes a model can't make.
        """
        return self._plan(takes, {}).takes

    def whole(self) -> Whole:
        """All takes of the project that these belong to."""
        from renderer.pipeline.whole import whole_project  # noqa: PLC0415 - it builds on this module

        return whole_project(self)

    def spec_files(self) -> tuple[Path, ...]:
        """The spec files of the project that these takes belong to, unread."""
        from renderer.pipeline.whole import spec_files  # noqa: PLC0415 - as above

        return spec_files(self)

    def missing(self) -> tuple[str, ...]:
        """Model parts that aren't on disk, by the names `renderer models fetch` takes."""
        models = [self.model_of(take.variant) for take in self.takes]
        return tuple(dict.fromkeys(name for model in models for name in model.missing))

    def only(self, takes: Iterable[Take]) -> Project:
        """The same project with these of its takes."""
        return self._less(takes, refused=self.refused)

    def without_faulty(self) -> tuple[Project, tuple[Diagnostic, ...]]:
        """The project less the songs that name models which can't be, and what is wrong with those.

        Raises: SpecError when no song is left, ModelError for a model that no spec names.
        """
        return self.without(model_faults(self.takes, self.model_of, self.options))

    def without(self, faults: Mapping[Take, Diagnostic]) -> tuple[Project, tuple[Diagnostic, ...]]:
        """The project less the songs of these takes, and what is wrong with them.

        Raises: SpecError when no song is left.
        """
        faulty = {take.song.source for take in faults}
        told = tuple(dict.fromkeys(faults.values()))
        good = [take for take in self.takes if not faulty & {one.song.source for one in (take, *take.sources)}]
        if faults and not good:
            raise SpecError(told)
        if not faults:
            return self, told
        return self._less(good, refused=(*self.refused, *refused_specs(told))), told

    def _less(self, takes: Iterable[Take], *, refused: Sequence[RefusedSpec]) -> Project:
        project = Project(tuple(takes), self.options, refused=refused)
        # These takes lost the edits among them already.
        project._left_out = self._left_out
        return project

    def executor(self, residency: Residency = Residency.ALONE) -> Executor:
        """What carries out this project's plans, no worker started yet."""
        # A watch's worker starts before its turn to render: it leaves the log of the one at work alone.
        log = self.log if residency is Residency.ALONE else self.log.with_name(WATCH_LOG)
        expected = expected_times(self.store.journal, self.settings.device)
        cluster = self.options.cluster
        config = ExecutorConfig(
            settings=self.workers.settings, log=log, residency=residency, expected=expected, cluster=cluster
        )
        return EXECUTORS["ray" if cluster else self.options.executor].make(config)

    @property
    def log(self) -> Path:
        """Where the first worker's words go."""
        shard = f"-{self.options.shard.file_part}" if self.options.shard else ""
        return (self.store.folder / WORKER_LOG).with_stem(f"worker{shard}")

    def differs(self, recorded: Environment) -> bool:
        """Whether a result was made in another environment than this run's."""
        return recorded.completed_from(self.environment) != self.environment


def _on_cluster(picked: Workers, options: Options) -> Workers:
    from renderer.pipeline.cluster import on_cluster  # noqa: PLC0415 - looks at models, which few runs need here

    return on_cluster(picked, options)


def refuse_faults(selection: Selection, options: Options) -> None:
    """Render nothing while specs have errors, unless told to keep going.

    Raises: SpecError with every error, and the warnings beside them.
    """
    serious = [found for found in selection.diagnostics if found.level != "note"]
    if any(found.level == "error" for found in serious) and not (options.keep_going and selection.takes):
        raise SpecError(serious)


@contextmanager
def one_at_a_time(store: Store) -> Iterator[None]:
    """Hold the outputs folder's lock; the operating system frees it when this process ends, however it does.

    Raises: FolderBusy when another render holds it.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - who only plans takes no lock

    lock = FileLock(store.lock_path)
    try:
        lock.acquire(timeout=_GRACE_SECONDS, poll_interval=_GRACE_SECONDS / 10)
    except (OSError, NotImplementedError) as error:  # Timeout, which is an OSError, included
        if not isinstance(error, Timeout):
            raise _unlockable(store, error) from error
        raise FolderBusy(
            f"another render is writing to `{store.outputs}`",
            why="one at a time: they would do each other's work twice",
            help="wait for it to end, or give another folder with --out",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _unlockable(store: Store, error: OSError | NotImplementedError) -> StoreError:
    """Of a file that no lock can be had on: a folder in its place, someone else's, a file system without locks."""
    refused = error if isinstance(error, OSError) else OSError(errno.ENOSYS, "it knows no locks")
    return StoreError(
        f"`{store.lock_path}` can't be locked",
        why=why_refused(refused),
        help=what_to_do(refused) or "give another folder with --out",
    )


def is_free(store: Store) -> bool:
    """Whether no render holds the outputs folder just now; of one that can't be locked, a render tells better."""
    try:
        with one_at_a_time(store):
            return True
    except FolderBusy:
        return False
    except StoreError:
        return True


def _device_of(takes: Sequence[Take], options: Options) -> str | None:
    """The device asked for, else the one that the songs' defaults name.

    Raises: UsageError when they name several.
    """
    if options.device:
        return options.device
    named = dict.fromkeys(take.song.device for take in takes if take.song.device)
    if len(named) > 1:
        raise UsageError(
            f"the songs' `renderer.toml` files name {len(named)} devices",
            why=", ".join(f"`{device}`" for device in named),
            help="give one with --device, or render them one by one",
        )
    return next(iter(named), None)


def _outputs_of(takes: Sequence[Take], options: Options) -> Path:
    """The one folder that these takes go to.

    Raises: UsageError when there are several, or it holds specs.
    """
    outputs = _named_outputs(takes, options)
    real = outputs.resolve()
    for leads, source in by_real(dict.fromkeys(take.song.source for take in takes)).items():
        if leads.is_relative_to(real):
            raise UsageError(
                f"the outputs folder `{outputs}` holds specs",
                why=f"`{source}` lies in it, and a song's folder there would be taken for takes",
                help="give another folder with --out, or as `outputs` in renderer.toml",
            )
    return outputs


def _named_outputs(takes: Sequence[Take], options: Options) -> Path:
    if options.outputs:
        return options.outputs
    folders = dict.fromkeys(take.song.outputs for take in takes)
    if len(folders) != 1:
        raise UsageError(
            f"the specs name {len(folders)} outputs folders" if folders else "there is nothing to render",
            why=", ".join(f"`{folder}`" for folder in folders),
            help="render them one by one, or give one folder with --out" if folders else "name specs or songs",
        )
    return next(iter(folders))
