"""Songs by name -> their finished takes in the order in which to hear them; votes on the best of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from renderer.errors import SpecError, UsageError
from renderer.models.family import stored_kinds
from renderer.pipeline.lacking import lacking
from renderer.pipeline.models import pick_settings, planned_models
from renderer.pipeline.options import Options
from renderer.pipeline.rendered import in_numbers
from renderer.pipeline.select import select, songs_here
from renderer.spec.diagnostics import Level
from renderer.spec.picks import Vote
from renderer.spec.take_names import preview_named
from renderer.store.store import Store
from renderer.takes.learning import learned_weights
from renderer.takes.lyric_lines import lyric_lines
from renderer.takes.ranking import SCORES, ranked, standardised
from renderer.takes.take_scores import take_scores
from renderer.takes.versions import current_version
from renderer.takes.votes import all_picks, vote_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from renderer.models.model_files import PlannedModel
    from renderer.song import Song, Variant
    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.picks import Pick
    from renderer.store.takes import TakeRecord
    from renderer.takes.ranking import RankedTake
    from renderer.takes.take_scores import TakeScores


@dataclass(frozen=True, slots=True, kw_only=True)
class SongRanking:
    """A song's finished takes, the best first."""

    song: Song
    takes: tuple[RankedTake, ...]
    scores: Mapping[str, TakeScores]
    records: Mapping[str, TakeRecord]
    picks: Mapping[str, Pick]
    """Of its takes that a listener had a word on."""
    lacks: Mapping[str, int]
    """See `lacking`; `words` where a recogniser listened to others of its takes."""

    def best(self, num: int | None) -> tuple[RankedTake, ...]:
        """The first so many less those that a listener rejects, all takes where no number is said."""
        return self.takes if num is None else tuple(one for one in self.takes if one.name not in self.rejected)[:num]

    @property
    def rejected(self) -> tuple[str, ...]:
        """The takes that a listener rejects as they are now, in their order."""
        found = ((name, pick) for name, pick in self.picks.items() if name in self.records)
        rejected = {name for name, pick in found if pick.rejects(self.records[name].key)}
        return tuple(one.name for one in self.takes if one.name in rejected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """What was asked about."""

    songs: tuple[SongRanking, ...]
    weights: Mapping[str, float]
    num_pairs: int | None = None
    """Of votes that the weights were learned from; None where nobody asked for it."""
    faults: tuple[Diagnostic, ...] = ()
    """Errors of specs that were meant, too."""


def ranking(named: Sequence[str], outputs: Path | None, *, learns: bool = False) -> Ranking:
    """The finished takes of these songs in order, of all songs where none is named.

    `learns` takes the weights from all votes on takes of the project.

    Raises: UsageError for a name that no song bears, and where votes say nothing to learn from, SpecError where no
    spec that is meant is without errors.
    """
    selection = select(named, Options(outputs=outputs))
    songs, faults = selection.songs, tuple(one for one in selection.diagnostics if one.level is Level.ERROR)
    if faults and not songs:
        raise SpecError(faults)
    weights, num_pairs = {row.name: row.weight for row in SCORES}, None
    if learns:
        pairs = _pairs({song.name: song for song in (*songs_here(), *songs)}.values(), outputs)
        weights, num_pairs = learned_weights(pairs), len(pairs)
    model_of = planned_models(pick_settings(Options(device="cpu")))
    found = (_ranked(song, outputs, weights, model_of) for song in songs)
    ranked_songs = tuple(one for one in found if one.takes)
    return Ranking(songs=ranked_songs, weights=weights, num_pairs=num_pairs, faults=faults)


def keep_best(chosen: Ranking, best: int, outputs: Path | None) -> Iterator[tuple[str, Path]]:
    """Vote for the first takes of each song that nobody rejects: names, and the files that hold the votes.

    Raises: see `votes.vote_on`.
    """
    for song in chosen.songs:
        for take in song.best(best):
            record = song.records[take.name]
            yield take.name, vote_on(song.song, record, Vote.KEEP, note="", outputs=outputs)


def _ranked(
    song: Song, outputs: Path | None, weights: Mapping[str, float], model_of: Callable[[Variant], PlannedModel]
) -> SongRanking:
    store = Store(outputs or song.outputs, kinds=stored_kinds())
    records, scores = _scored(song, store)
    picks = {name: pick for name, pick in all_picks([song]).items() if name in records}
    takes = ranked(scores, weights)
    return SongRanking(
        song=song,
        takes=takes,
        scores=scores,
        records=records,
        picks=picks,
        lacks=lacking(song, scores, model_of) | _without_words(takes, records, store),
    )


def _without_words(takes: Sequence[RankedTake], records: Mapping[str, TakeRecord], store: Store) -> dict[str, int]:
    """How many takes that sing are compared by no recogniser's words, where others of the song are."""
    unheard = [records[one.name] for one in takes if not any(reason.name == "words" for reason in one.reasons)]
    singing = [] if len(unheard) == len(takes) else [one for one in unheard if lyric_lines(one, store)]
    return {"words": len(singing)} if singing else {}


def _scored(song: Song, store: Store) -> tuple[dict[str, TakeRecord], dict[str, TakeScores]]:
    """The song's takes that can be heard, by their names, and what is known of each."""
    with store.remembering():
        records = dict(_records(song, store))
        return records, {name: take_scores(record, store) for name, record in records.items()}


def _records(song: Song, store: Store) -> Iterator[tuple[str, TakeRecord]]:
    """The song's takes that can be heard, previews apart."""
    for name in sorted(store.take_names(), key=in_numbers):
        if _is_of(name, song) and not preview_named(name) and (record := current_version(store, name)):
            yield name, record


def _pairs(songs: Iterable[Song], outputs: Path | None) -> list[tuple[Mapping[str, float], Mapping[str, float]]]:
    """Each kept take beside each rejected one of its song.

    Raises: UsageError where there are none.
    """
    found: list[tuple[Mapping[str, float], Mapping[str, float]]] = []
    for song in songs:
        if not (picks := {name: pick for name, pick in all_picks([song]).items() if _is_of(name, song)}):
            continue
        records, scores = _scored(song, Store(outputs or song.outputs, kinds=stored_kinds()))
        standards = standardised(scores)
        # A vote on another version says nothing of this one's scores.
        voted = {name: one.vote for name, one in picks.items() if name in records and one.is_on(records[name].key)}
        by_vote = {vote: [standards[name] for name, own in voted.items() if own is vote] for vote in Vote}
        found += product(by_vote[Vote.KEEP], by_vote[Vote.REJECT])
    if not found:
        raise UsageError(
            "there are no votes to learn from",
            why="no song has both a take that you keep and one that you reject, as they are now",
            help="vote with `renderer keep TAKE` and `renderer keep --reject TAKE`, or on the page",
        )
    return found


def _is_of(name: str, song: Song) -> bool:
    return name.partition(".")[0] == song.name
