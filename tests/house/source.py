"""The program's source as figures and house tests look at it: parsed once a module, never imported."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PRAGMAS = ("# noqa", "# type:", "# ruff:", "# fmt:", "# pragma")


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file below `renderer/`."""

    path: str
    """From the checkout's root, with forward slashes."""
    text: str
    tree: ast.Module


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where a name is made: a module, class, function, parameter, field or variable."""

    name: str
    """Without the underscores that make it private."""
    private: bool
    path: str
    line: int
    role: str
    """`module`, `class`, `function`, `parameter`, `field` or `local`."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.role} `{self.name}`"


def modules(checkout: Path) -> list[Module]:
    """Every module of the program in that checkout, sorted."""
    files = sorted((checkout / "renderer").rglob("*.py"))
    texts = ((path.relative_to(checkout).as_posix(), path.read_text("utf-8")) for path in files)
    return [Module(path=path, text=text, tree=ast.parse(text)) for path, text in texts]


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions and methods, also inner ones."""
    yield from (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def bindings(module: Module) -> Iterator[Binding]:
    """Every name the module makes, its own name first (a package's is its folder's)."""
    parts = module.path.removesuffix(".py").removesuffix("/__init__").split("/")
    for name, line, role in ((parts[-1], 1, "module"), *_names(module.tree, inside_function=False)):
        yield Binding(name=name.strip("_"), private=name.startswith("_"), path=module.path, line=line, role=role)


def _names(node: ast.AST, *, inside_function: bool) -> Iterator[tuple[str, int, str]]:
    match node:
        case ast.ClassDef():
            yield node.name, node.lineno, "class"
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name, node.lineno, "function"
        case ast.arg():
            yield node.arg, node.lineno, "parameter"
        case ast.Attribute(ctx=ast.Store()):
            yield node.attr, node.lineno, "field"
        case ast.Name(ctx=ast.Store()):
            yield node.id, node.lineno, "local" if inside_function else "field"
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    is_class = isinstance(node, ast.ClassDef)
    inner = is_function or (inside_function and not is_class)
    for child in ast.iter_child_nodes(node):
        yield from _names(child, inside_function=inner)


def comment_lines(module: Module) -> int:
    """Lines that are a comment for people, not for a tool."""
    lines = (line.strip() for line in module.text.splitlines())
    return sum(line.startswith("#") and not line.startswith(PRAGMAS) for line in lines)


def code_lines(module: Module) -> int:
    """Lines with code: neither blank nor comment nor docstring."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    lines: set[int] = set()
    for token in tokens:
        if token.type not in skipped:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - _docstring_lines(module.tree))


def _docstring_lines(tree: ast.Module) -> set[int]:
    """Of every string that stands alone: docstrings of modules, classes, functions, fields."""
    alone = (node for node in ast.walk(tree) if isinstance(node, ast.Expr) and _is_text(node.value))
    return {line for node in alone for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def stage_mentions(module: Module, names: Sequence[str]) -> Iterator[int]:
    """Lines that name a stage or part: as a text that is its name."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Constant(value=str(text)) if text in names:
                yield node.lineno
