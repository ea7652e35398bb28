"""Songs' takes -> Plan. Reads which results the store holds; loads no weights, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from renderer.artifacts import PlanScore
from renderer.errors import UsageError
from renderer.models.family import family, read_by
from renderer.plan.grouping import Node, grouped
from renderer.plan.jobs import Change, Group, Input, Job, Plan, TakePlan, Why
from renderer.plan.keys import TAKE_VERSION, job_key
from renderer.plan.picking import PlanPick
from renderer.plan.reasons import SET, WEIGHTS, Reason, current, explain
from renderer.plan.take_jobs import JobMaker
from renderer.provenance import Environment
from renderer.store.journal_lines import TakeDoneLine, TakeFailedLine
from renderer.store.takes import FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from renderer.models.model_files import PlannedModel, Settings
    from renderer.models.take_requests import TakeRequests, TakeStage
    from renderer.song import Take, Variant
    from renderer.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How a run differs from rendering everything whole."""

    preview: float | None = None
    force: bool = False
    keep_sources: bool = False
    """Whether what edits are made from is the version on disk, though it would be another by now."""
    complete: bool = False
    """Whether finished takes get what is wanted beside their sound and isn't there."""
    refresh: Callable[[Environment], bool] | None = None
    """Says of a recorded environment whether its results are to be made again; None keeps all."""
    environment: Environment = field(default_factory=Environment)
    """This run's, for telling what differs."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """What `last_failures` found."""
    kept: frozenset[str] = frozenset()
    """Takes that a listener keeps: they are finished whatever their plans score."""


def make_plan(
    takes: Iterable[Take],
    *,
    model_of: Callable[[Variant], PlannedModel],
    settings: Settings,
    store: Store,
    ask: Ask | None = None,
    others: Iterable[Take] = (),
) -> Plan:
    """What runs for these takes, in the order given, changed songs first; `others` are those they may build on.

    Raises: UsageError for a take its model can't make.
    """
    planner = _Planner(
        model_of=model_of,
        maker=JobMaker(settings=settings),
        store=store,
        ask=ask or Ask(),
        takes={take.name: take for take in others},
    )
    planned = [planner.plan(take) for take in takes]
    picks = tuple(planner.picks(planned))
    open_picks = tuple(pick for pick in picks if not planner.is_decided(pick))
    planned = planner.with_rivals(planned, open_picks)
    planned.sort(key=lambda pair: pair[0].why is not Why.CHANGED)
    left_out = {name for pick in picks if pick not in open_picks for name in planner.left_out(pick)}
    wanted = [pair for pair in planned if pair[0].name not in left_out]
    jobs = planner.needed(wanted, {name: pick for pick in open_picks for name in pick.takes})
    told = (replace(take, why=Why.NOT_PICKED, changes=()) if take.name in left_out else take for take, _ in planned)
    with_runs = tuple(_with_runs(take, jobs) for take in told)
    return Plan(takes=with_runs, groups=grouped_jobs(tuple(jobs.values())), picks=open_picks)


def last_failures(store: Store) -> Mapping[str, str]:
    """Take name -> key of those whose last word in the journal is a failure."""
    # Mostly none failed, and of each that came there is a line.
    if not any(store.journal.lines("take-failed")):
        return {}
    last: dict[str, str | None] = {}
    for entry in store.journal.lines("take-failed", "take-done"):
        match entry.line:
            case TakeFailedLine(take=take, key=key):
                last[take] = key
            case TakeDoneLine(take=take):
                last[take] = None
    return {name: key for name, key in last.items() if key}


_Planned = tuple[TakePlan, tuple[Job, ...]]
_NEW = Reason(why=Why.NEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planner:
    """Plans takes one by one, those that others build on first."""

    model_of: Callable[[Variant], PlannedModel]
    maker: JobMaker
    store: Store
    ask: Ask
    takes: Mapping[str, Take]
    """Those that may be built on, by their names."""
    known: dict[str, _Planned | None] = field(default_factory=dict)
    """What was planned; None while a take is being planned."""
    askers: dict[str, Callable[[Take, PlannedModel], TakeRequests]] = field(default_factory=dict)
    """Family -> what tells what its takes' stages are asked."""

    def plan(self, take: Take) -> _Planned:
        """The take's plan with its jobs.

        Raises: UsageError for takes that build on each other in a ring.
        """
        if take.name not in self.known:
            self.known[take.name] = None
            self.known[take.name] = self._plan(take)
        found = self.known[take.name]
        if found is None:
            raise UsageError(f"`{take.name}` builds on itself", why="the takes it builds on build on it")
        return found

    def needed(self, planned: Iterable[_Planned], picks: Mapping[str, PlanPick]) -> dict[tuple[str, str], Job]:
        """The jobs whose results are wanted and not there, shared ones once, with every take that hangs on them.

        `picks` are those that aren't decided, by the names of their takes.
        """
        needed: dict[tuple[str, str], Job] = {}
        for plan, jobs in planned:
            pick, wanted = picks.get(plan.name), self._wanted(plan, jobs)
            before = set() if pick is None else {pick.stage}
            if pick is None or plan.name in pick.always:
                self._need(needed, jobs, wanted | before, plan.name)
                continue
            before |= {job.stage for job in jobs if job.spec.told_in_tags}
            self._need(needed, jobs, {*before}, plan.name)
            self._need(needed, jobs, wanted - before, plan.name, pick)
        return needed

    def picks(self, planned: Iterable[_Planned]) -> Iterator[PlanPick]:
        """Of which takes some are finished and others only planned, where not all are finished already.

        Raises: UsageError for takes whose model has no score for plans.
        """
        groups = {plan.pick_group: plan.take for plan, _ in planned if plan.pick_group}
        for take in groups.values():
            rivals, pick = [self.plan(rival) for rival in _rivals(take)], take.song.pick
            if pick is None or len(rivals) <= pick.finish or all(plan.has_sound for plan, _ in rivals):
                continue
            jobs = {plan.name: _score_job(plan, own) for plan, own in rivals}
            finished = {plan.name for plan, _ in rivals if plan.has_sound}
            yield PlanPick(
                takes=tuple(jobs),
                stage=next(iter(jobs.values())).stage,
                scores={name: job.key for name, job in jobs.items()},
                finish=pick.finish,
                always=frozenset(finished | (jobs.keys() & (self.ask.kept | self._built_on))),
            )

    @property
    def _built_on(self) -> frozenset[str | None]:
        """The takes that others are made from."""
        known = (pair for pair in self.known.values() if pair is not None)
        return frozenset(one.take for _, jobs in known for job in jobs for one in job.inputs.values())

    def is_decided(self, pick: PlanPick) -> bool:
        """Whether every plan is scored, so that what is finished is known before anything runs."""
        # Made again, in another environment, scores may be others.
        if self.ask.force or self.ask.refresh is not None:
            return False
        return all(self.store.has(pick.stage, key) for key in pick.scores.values())

    def left_out(self, pick: PlanPick) -> frozenset[str]:
        """The takes that aren't finished, of a pick that is decided."""
        return frozenset(pick.takes) - pick.chosen(partial(score_in, self.store))

    def with_rivals(self, planned: list[_Planned], picks: Iterable[PlanPick]) -> list[_Planned]:
        """With all takes that are to be compared: whoever plans some of them needs the others' scores."""
        names = {plan.name for plan, _ in planned}
        rivals = [self.known[name] for pick in picks for name in pick.takes if name not in names]
        return [*planned, *(pair for pair in rivals if pair is not None)]

    def _wanted(self, plan: TakePlan, jobs: Sequence[Job]) -> set[str]:
        """The stages whose results a take wants for themselves, not for what builds on them."""
        if plan.has_sound:
            return set(plan.lacks) if self.ask.complete else set()
        own = (job for job in jobs if job.stage in plan.keys)
        return {job.stage for job in own if job.spec.gives_sound or job.spec.told_in_tags or job.spec.wanted}

    def _need(
        self,
        needed: dict[tuple[str, str], Job],
        jobs: Sequence[Job],
        wanted: set[str],
        name: str,
        pick: PlanPick | None = None,
    ) -> None:
        """Add a take's jobs that give the wanted stages, as far as they aren't there, for the take of that name.

        With a pick they run only if that chooses the take, but for those that run for others anyway.
        """
        for job in reversed(jobs):
            if job.stage not in wanted or not (job.spec.gives_sound or _make_again(job, self.store, self.ask)):
                continue
            wanted |= {one.stage for one in job.inputs.values() if one.take is None}
            known = needed.get((job.stage, job.key))
            takes = tuple(dict.fromkeys((*(known.takes if known else ()), name)))
            if pick is None or (known is not None and not known.picks):
                picks: tuple[PlanPick, ...] = ()
            else:
                picks = tuple(dict.fromkeys((*(known.picks if known else ()), pick)))
            is_own = job.takes == takes and job.picks == picks
            needed[job.stage, job.key] = job if is_own else replace(job, takes=takes, picks=picks)
            for one in job.inputs.values():
                if one.take is not None:
                    owner, its_jobs = self.plan(self.takes[one.take])
                    if all(one.key != job.key for job in its_jobs):
                        continue  # a former version's, which is there
                    if not (owner.has_sound and one.stage == owner.sound):
                        self._need(needed, its_jobs, {one.stage}, name)

    def _foreign(self, take: Take, inputs: Mapping[str, TakeStage]) -> dict[str, Input]:
        """What a stage takes from other takes, planned for their keys."""
        found: dict[str, Input] = {}
        for name, one in inputs.items():
            if one.take not in self.takes:
                raise UsageError(
                    f"`{take.name}` builds on `{one.take}`, which isn't among the takes",
                    help="name the spec of that take, too",
                )
            plan, jobs = self.plan(self.takes[one.take])
            key = next((job.key for job in jobs if job.stage == one.stage), None)
            if key is None:
                raise UsageError(
                    f"`{take.name}` needs the {one.stage} of `{plan.name}`",
                    why=f"`{plan.files.name}` can't make them",
                    help=family(plan.files.family).stages[one.stage].if_lacking,
                )
            if self.ask.keep_sources:
                key = self._kept(plan, one.stage, key)
            found[name] = Input(stage=one.stage, key=key, take=one.take)
        return found

    def _kept(self, plan: TakePlan, stage: str, own: str) -> str:
        """The key of a stage's result of the version that bears the take's name; the plan's own where there is none."""
        versions = () if plan.has_sound else self.store.versions(plan.name)
        if not versions:
            return own
        key = current(self.store, versions).keys.get(stage, "")
        if key and self.store.has(stage, key):
            return key
        raise UsageError(
            f"the {stage} of `{plan.name}` as it was are gone",
            why="its spec was changed since, so they can't be made again",
            help="render without --only-edits, or take the change back",
        )

    def _asked(self, take: Take, model: PlannedModel) -> TakeRequests:
        name = model.files.family
        if name not in self.askers:
            self.askers[name] = family(name).asker(self.ask.preview, self.takes)
        return self.askers[name](take, model)

    def _plan(self, take: Take) -> _Planned:
        model, ask = self.model_of(take.variant), self.ask
        own = family(model.files.family)
        asked = self._asked(take, model)
        named = own.named(take, model, asked.pinned)
        _refuse_untaught(take, model, named)
        pinned = {stage: one.key for stage, one in asked.pinned.items()}
        foreign = {stage: self._foreign(take, inputs) for stage, inputs in asked.inputs.items()}
        every, records = self.maker.jobs(asked.stages, model, pinned=pinned, foreign=foreign, take=take.name)
        jobs = tuple(job for job in every if job.stage not in asked.idle)
        keys = {**pinned, **{job.stage: job.key for job in jobs}}
        output = take.song.output
        # What tags tell beside that is written into the file that is there.
        sound = next(job.stage for job in jobs if job.spec.gives_sound)
        key = job_key("take", TAKE_VERSION, {"format": output.format}, {}, {sound: keys[sound]})
        suffix = "" if asked.preview is None else f".preview{asked.preview:g}"
        name = take.name + suffix
        requests = {
            SET: named,
            **{job.stage: records[job.stage] for job in jobs},
            WEIGHTS: {part: model.weight_files[part] for part in _parts(jobs) if part in model.weight_files},
            FILE: {"format": output.format, "recipe": output.recipe, "title": take.song.title},
        }
        plan = TakePlan(
            take=take,
            name=name,
            file=f"{take.song.name}/{name}.{output.format}",
            key=key,
            keys=keys,
            files=model.files,
            requests=requests,
            why=Why.NEW,
            preview=asked.preview,
            seconds=asked.seconds,
            pinned={one.key: one.artifact for one in asked.pinned.values()},
            builds_on=tuple(dict.fromkeys(one.key for job in jobs for one in job.inputs.values() if one.take)),
        )
        reason = explain(
            plan, self.store, force=ask.force, refresh=ask.refresh, failed=ask.failed, environment=ask.environment
        )
        changes = reason.changes
        if reason.why is Why.CHANGED and not changes:
            # The first of them is what it is made from, the others what that is made from.
            changes = tuple(map(_another, [one for inputs in foreign.values() for one in inputs.values()][:1]))
        lacks = tuple(job.stage for job in jobs if job.spec.wanted and not self.store.has(job.stage, job.key))
        if reason == _NEW and not lacks:
            return plan, every
        return replace(plan, why=reason.why, changes=changes, made_in=reason.made_in, lacks=lacks), every


def _another(source: Input) -> Change:
    """That what a take is made from isn't what it was."""
    words = f"{source.take}, which it is made from, is another now"
    return Change(stage=source.stage, name="src_audio", old=source.take, new=source.take, words=words)


def _refuse_untaught(take: Take, model: PlannedModel, named: Mapping[str, object]) -> None:
    """Raises: UsageError for an edit, or a reference, that the take's family makes nothing of."""
    wanted = {"task": take.variant.edit, "reference_audio": take.variant.reference_audio}
    for name in (one for one, value in wanted.items() if value is not None and one not in named):
        raise UsageError(
            f"`{model.files.name}` can't make `{take.name}`",
            why="it makes songs from texts alone" if name == "task" else "it takes its timbre from no file",
            help="take another model" if name == "task" else "take `reference_audio` out",
        )


def _parts(jobs: Iterable[Job]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(job.part for job in jobs))


def _make_again(job: Job, store: Store, ask: Ask) -> bool:
    if ask.force or not store.has(job.stage, job.key):
        return True
    if ask.refresh is None:
        return False
    found = store.get_with_origin(job.stage, job.key)
    return found is None or ask.refresh(found[1].environment)


def _with_runs(plan: TakePlan, jobs: Mapping[tuple[str, str], Job]) -> TakePlan:
    stages = (stage for stage, key in plan.keys.items() if (stage, key) in jobs)
    # Of a finished take, what runs for itself: it may share a job with others.
    own = tuple(stage for stage in stages if plan.name in jobs[stage, plan.keys[stage]].takes or not plan.has_sound)
    if plan.why is Why.NOT_PICKED or not own:
        return plan
    return replace(plan, runs=own, if_picked=tuple(stage for stage in own if jobs[stage, plan.keys[stage]].picks))


def _rivals(take: Take) -> Iterator[Take]:
    """The takes that a take's plan is compared with, itself among them."""
    seeds = take.song.as_written.seeds_of(take.variant)
    return (replace(take, seed=seed) for seed in seeds)


def _score_job(plan: TakePlan, jobs: Iterable[Job]) -> Job:
    """What gives a plan's score.

    Raises: UsageError where nothing does.
    """
    found = next((job for job in jobs if job.spec.artifact is PlanScore), None)
    if found is None:
        raise UsageError(
            f"`{plan.files.name}` has no score for plans, by which `{plan.name}` could be picked",
            help="take `[pick]` out, or take another model",
        )
    return found


def score_in(store: Store, stage: str, key: str) -> float | None:
    """A plan's score as it lies in the store; None where there is none, or it can't be read."""
    found = store.get(stage, key)
    return found.score if isinstance(found, PlanScore) else None


def grouped_jobs(jobs: Sequence[Job]) -> tuple[Group, ...]:
    """Jobs in an order of few loads; stage by stage within a group, as its part runs them."""
    families = {name: family(name) for name in {job.files.family for job in jobs}}
    # Looked up once: a plan of a thousand takes asks thousands of times.
    stage_ranks = {name: _ranks(known.stages) for name, known in families.items()}
    part_ranks = {name: _ranks(known.parts) for name, known in families.items()}
    rank_of = {job.key: stage_ranks[job.files.family][job.stage] for job in jobs}
    ranked = sorted(jobs, key=lambda job: rank_of[job.key])
    by_key = {job.key: job for job in ranked}
    numbers: dict[tuple[object, ...], int] = {}  # in place of long texts, which would be compared again and again
    loads = {job.key: numbers.setdefault((job.part, *read_by(job.part, job.files)), len(numbers)) for job in jobs}
    # Of one part's loads, those of the takes that come first.
    parts = sorted(jobs, key=lambda job: part_ranks[job.files.family][job.part])
    ranks = {load: rank for rank, load in enumerate(dict.fromkeys(loads[job.key] for job in parts))}
    nodes = {
        key: Node(load=loads[key], rank=ranks[loads[key]], needs=tuple(job.waits_for)) for key, job in by_key.items()
    }
    groups = (_stage_by_stage([by_key[key] for key in keys], rank_of, tuple(by_key)) for keys in grouped(nodes))
    return tuple(Group(part=group[0].part, files=group[0].files, jobs=group) for group in groups)


def _stage_by_stage(group: Sequence[Job], ranks: Mapping[str, int], order: Sequence[str]) -> tuple[Job, ...]:
    """A group's jobs, all of a stage before those of the next, and again from the first for what builds on these."""
    place = {key: number for number, key in enumerate(order)}
    rounds: dict[str, int] = {}
    for job in group:
        inside = [one.key for one in job.inputs.values() if one.key in rounds]
        rounds[job.key] = max([rounds[key] + (ranks[key] >= ranks[job.key]) for key in inside], default=0)
    return tuple(sorted(group, key=lambda job: (rounds[job.key], ranks[job.key], place[job.key])))


def _ranks(rows: Mapping[str, object]) -> Mapping[str, int]:
    """Name -> its place in its family's table."""
    return {name: rank for rank, name in enumerate(rows)}
