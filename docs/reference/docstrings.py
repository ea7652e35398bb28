"""What a module or a class says of its names in the strings below them, which Python itself forgets."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def strings_below(documented: Any) -> Mapping[str, str]:
    """Name -> the string below its assignment, in a module or a class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(documented)))
    body = tree.body if inspect.ismodule(documented) else tree.body[0].body  # type: ignore[attr-defined]
    return dict(_pairs(body))


def _pairs(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for node, below in pairwise(body):
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            yield target.id, inspect.cleandoc(str(below.value.value))


def summary(documented: Any) -> str:
    """A docstring as one paragraph after the other."""
    return inspect.cleandoc(documented.__doc__ or "")
