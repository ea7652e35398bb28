"""Specs of two times -> which songs and takes changed, from which stage on, why, and what lies on disk of both."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.files import read_regular
from renderer.history.revisions import open_history
from renderer.pipeline.model_faults import model_faults
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from renderer.pipeline.specs_at import SpecsThen, specs_at
from renderer.plan.jobs import Change
from renderer.plan.reasons import changes_between
from renderer.report.diff_values import HistoryDiff, SongChange, TakeChange, TextDiff
from renderer.report.take_sound import take_sound
from renderer.report.text_diff import changed_lines
from renderer.spec.diagnostics import Level
from renderer.spec.near import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from renderer.pipeline.options import Options
    from renderer.plan.jobs import TakePlan
    from renderer.report.diff_values import TakeSound
    from renderer.song import Song, Take
    from renderer.spec.diagnostics import Diagnostic
    from renderer.store.store import Store

WORKING_FOLDER = "the working folder"
RENAMED = 0.6  # how much of a song's words a song of another name shares that it was renamed to


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What differs, and what is wrong with specs that couldn't be compared."""

    diff: HistoryDiff
    faults: tuple[Diagnostic, ...]
    outputs: Path | None
    """The outputs folder of the later time; None where nothing is to be rendered."""


def compare_history(
    before: str, after: str | None, options: Options, *, named: Sequence[str] = (), songs: Sequence[str] = ()
) -> Compared:
    """Compare the specs of a revision with another's, or with the working folder's.

    `named` are paths, songs or takes of the working folder, `songs` names or patterns of songs at either time.

    Raises: UsageError for revisions that aren't there, SpecError where nothing can be compared for faults.
    """
    with ExitStack() as held:
        history = held.enter_context(open_history(Path.cwd()))
        old = held.enter_context(specs_at(history, before, options))
        new = held.enter_context(specs_at(history, after, options)) if after else _specs_now(options)
        for side in (old, new):
            side.require_defaults()
        _refuse_nothing(songs, old, new)
        compared = _compare(old, new, options, lambda song: not songs or any(fnmatchcase(song, one) for one in songs))
        return replace(compared, diff=_only(compared.diff, named, options)) if named else compared


def _specs_now(options: Options) -> SpecsThen:
    found = select((), options)
    faults = tuple(one for one in found.diagnostics if one.level is Level.ERROR)
    return SpecsThen(label=WORKING_FOLDER, songs=found.songs, faults=faults)


def _only(diff: HistoryDiff, named: Sequence[str], options: Options) -> HistoryDiff:
    """Of what is named in the working folder, with the takes that its songs lost where these are named as a whole."""
    chosen = select(named, options)
    names, songs = {take.name for take in chosen.takes}, {song.name for song in chosen.songs}
    lost = songs - {name.partition(".")[0] for name in chosen.by_name}
    kept = (
        replace(song, takes=tuple(take for take in song.takes if take.name in names or song.name in lost))
        for song in diff.songs
        if song.name in songs
    )
    return replace(diff, songs=tuple(kept))


def _refuse_nothing(patterns: Sequence[str], *sides: SpecsThen) -> None:
    known = {name for side in sides for name in (*(song.name for song in side.songs), *side.broken)}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            advice = suggestion(pattern, known) or "renderer diff --rev tells of all"
            raise UsageError(f"no song is called `{pattern}`, then or now", help=advice)


def _compare(old: SpecsThen, new: SpecsThen, options: Options, is_wanted: Callable[[str], bool]) -> Compared:
    # What they are computed on is no part of what was asked: then and now it is this machine.
    device = options.device or next((song.device for song in (*new.songs, *old.songs) if song.device), None)
    options = replace(options, device=device)
    before, after = _Planned.of(old, options), _Planned.of(new, options)
    broken = {name: side.then.label for side in (before, after) for name in side.broken}
    olds, news = ({name: song for name, song in side.songs.items() if name not in broken} for side in (before, after))
    former = _renamed(olds, news)
    found = [_broken(name, place, before, after) for name, place in broken.items()]
    found += [_song(olds.get(former.get(name, name)), song, before, after) for name, song in news.items()]
    gone = [song for name, song in olds.items() if name not in news and name not in former.values()]
    found += [_song(song, None, before, after) for song in gone]
    kept = [song for song in found if is_wanted(song.name) or (song.was and is_wanted(song.was))]
    return Compared(
        diff=HistoryDiff(
            before=old.label,
            before_commit=old.commit,
            after=new.label,
            after_commit=new.commit,
            songs=tuple(sorted(kept, key=lambda song: song.name)),
            remarks=tuple(f"{side.label}: {remark}" for side in (old, new) for remark in side.remarks),
        ),
        faults=(*before.faults, *after.faults),
        outputs=next((side.store.outputs for side in (after, before) if side.store), None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """The specs of a time, with the plan of each take."""

    then: SpecsThen
    plans: Mapping[str, TakePlan]
    store: Store | None
    """None where nothing is to be rendered."""
    faults: tuple[Diagnostic, ...]

    @classmethod
    def of(cls, then: SpecsThen, options: Options) -> _Planned:
        """All takes but those of models that can't be.

        Raises: UsageError, ModelError for takes that can't be planned.
        """
        takes = [take for song in then.songs for take in song.takes()]
        if not takes:
            return cls(then=then, plans={}, store=None, faults=then.faults)
        project = Project(takes, options)
        unfit = model_faults(project.takes, project.model_of, options)
        sources = {take.song.source for take in unfit}
        good = [one for one in takes if not sources & {each.song.source for each in (one, *one.sources)}]
        told = tuple(dict.fromkeys(then.seen(fault) for fault in unfit.values()))
        plans = {plan.name: plan for plan in project.plan_takes(good)}
        return cls(then=then, plans=plans, store=project.store, faults=(*then.faults, *told))

    @property
    def songs(self) -> Mapping[str, Song]:
        """Name -> song."""
        return {song.name: song for song in self.then.songs}

    @property
    def broken(self) -> frozenset[str]:
        """The songs of which nothing can be told."""
        unplanned = {song.name for song in self.then.songs for take in song.takes() if take.name not in self.plans}
        return self.then.broken | unplanned

    def sound(self, plan: TakePlan) -> TakeSound | None:
        """The take's version on disk, where it lies there as it was asked for then."""
        found = self.store.located(plan.name, plan.key) if self.store else None
        return take_sound(*found, self.store) if found and self.store else None


def _renamed(olds: Mapping[str, Song], news: Mapping[str, Song]) -> Mapping[str, str]:
    """Name now -> name then, of songs that lost one name and gained another with about the same words."""
    gone = {name: _words(song) for name, song in olds.items() if name not in news}
    come = {name: _words(song) for name, song in news.items() if name not in olds}
    alike = ((_likeness(was, words), before, name) for name, words in come.items() for before, was in gone.items())
    found: dict[str, str] = {}
    for likeness, before, name in sorted(alike, reverse=True):
        if likeness >= RENAMED and name not in found and before not in found.values():
            found[name] = before
    return found


def _words(song: Song) -> Counter[str]:
    return Counter(f"{song.title} {song.caption} {song.lyrics}".split())


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    return 2 * (one & other).total() / max(1, one.total() + other.total())


def _song(old: Song | None, new: Song | None, before: _Planned, after: _Planned) -> SongChange:
    song = new or old
    assert song is not None  # noqa: S101 - for the type checker: one of them is there
    was = old.name if old and new and old.name != new.name else ""
    pairs: dict[str, tuple[TakePlan | None, TakePlan | None]] = {}
    for take in old.takes() if old else ():
        pairs[_called(take.name, old, song)] = (before.plans[take.name], None)
    for take in new.takes() if new else ():
        pairs[take.name] = (pairs.get(take.name, (None, None))[0], after.plans[take.name])
    takes = tuple(_take(name, *pair, before, after) for name, pair in pairs.items())
    title = (old.title, new.title) if old and new and old.title != new.title else ("", "")
    texts = tuple(_texts(pairs.values()))
    if old and new:
        is_same = all(take.state == "same" for take in takes) and not any(title) and not texts
        state = "renamed" if was else "changed" if not is_same else _state_of_text(old, new)
    else:
        state = "added" if new else "removed"
    return SongChange(name=song.name, was=was, state=state, title=title, texts=texts, takes=takes)


def _broken(name: str, place: str, before: _Planned, after: _Planned) -> SongChange:
    """A song with errors: where it has none any more all its takes are new, for nothing tells what they were."""
    song = None if name in after.broken else after.songs.get(name)
    plans = [after.plans[take.name] for take in song.takes()] if song else []
    takes = tuple(_take(plan.name, None, plan, before, after) for plan in plans)
    return SongChange(name=name, state="broken", broken_at=place, takes=takes)


def _called(take: str, old: Song | None, song: Song) -> str:
    """A take's name under its song's name of today."""
    return song.name + take.removeprefix(old.name) if old else take


def _state_of_text(old: Song, new: Song) -> str:
    """Of songs that are the same: whether their files are."""
    return "same" if read_regular(old.source) == read_regular(new.source) else "text"


def _take(name: str, old: TakePlan | None, new: TakePlan | None, before: _Planned, after: _Planned) -> TakeChange:
    then, now = before.sound(old) if old else None, after.sound(new) if new else None
    if old is None or new is None:
        state = "added" if new else "removed"
        stages = tuple(new.keys) if new else ()
        return TakeChange(name=name, state=state, stages=stages, before=then, after=now, is_done=now is not None)
    changes = changes_between(old.requests, new.requests, new.take, new.family)
    stages = tuple(stage for stage, key in new.keys.items() if old.keys.get(stage) != key)
    if old.name != new.name:
        # Under another name its audio is another file, whatever it sounds like.
        now = now or (after.sound(replace(new, name=old.name)) if old.key == new.key else None)
    is_same = old.key == new.key and not stages
    state = "changed" if not is_same else "tags" if changes else "same"
    return TakeChange(
        name=name,
        was=old.name if old.name != new.name else "",
        variant=new.take.variant.name,
        state=state,
        stages=stages,
        changes=changes or (_source_changed(new.take) if stages else ()),
        is_done=new.has_sound,
        before=then,
        after=now,
    )


def _source_changed(take: Take) -> tuple[Change, ...]:
    """Of an edit that asks for the same: what it is made from isn't what it was."""
    source = take.source
    if source is None:
        return ()
    words = f"{source.name}, which it is made from, is another"
    return (Change(stage="latents", name="src_audio", old=source.name, new=source.name, words=words),)


def _texts(pairs: Iterable[tuple[TakePlan | None, TakePlan | None]]) -> Iterator[TextDiff]:
    """Captions and lyrics that differ, each once, with the variants that have them."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    every: set[str] = set()
    for old, new in pairs:
        if old is not None and new is not None:
            every.add(new.take.variant.name)
            for name in ("caption", "lyrics"):
                then, now = getattr(old.take.song, name), getattr(new.take.song, name)
                if then != now:
                    found.setdefault((name, then, now), {})[new.take.variant.name] = None
    for (name, then, now), variants in found.items():
        own = () if every == set(variants) else tuple(variants)
        yield TextDiff(name=name, variants=own, lines=changed_lines(then, now))
