"""Notices as text, one line each; what comes from a user is made safe for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import RendererError, SpecError
from renderer.folders import STORE_FOLDER, WATCH_LOG
from renderer.plan.jobs import Why
from renderer.plurals import counted
from renderer.spec.diagnostics import place, printable
from renderer.watch.notices import (
    Answer,
    FilesSaved,
    Idle,
    JobAbandoned,
    PageWritten,
    Refusal,
    RenderStarted,
    SpecsLoaded,
    WatchStarted,
    WorkerDropped,
)
from renderer.watch.on_commands import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from renderer.plan.jobs import TakePlan
    from renderer.run.events import TakeFailed
    from renderer.watch.notices import Notice

KEYS_LINE = " · ".join(f"{name} {key.label}" for name, key in KEYS.items())


def notice_lines(notice: Notice) -> Iterator[str]:  # noqa: C901 - one case a notice
    """The lines for a watch's own notice; none for a run's event."""
    match notice:
        case WatchStarted():
            yield f"watching {_watched(notice)}"
            if notice.reads_keys:
                yield f"keys: {KEYS_LINE}"
        case FilesSaved():
            yield from _saved(notice)
        case Refusal():
            where = f"{printable(notice.song)}: " if notice.song else ""
            yield f"refused {where}{error_line(notice.error)}"
        case SpecsLoaded() if notice.num_without_preview:
            yield f"{counted(notice.num_without_preview, 'edit')} left out of previews: rendered in full length only"
        case RenderStarted():
            yield from reasons(notice.takes)
        case JobAbandoned(job=job):
            why = "edited meanwhile" if notice.is_stale else "something edited goes first"
            yield f"abandoned {takes_label(job.takes)} in {job.stage}: {why}"
        case PageWritten():
            yield f"report: {address_text(notice.address)}{_since(notice.since_save_seconds)}"
        case WorkerDropped():
            yield f"models dropped after {_while(notice.idle_seconds)} without a render"
        case Answer():
            yield printable(notice.text)
        case Idle():
            yield f"waiting for changes: {_counts(notice)}"


def reasons(takes: Iterable[TakePlan]) -> Iterator[str]:
    """`night-bus (2 takes): shift 3.0 → 2.0 in [inference]; latents → waveform`: takes of equal fate in one line."""
    alike: dict[tuple[str, str], list[str]] = {}
    for take in takes:
        alike.setdefault((take.take.song.name, _fate(take)), []).append(take.name)
    for (song, fate), names in alike.items():
        who = names[0] if len(names) == 1 else f"{song} ({len(names)} takes)"
        yield f"{printable(who)}: {printable(fate)}"


def error_line(error: RendererError) -> str:
    """Message, reason and advice in one line; of specs with faults, those of the first with its place."""
    if isinstance(error, SpecError):
        first, *more = error.diagnostics
        line = f"{place(first)}: {error_line(RendererError(first.message, why=first.why, help=first.help))}"
        return f"{line} (and {len(more)} more)" if more else line
    why = f" ({printable(error.why)})" if error.why else ""
    return f"{printable(error.message)}{why}" + (f"; {printable(error.help)}" if error.help else "")


def log_text(event: TakeFailed) -> str:
    """Where the words of the worker are that failed."""
    return path_text(event.take.take.song.outputs / STORE_FOLDER / WATCH_LOG)


def takes_label(takes: tuple[str, ...]) -> str:
    """The first of them, and how many more."""
    return printable(takes[0]) + (f" +{len(takes) - 1}" if len(takes) > 1 else "")


def address_text(address: str) -> str:
    """An address as it is, a path as short as it can be said."""
    return printable(address) if "://" in address else path_text(Path(address))


def path_text(path: Path) -> str:
    """The path as short as it can be said from here."""
    here = Path.cwd()
    return printable(str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path))


def _watched(notice: WatchStarted) -> str:
    """`specs`; `night-bus in specs`; `songs/one.toml, night-bus in specs`."""
    paths = [path_text(path) for path in notice.paths]
    if not notice.names:
        return ", ".join(paths)
    return f"{', '.join((*paths[:-1], *map(printable, notice.names)))} in {paths[-1]}"


def _fate(take: TakePlan) -> str:
    if take.why is Why.RESTORED:
        return "as it was before: comes back from old/"
    if take.why is Why.TAGS:
        return f"{', '.join(change.text_with_place for change in take.changes)}; only its tags are written anew"
    changes = ", ".join(change.text_with_place for change in take.changes)
    cause = changes if changes and take.why is Why.CHANGED else str(take.why)
    return f"{cause}; {take.runs_text}"


def _saved(notice: FilesSaved) -> Iterator[str]:
    kinds = (
        ("changed", notice.differences.changed),
        ("new", notice.differences.added),
        ("gone", notice.differences.gone),
        ("saved without a change", notice.unchanged),
    )
    for kind, paths in kinds:
        if paths:
            names = sorted(path_text(path) for path in paths)
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            yield f"{kind}: {', '.join(names[:_MOST_NAMED])}{more}"


def _while(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.0f} min"


def _since(seconds: float | None) -> str:
    return "" if seconds is None else f" ({seconds:.1f} s after the save)"


def _counts(notice: Idle) -> str:
    parts = (
        (notice.num_rendered, "rendered"),
        (notice.num_failed, "failed"),
        (notice.num_faulty, "file with errors" if notice.num_faulty == 1 else "files with errors"),
    )
    return ", ".join(f"{number} {word}" for number, word in parts if number) or "nothing to render"


_MOST_NAMED = 5
_MINUTE = 60.0
