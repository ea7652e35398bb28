"""What click refuses of a command line, told as every other error is: what, why, and what to do."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.errors import UsageError
from renderer.files import lies_there
from renderer.spec.near import path_suggestion, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

# As Python writes a text: in double quotes when it holds a single one; what stands in words (`it's`) opens nothing.
_QUOTED = re.compile(r"""(?<!\w)(?:'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")""")
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
            # By click's own words: of the program's own options it names no command to ask.
            wants = "takes no value" if "not take a value" in error.message else "wants a value"
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
    written = _written(error.message)
    if param is None or not written:
        return ""
    if isinstance(param.type, click.Path):
        return "" if lies_there(Path(written)) else path_suggestion(Path(written))
    return suggestion(written, map(str, param.type.choices)) if isinstance(param.type, click.Choice) else ""


def _written(message: str) -> str:
    """What was typed, as the first quotes hold it; empty where there are none."""
    quoted = _QUOTED.search(message)
    try:
        return str(ast.literal_eval(quoted[0])) if quoted else ""
    except (ValueError, SyntaxError):  # quotes that Python didn't write
        return ""


def _in_range(message: str, kind: click.ParamType[object]) -> str:
    """What a number has to be, in words; empty of other kinds, and where it may be as low as anybody likes."""
    if not isinstance(kind, click.IntRange | click.FloatRange) or kind.min is None:
        return ""
    number = "whole number" if isinstance(kind, click.IntRange) else "number"
    limits = f"above {kind.min:g}" if kind.min_open else f"from {kind.min:g} on"
    if kind.max is not None:
        limits += f" and {'below' if kind.max_open else 'up to'} {kind.max:g}"
        limits = limits if kind.min_open or kind.max_open else f"from {kind.min:g} to {kind.max:g}"
    return f"`{_written(message) or message.partition(' ')[0]}` is no {number} {limits}"


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
    text = _QUOTED.sub(lambda quoted: f"`{quoted[0][1:-1]}`", message.strip().rstrip("."))
    return text[:1].lower() + text[1:]


def _sentence(text: str) -> str:
    """The first sentence of an option's help."""
    first = text.partition(". ")[0].rstrip(".")
    return first[:1].lower() + first[1:]
