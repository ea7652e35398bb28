"""Diagnostics as GitHub and GitLab show them: beside the line of the change that they are about."""

from __future__ import annotations

import os
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.cli.streams import safe
from renderer.files import real
from renderer.spec.diagnostics import Diagnostic, Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CHECKOUT = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Where GitHub and GitLab tell a job its checkout's root."""
_SEVERITIES: Mapping[Level, str] = {Level.ERROR: "major", Level.WARNING: "minor", Level.NOTE: "info"}


def github_line(diagnostic: Diagnostic) -> str:
    """The diagnostic as a workflow command."""
    level = {Level.NOTE: "notice"}.get(diagnostic.level, str(diagnostic.level))
    span = diagnostic.span
    where = {
        "file": _file(diagnostic),
        "line": span.line if span else 1,
        "col": span.column if span else 1,
        "endColumn": span.end - 1 if span else 1,
        "title": diagnostic.code,
    }
    properties = ",".join(f"{key}={_github_value(str(value))}" for key, value in where.items())
    return f"::{level} {properties}::{_github_text(_words(diagnostic))}"


def gitlab_document(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """The diagnostics as a report of GitLab's Code Quality."""
    seen: Counter[tuple[str, ...]] = Counter()
    rows: list[dict[str, object]] = []
    for diagnostic in diagnostics:
        named = (diagnostic.code, _file(diagnostic), diagnostic.message)
        seen[named] += 1
        rows.append(
            {
                "description": _words(diagnostic),
                "check_name": diagnostic.code,
                # The same wherever the line has moved to, so that GitLab tells what is new of a merge request.
                "fingerprint": sha256(repr((*named, seen[named])).encode()).hexdigest(),
                "severity": _SEVERITIES[diagnostic.level],
                "location": {"path": named[1], "lines": {"begin": diagnostic.span.line if diagnostic.span else 1}},
            }
        )
    return rows


def _words(diagnostic: Diagnostic) -> str:
    return safe("; ".join(filter(None, (diagnostic.message, diagnostic.why, diagnostic.help))))


def _file(diagnostic: Diagnostic) -> str:
    return "" if diagnostic.file is None else safe(_in_checkout(diagnostic.file))


def _in_checkout(file: Path) -> str:
    """From the checkout's root, whatever folder of it we were started in: there the services look for it."""
    whole = real(file.parent) / file.name
    roots = (real(Path(root)) for name in CHECKOUT if (root := os.environ.get(name)))
    return next((whole.relative_to(root).as_posix() for root in roots if whole.is_relative_to(root)), str(file))


def _github_text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_value(text: str) -> str:
    return _github_text(text).replace(":", "%3A").replace(",", "%2C")
