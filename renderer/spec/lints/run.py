"""Running the table of lints over a song, or over a project's defaults."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Diagnostic, Level
from renderer.spec.findings import diagnostic
from renderer.spec.lints.table import SETTINGS_LINTS, SONG_LINTS, TEXT_LINTS
from renderer.spec.lints.texts import texts_of_song
from renderer.spec.variant_view import VariantSource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from renderer.spec.build import CheckedSpec
    from renderer.spec.lints.subject import Layer, Subject
    from renderer.spec.lints.table import SongLint
    from renderer.spec.lints.texts import Text
    from renderer.spec.source import Source

_OF_CONTENT = tuple(lint for lint in SONG_LINTS if not lint.of_all_variants)
MAX_FINDINGS = 10  # of one lint in one song: who mends these sees the next


def lint_song(subject: Subject, *, allowed: Collection[str]) -> Iterator[Diagnostic]:
    """What the lints find in a song, less what is `allowed`; errors can't be allowed."""
    of_song = list(_lint_content(subject, SONG_LINTS, allowed))
    yield from of_song
    for view in subject.views:
        yield from _own(_lint_content(view, _OF_CONTENT, allowed), view, of_song)
    yield from lint_settings(subject.layers, subject.draft.parsed.source, allowed=allowed)


def _lint_content(subject: Subject, lints: Iterable[SongLint], allowed: Collection[str]) -> Iterator[Diagnostic]:
    draft, source = subject.draft, subject.draft.parsed.source
    yield from lint_texts(tuple(texts_of_song(subject)), source, draft=draft, allowed=allowed)
    for lint in lints:
        if lint.level is Level.ERROR or lint.code not in allowed:
            for found in islice(lint.check(subject), MAX_FINDINGS):
                yield diagnostic(found, code=lint.code, level=lint.level, source=source, draft=draft)


def _own(of_variant: Iterable[Diagnostic], view: Subject, of_song: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """What was found in a variant and not in the song; where a key of the song's is meant, at the variant's table."""
    source = view.draft.parsed.source
    assert isinstance(source, VariantSource)  # noqa: S101 - what makes a view gives it one
    known = {(one.code, one.message) for one in of_song}
    for one in of_variant:
        if one in of_song:
            continue
        if one.file != source.path or (one.span and one.span.line in source.own_lines()):
            yield one
        elif (one.code, one.message) not in known:
            span = source.whole.key(source.table)
            yield replace(one, span=span, excerpt=source.line(span.line), edits=())


def lint_texts(
    texts: Sequence[Text], source: Source, *, draft: CheckedSpec | None, allowed: Collection[str]
) -> Iterator[Diagnostic]:
    """What the lints find in texts, as `lint_song`; `draft` is needed where lyrics are among them."""
    for lint in TEXT_LINTS:
        if lint.level is not Level.ERROR and lint.code in allowed:
            continue
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
