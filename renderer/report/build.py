"""Store, journal and plan -> the report's value, and the page written from it. Renders nothing, waits for no render."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.files import real
from renderer.folders import REPORT_FOLDER
from renderer.report.last_run import last_run
from renderer.report.run_values import make_run
from renderer.report.song_values import UP, Surroundings, make_song
from renderer.report.spec_faults import spec_faults
from renderer.report.values import Report, ReportHead
from renderer.takes.edited import pair_of
from renderer.takes.measure import measurement_names, missing_libraries
from renderer.takes.measurements import measured_folder
from renderer.takes.votes import all_picks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from renderer.pipeline.project import Project
    from renderer.pipeline.whole import SongTakes, Whole
    from renderer.plan.jobs import TakePlan
    from renderer.report.values import ReportSong
    from renderer.spec.diagnostics import Diagnostic
    from renderer.store.store import Store

NOTES: Mapping[str, str] = {
    "mini": "Rendered with mini, the embedded sketch model: it shows how renderer works, not how ACE-Step sounds.",
}


def write_page(project: Project, folder: Path | None = None) -> Path:
    """The report of these takes' project, written anew, into its own folder or another; returns the page.

    Raises: StoreError, OSError when the outputs folder can't be written.
    """
    # jinja2 only when a page is written.
    from renderer.report.kept_pieces import KeptPiece, Measurements, kept_piece  # noqa: PLC0415
    from renderer.report.page import folds_lyrics, write_pieces  # noqa: PLC0415
    from renderer.report.piece_keys import keys_of  # noqa: PLC0415
    from renderer.report.pieces import song_piece  # noqa: PLC0415

    outputs = project.store.outputs
    up = UP if folder is None else Path(os.path.relpath(real(outputs), real(folder))).as_posix()
    whole = project.whole()
    around = _surroundings(project, whole, up)
    folded = folds_lyrics(len(whole.songs))
    keys, measurements = keys_of(whole, around, folds_lyrics=folded), Measurements(measured_folder(outputs))

    def kept(one: SongTakes) -> KeptPiece:
        def make() -> KeptPiece:
            with project.store.remembering():
                plans = whole.plans(one)
                song, weights = _song(whole, one, plans, around)
                names = tuple(_measurement_names(plans, project.store))
            piece = song_piece(song, folds_lyrics=folded)
            return KeptPiece(piece=piece, weights=weights, measured=names, seen=measurements.seen(names))

        return kept_piece(project.store, one.song.name, keys.key(one), measurements, make)

    found = [piece for piece in map(kept, whole.songs) if piece.piece.outcomes]
    weights = {name: digest for piece in found for name, digest in piece.weights.items()}
    remarks = [remark for one in found for remark in one.piece.remarks]
    head = _head(project, whole, around, weights=weights, remarks=remarks)
    return write_pieces(head, [one.piece for one in found], folder or outputs / REPORT_FOLDER)


def make_report(project: Project, up: str = UP, diagnostics: Sequence[Diagnostic] = ()) -> Report:
    """All that the page shows of the project of these takes, as they are on disk now.

    `up` leads from its folder to the outputs; `diagnostics` are what whoever reads specs found wrong with them.

    Raises: SpecError, ModelError for models of these takes that can't be and picks that can't be read.
    """
    whole, weights = project.whole(), dict[str, str]()
    around = _surroundings(project, whole, up)
    songs: list[ReportSong] = []
    for one in whole.songs:
        with project.store.remembering():
            song, more = _song(whole, one, whole.plans(one), around)
        songs += [song] if song.takes else []
        weights |= more if song.takes else {}
    remarks = [remark for song in songs for take in song.takes for remark in take.left_out]
    head = _head(project, whole, around, weights=weights, remarks=remarks, diagnostics=diagnostics)
    return Report(songs=tuple(songs), **{one.name: getattr(head, one.name) for one in fields(head)})


def _surroundings(project: Project, whole: Whole, up: str) -> Surroundings:
    asked = {take.name for one in whole.songs for take in one.asked}
    others = {take.name for one in whole.songs for take in one.others}
    given = frozenset(asked - others if project.options.seeds is not None else ())
    return Surroundings(store=project.store, run=last_run(project.store), up=up, not_in_specs=given)


def _song(
    whole: Whole, one: SongTakes, plans: Sequence[TakePlan], around: Surroundings
) -> tuple[ReportSong, dict[str, str]]:
    """A song with its takes, and the weights that those are made with."""
    weights: dict[str, str] = {}
    for plan in plans:
        weights |= _weights(plan)
    return make_song(one.song, plans, around, only_heard=_only_heard(whole, one)), weights


def _head(
    project: Project,
    whole: Whole,
    around: Surroundings,
    *,
    weights: Mapping[str, str],
    remarks: Iterable[str],
    diagnostics: Sequence[Diagnostic] = (),
) -> ReportHead:
    return ReportHead(
        run=make_run(project, weights, around.run),
        last_takes=tuple(sorted(around.run.takes)),
        picks=all_picks(one.song for one in whole.songs),
        notes=tuple(_notes(whole, remarks)),
        faults=spec_faults((*diagnostics, *whole.faults), project.store.outputs),
    )


def _only_heard(whole: Whole, one: SongTakes) -> frozenset[str]:
    """The takes that belong on the page only where there is something to hear of them.

    Beside a preview stands the whole take where there is one, and in a folder for one run what it was asked for.
    """
    asked, others = {take.name for take in one.asked}, {take.name for take in one.others}
    twins = asked & others if whole.asked.options.preview is not None else set()
    return frozenset(twins | (others - asked if whole.only_heard else set()) | {name for name, _ in one.previews})


def _weights(take: TakePlan) -> dict[str, str]:
    return {stage: request["weights"] for stage, request in take.requests.items() if "weights" in request}


def _notes(whole: Whole, remarks: Iterable[str]) -> Iterator[str]:
    models = {variant.model for one in whole.songs for variant in one.song.variants}
    yield from (NOTES[name] for name in sorted(models) if name in NOTES)
    yield from (f"{remark[0].upper()}{remark[1:]}." for remark in dict.fromkeys(remarks))
    if missing_libraries():
        yield "Tempo, key and loudness are not measured: `pip install 'renderer[measure]'` adds what it takes."


def _measurement_names(plans: Iterable[TakePlan], store: Store) -> Iterator[str]:
    for plan in plans:
        for version in store.versions(plan.name):
            yield from measurement_names(version.digest)
        if plan.take.source and (pair := pair_of(plan, store)) is not None:
            yield f"{pair.name}.json"
