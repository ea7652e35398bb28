"""The library's face: plan and render songs as a program asks for them, with the command line's options as keywords."""

from __future__ import annotations

from dataclasses import fields
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Unpack

from renderer.pipeline.models import require_fit
from renderer.pipeline.options import OptionKeywords, Options
from renderer.pipeline.project import Project
from renderer.pipeline.rejected_sources import refuse_rejected
from renderer.pipeline.render import render as render_project
from renderer.pipeline.select import with_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.pipeline.summary import Summary
    from renderer.plan.jobs import Plan
    from renderer.run.events import RunEvent
    from renderer.song import Song


def make_plan(songs: Sequence[Song], **options: Unpack[OptionKeywords]) -> Plan:
    """What rendering these songs would run, and why; loads no weights.

    Raises: UsageError, SpecError, ModelError, ResourceError for what can't be.
    """
    project = _project(songs, Options(**options))
    plan = project.plan()
    require_fit(plan, project.model_of)
    return plan


def render(
    songs: Sequence[Song],
    *,
    listen: Callable[[RunEvent], None] | None = None,
    **options: Unpack[OptionKeywords],
) -> Summary:
    """Render what isn't on disk yet; failed takes are in the summary, the rest is done.

    Raises: UsageError, SpecError, ModelError, ResourceError before anything runs; StoreError when results can't be
    kept.
    """
    return render_project(_project(songs, Options(**options)), listen=listen or _hear_nothing)


def _show_options(function: Callable[..., object]) -> None:
    """Let `help` and editors show the options one by one, each with its default and what it does."""
    own = [one for one in signature(function).parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    keywords = [
        Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type) for one in fields(Options)
    ]
    function.__signature__ = Signature([*own, *keywords])  # type: ignore[attr-defined]


for _function in (make_plan, render):
    _show_options(_function)


def _project(songs: Sequence[Song], options: Options) -> Project:
    takes = [take for song in songs for take in with_options(song, options).takes()]
    project = Project(takes, options)
    refuse_rejected(project)
    return project


def _hear_nothing(event: RunEvent) -> None:
    del event
