"""What click refuses of a command line, told as every other error is: what, why, and what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.errors import UsageError
from renderer.spec.near import path_suggestion, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUOTED = re.compile(r"'([^'\n]*)'")
_EXTRA = re.compile(r"got unexpected extra arguments? \((.*)\)", re.IGNORECASE)


def as_usage_error(error: click.UsageError) -> UsageError:
    """The same in our words; what is known of the option or argument stands in its `why`."""
    match error:
        case click.MissingParameter(param=param) if param is not None:
            return _report(error, f"{_name(param)} is missing", param)
        case click.BadParameter(param=param) if param is not None:
            return _report(
                error, f"{_name(param)}: {_in_range(error.message, param.type) or _words(error.message)}", param
            )
        case click.NoSuchOption(option_name=option):
            shown = (one for one in _options(error) if not one.hidden)
            near = suggestion(option, [name for one in shown for name in (*one.opts, *one.secondary_opts)])
            return UsageError(f"there is no option `{option}`", help=near or _usage(error))
        case click.BadOptionUsage(option_name=option):
            param = next((one for one in _options(error) if option in (*one.opts, *one.secondary_opts)), None)
            wants = "takes no value" if param is not None and param.is_flag else "wants a value"
            return _report(error, f"`{option}` {wants}", param)
        case _:
            extra = _EXTRA.search(error.message)
            words = f"`{extra[1]}` is more than it takes" if extra else _words(error.message)
            return UsageError(words, help=_usage(error))


def _report(error: click.UsageError, message: str, param: click.Parameter | None) -> UsageError:
    why = param.help if isinstance(param, click.Option) and param.help else ""
    return UsageError(message, why=_sentence(why), help=_near_value(error, param) or _usage(error, param))


def _options(error: click.UsageError) -> Iterator[click.Option]:
    """Those that the command takes, of which its help may hide some."""
    params = error.ctx.command.get_params(error.ctx) if error.ctx else ()
    return (one for one in params if isinstance(one, click.Option))


def _name(param: click.Parameter) -> str:
    """As it is typed: `--to`, or the argument's word in the usage."""
    return f"`{max(param.opts, key=len) if isinstance(param, click.Option) else param.human_readable_name}`"


def _near_value(error: click.UsageError, param: click.Parameter | None) -> str:
    """Which of the choices, or what on disk, was meant."""
    written = _QUOTED.search(error.message)
    if param is None or written is None:
        return ""
    if isinstance(param.type, click.Path):
        return "" if Path(written[1]).exists() else path_suggestion(Path(written[1]))
    return suggestion(written[1], map(str, param.type.choices)) if isinstance(param.type, click.Choice) else ""


def _in_range(message: str, kind: click.ParamType[object]) -> str:
    """What a number has to be, in words; empty of other kinds."""
    if not isinstance(kind, click.IntRange | click.FloatRange):
        return ""
    written = _QUOTED.search(message)
    number = "whole number" if isinstance(kind, click.IntRange) else "number"
    limits = f"above {kind.min or 0:g}" if kind.min_open else f"from {kind.min or 0:g} on"
    if kind.max is not None:
        limits = f"from {kind.min or 0:g} to {kind.max:g}"
    return f"`{written[1] if written else message.partition(' ')[0]}` is no {number} {limits}"


def _usage(error: click.UsageError, param: click.Parameter | None = None) -> str:
    """How the command is called, with the option in question."""
    context = error.ctx
    if context is None:
        return "renderer --help"
    command = context.command
    words = [context.command_path, *command.collect_usage_pieces(context)]
    if isinstance(param, click.Option):
        words += [max(param.opts, key=len), *([] if param.is_flag else [param.make_metavar(context)])]
    return f"{' '.join(words)}; {context.command_path} --help tells more"


def _words(message: str) -> str:
    """Click's sentence as a part of ours."""
    text = _QUOTED.sub(r"`\1`", message.strip().rstrip("."))
    return text[:1].lower() + text[1:]


def _sentence(text: str) -> str:
    """The first sentence of an option's help."""
    first = text.partition(". ")[0].rstrip(".")
    return first[:1].lower() + first[1:]
