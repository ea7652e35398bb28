"""The page's own files and its templates, read once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2

from renderer.plurals import counted
from renderer.report import formatting

SCRIPTS = (
    *("facts", "waves", "player", "sections", "lyrics", "families", "compare", "knockout", "votes", "filters", "keys"),
    *("folds", "live", "start"),
)


@cache
def part(name: str) -> str:
    """The text of a file beside this module."""
    return (files(__package__) / name).read_text("utf-8")


@cache
def script() -> str:
    """All of the page's script."""
    # One function's scope: nothing of ours becomes a property of `window`.
    return "\n".join(('"use strict";', "(() => {", *(part(f"script/{name}.js") for name in SCRIPTS), "})();"))


@cache
def template(name: str) -> jinja2.Template:
    """`song` -> the template `templates/song.html.jinja`."""
    return _environment().get_template(f"{name}.html.jinja")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: part(f"templates/{name}")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        *(
            formatting.clock,
            formatting.coded,
            formatting.decided,
            formatting.link,
            formatting.moment,
            formatting.signed,
        ),
        *(formatting.size, formatting.took, formatting.visible, formatting.whole, counted),
    )
    environment.filters |= {filter_.__name__: filter_ for filter_ in filters}
    return environment
