"""The specs as last read: their files, the takes they mean, what is wrong with them; and what a new look changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import RendererError
from renderer.files import real
from renderer.pipeline.select import select, spec_paths
from renderer.spec.diagnostics import Level
from renderer.watch.events import Looked, Refused, Saved
from renderer.watch.sources import Sources, differences, read_sources
from renderer.watch.wishes import edited_songs, faulty_files, meant_now, plans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from renderer.pipeline.options import Options
    from renderer.spec.diagnostics import Diagnostic
    from renderer.watch.events import WatchEvent
    from renderer.watch.wishes import Takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What another look at the specs brought."""

    edited: frozenset[str]
    """Songs of which some take is another than before."""
    is_other: bool
    """Whether the takes are others than before: edited, new, or some gone."""


NOTHING_NEW = Look(edited=frozenset(), is_other=False)


class Specs:
    """What the named specs say, kept from one look to the next."""

    def __init__(self, named: Sequence[str], options: Options, tell: Callable[[WatchEvent], None]) -> None:
        self._named = tuple(named)
        self._options = options
        self._tell = tell
        self._diagnostics: tuple[Diagnostic, ...] = ()
        self.paths = spec_paths(self._named)
        self.sources: Sources | None = None
        """None before the first look."""
        self.takes: Takes = ()
        """Those that can be planned; of broken specs the last good ones."""

    @property
    def faulty(self) -> frozenset[Path]:
        """The files with errors."""
        return frozenset(one.file for one in self._diagnostics if one.level is Level.ERROR and one.file)

    def matters(self, path: Path) -> bool:
        """Whether a change at a resolved path may be one of the specs."""
        if self.sources is None or ".git" in path.parts:
            return False
        if any(path.is_relative_to(outputs) for outputs in self.sources.outputs):
            return False
        # Without an ending: most likely a folder, of which, once it is gone, nobody can say any more.
        return path.suffix in {".toml", ""} or path in self._by_resolved() or path.is_dir()

    def look(self, noticed: set[Path]) -> Look:
        """Read the files again if their content is another; `noticed` are the (resolved) paths touched meanwhile."""
        before, self.sources = self.sources, read_sources(self.paths)
        if before is None:
            return self._read()
        found = differences(before, self.sources)
        changed = {*found.changed, *found.added}
        same = tuple(p for real, p in self._by_resolved().items() if real in noticed and p not in changed)
        if found or same:
            self._tell(Saved(differences=found, unchanged=same))
        return self._read() if found else NOTHING_NEW

    def _by_resolved(self) -> dict[Path, Path]:
        """Resolved path -> path as spelt, of every file."""
        return {real(path): path for path in self.sources.digests} if self.sources else {}

    def _read(self) -> Look:
        try:
            selection = select(self._named, self._options)
        except RendererError as error:
            self._tell(Refused(song=None, error=error))
            return NOTHING_NEW
        before, meant = self.takes, meant_now(self.takes, selection)
        planned = plans(meant, self._options, self._tell)
        self.takes = tuple(take for project, _ in planned for take in project.takes)
        new = tuple(one for one in selection.diagnostics if one not in self._diagnostics)
        fixed = tuple(file for file in self.faulty - faulty_files(selection) if file.exists())
        self._diagnostics = selection.diagnostics
        self._tell(
            Looked(
                takes=tuple(take for _, plan in planned for take in plan.takes),
                diagnostics=selection.diagnostics,
                new_diagnostics=new,
                fixed=fixed,
            )
        )
        return Look(edited=edited_songs(before, self.takes), is_other=set(before) != set(self.takes))
