"""The specs' files on disk -> what changed in them, and the takes they mean now: answers to `step`'s effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.errors import RendererError
from renderer.files import real
from renderer.pipeline.select import select
from renderer.watch.effective_takes import effective_takes, faulty_files, songs_that_hear
from renderer.watch.events import FilesCompared, SpecsRead, SpecsUnreadable
from renderer.watch.plan_takes import plan_takes
from renderer.watch.spec_files import Differences, differences, read_spec_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from renderer.pipeline.options import Options
    from renderer.watch.effects import CompareFiles, ReadSpecs
    from renderer.watch.notices import Refusal
    from renderer.watch.spec_files import SpecFiles


def concerns(files: SpecFiles | None, path: Path) -> bool:
    """Whether a change at a resolved path may be one of the specs; before these were looked at, none is."""
    if files is None or ".git" in path.parts:
        return False
    if any(path.is_relative_to(outputs) for outputs in files.outputs):
        return False
    # Without an ending: most likely a folder, of which, once it is gone, nobody can say any more.
    return path.suffix in {".toml", ""} or path in _by_resolved(files) or path.is_dir()


def compare_files(effect: CompareFiles, paths: Sequence[Path]) -> FilesCompared:
    """What the specs at `paths` are made of now, against what it was."""
    files = read_spec_files(paths)
    changes = Differences() if effect.before is None else differences(effect.before, files)
    changed = {*changes.changed, *changes.added}
    return FilesCompared(
        files=files,
        differences=changes,
        unchanged=tuple(
            path for resolved, path in _by_resolved(files).items() if resolved in effect.touched and path not in changed
        ),
    )


def read_specs(effect: ReadSpecs, named: Sequence[str], options: Options) -> SpecsRead | SpecsUnreadable:
    """What the `named` specs mean now, and what is wrong with them."""
    try:
        selection = select(named, options)
    except RendererError as error:
        return SpecsUnreadable(error=error)
    refusals: list[Refusal] = []
    meant = effective_takes(effect.takes, selection)
    left_out = tuple(take for take in meant if options.preview is not None and take.variant.edit)
    with_preview = tuple(take for take in meant if options.preview is None or not take.variant.edit)
    planned = plan_takes(with_preview, options, refusals.append)
    takes = tuple(take for _, plan in planned for take in plan.takes)
    running = takes
    if effect.run_options not in (None, options):
        in_run = plan_takes([take.take for take in takes], effect.run_options)
        running = tuple(take for _, plan in in_run for take in plan.takes)
    fixed = faulty_files(effect.diagnostics) - faulty_files(selection.diagnostics)
    return SpecsRead(
        takes=takes,
        without_preview=left_out,
        diagnostics=selection.diagnostics,
        fixed=tuple(file for file in fixed if file.exists()),
        refusals=tuple(refusals),
        other_sounds=songs_that_hear(effect.saved, [take.take for take in takes]),
        run_keys=frozenset(key for take in running for key in take.keys.values()),
    )


def _by_resolved(files: SpecFiles) -> dict[Path, Path]:
    """Resolved path -> path as spelt, of every file."""
    return {real(path): path for path in files.digests}
