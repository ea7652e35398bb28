"""`renderer`'s public names -> the page of the library: what is called, with what, and what comes back."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import renderer
from docs.reference.commands import contexts
from docs.reference.docstrings import strings_below, summary
from docs.reference.markdown import WRITTEN, code, table
from renderer import errors
from renderer.pipeline.options import Options
from renderer.pipeline.summary import Summary
from renderer.plan.jobs import Plan, TakePlan
from renderer.run import events
from renderer.song import Song, Take
from renderer.spec.load import Loaded

if TYPE_CHECKING:
    from collections.abc import Iterator

_VALUES = (Loaded, Song, Take, Plan, TakePlan, Summary)
_HEAD = """\
# From Python

What the command line does, a program can do: import `renderer`, which is quick and loads no torch.

```python
import renderer

songs = renderer.load_songs(["specs"]).require()
print(renderer.make_plan(songs, model="mini", preview=20).loads())
summary = renderer.render(songs, model="mini", preview=20)
```

Values are frozen dataclasses. What isn't on this page may change without a word.

"""


def library_page() -> str:
    """Functions, options, values, events, errors."""
    names = [name for name in renderer.__all__ if not name.startswith("__")]
    return (
        WRITTEN
        + _HEAD
        + "\n".join(_function(name) for name in sorted(names))
        + "\n## Options\n\nKeywords of `make_plan` and `render`, each as the command line's.\n\n"
        + _options()
        + "".join(f"\n## {one.__name__}\n\n{summary(one)}\n\n{_members(one)}" for one in _VALUES)
        + "\n## Events\n\nWhat `listen` is called with while a run goes on.\n\n"
        + table(["event", "says"], ([f"`{one.__name__}`", _first_line(one)] for one in _events()))
        + "\n## Errors\n\nAll are `renderer.errors.RendererError`, with `message`, `why` and `help`.\n\n"
        + table(["error", "says"], ([f"`{one.__name__}`", _first_line(one)] for one in _errors()))
    )


def _function(name: str) -> str:
    function = getattr(renderer, name)
    own = [
        param
        for param in inspect.signature(function).parameters.values()
        if param.name not in {one.name for one in fields(Options)} or name == "load_songs"
    ]
    options = "" if name == "load_songs" else ", **options"
    return f"## {name}\n\n```python\nrenderer.{name}({_parameters(own)}{options})\n```\n\n{summary(function)}\n"


def _parameters(own: list[inspect.Parameter]) -> str:
    """The parameters as they are written; annotations that are only text come in quotes."""
    return re.sub(r": '([^']*)'", r": \1", str(inspect.Signature(own))[1:-1])


def _options() -> str:
    context = next(one for one in contexts() if one.info_name == "render")
    on_the_command_line = {str(param.name): getattr(param, "help", "") or "" for param in context.command.params}
    told = {**on_the_command_line, **strings_below(Options)}
    rows = ([code(one.name), code(one.default), told.get(one.name, "").replace("\n", " ")] for one in fields(Options))
    return table(["option", "left out", "says"], rows)


def _members(value: type) -> str:
    told = strings_below(value)
    own = [[code(one.name), code(one.type), told.get(one.name, "").replace("\n", " ")] for one in fields(value)]
    return table(["member", "type", "says"], [*own, *_properties(value)])


def _properties(value: type) -> Iterator[list[str]]:
    """Properties and methods."""
    for name, member in vars(value).items():
        if name.startswith("_"):
            continue
        function: Any = member.fget if isinstance(member, property) else member
        if inspect.isfunction(function):
            shown = name if isinstance(member, property) else f"{name}()"
            returns = function.__annotations__.get("return", "")
            yield [code(shown), code(returns), _first_line(function)]


def _events() -> list[type]:
    return [one for one in vars(events).values() if inspect.isclass(one) and one.__module__ == events.__name__]


def _errors() -> list[type]:
    return [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, errors.RendererError)]


def _first_line(documented: Any) -> str:
    return summary(documented).partition("\n")[0]
