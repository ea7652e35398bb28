"""Benches and tests that seldom run import nothing of ours that has moved."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.models.family import family, stored
from renderer.run.messages import values
from renderer.spec.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def test_what_benches_and_tests_import_of_ours_is_there() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{line}: {module} has no `{name}`"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line, module, name in imported(path)
        if not has(module, name)
    ]

    assert not missing, "\n".join(missing)


def test_nobody_imports_a_family_but_by_its_row_and_no_folder_is_without_a_row() -> None:
    folders = {row.module.rpartition(".")[0] for row in FAMILIES.values()}
    intruders = [
        f"{path.relative_to(ROOT)}:{line}: imports {module}"
        for path in sorted((ROOT / "renderer").rglob("*.py"))
        for line, module, _ in imported(path)
        for folder in folders
        if f"{module}.".startswith(f"{folder}.") and not path.is_relative_to(ROOT.joinpath(*folder.split(".")))
    ]
    lying = {f"renderer.models.{one.parent.name}" for one in (ROOT / "renderer" / "models").glob("*/__init__.py")}

    assert not intruders, "\n".join(intruders)
    beside = {f"renderer.models.{name}" for name in ("bench", "catalog", "kernels", "probes")}
    assert lying - beside == folders


def test_no_two_built_in_families_store_results_under_one_name_or_send_values_of_one() -> None:
    names = [spec.name for name in FAMILIES for spec in stored(family(name))]

    assert len(names) == len(set(names))
    assert values()


def test_a_name_that_is_not_there_is_missed() -> None:
    assert has("renderer.song", "Song")
    assert has("renderer.spec", "load")
    assert not has("renderer.song", "Songs")
    assert not has("renderer.songs", "Song")


def imported(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, module and name of each import from the program or from `tests`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {"renderer", "tests"}:
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def has(module: str, name: str) -> bool:
    """Whether that module makes the name, imports it, or holds a module of it."""
    place = ROOT.joinpath(*module.split("."))
    if (place / f"{name}.py").is_file() or (place / name).is_dir():
        return True
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return source.is_file() and name in names(source)


@cache
def names(source: Path) -> set[str]:
    """What a module binds outside its functions and classes."""
    bound: set[str] = set()
    nodes: list[ast.AST] = list(ast.parse(source.read_text("utf-8")).body)
    while nodes:
        match nodes.pop():
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                bound.update(alias.asname or alias.name for alias in aliases)
            case ast.Name(id=name, ctx=ast.Store()):
                bound.add(name)
            case other:
                nodes.extend(ast.iter_child_nodes(other))
    return bound
