"""Running the table of lints over a song, or over a project's defaults."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Diagnostic, Level
from renderer.spec.findings import diagnostic
from renderer.spec.lints.table import SETTINGS_LINTS, SONG_LINTS, TEXT_LINTS
from renderer.spec.lints.texts import texts_of_song

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from renderer.spec.build import CheckedSpec
    from renderer.spec.lints.subject import Layer, Subject
    from renderer.spec.lints.texts import Text
    from renderer.spec.source import Source

MAX_FINDINGS = 10  # of one lint in one song: who mends these sees the next


def lint_song(subject: Subject, *, allowed: Collection[str]) -> Iterator[Diagnostic]:
    """What the lints find in a song, less what is `allowed`; errors can't be allowed."""
    draft = subject.draft
    source = draft.parsed.source
    yield from lint_texts(tuple(texts_of_song(subject)), source, draft=draft)
    for lint in SONG_LINTS:
        if lint.level is Level.ERROR or lint.code not in allowed:
            for found in islice(lint.check(subject), MAX_FINDINGS):
                yield diagnostic(found, code=lint.code, level=lint.level, source=source, draft=draft)
    yield from lint_settings(subject.layers, source, allowed=allowed)


def lint_texts(texts: Sequence[Text], source: Source, *, draft: CheckedSpec | None) -> Iterator[Diagnostic]:
    """What the lints find in texts; `draft` is needed where lyrics are among them. They are errors, never allowed."""
    for lint in TEXT_LINTS:
        for found in islice(chain.from_iterable(lint.check(text) for text in texts), MAX_FINDINGS):
            yield diagnostic(found, code=lint.code, level=lint.level, source=source, draft=draft)


def lint_settings(layers: Iterable[Layer], source: Source, *, allowed: Collection[str]) -> Iterator[Diagnostic]:
    """What the lints find in settings, each at the place that writes them."""
    for layer in layers:
        if not layer.written:
            continue
        for lint in SETTINGS_LINTS:
            for found in lint.check(layer):
                if lint.code not in allowed:
                    yield diagnostic(found, code=lint.code, level=lint.level, source=source, draft=None)
