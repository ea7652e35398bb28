"""Options that several commands share, and how they become `Options`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from renderer.cli.completion import model_names, songs_and_takes
from renderer.run.executor import DEFAULT, EXECUTORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from renderer.pipeline.options import Options
    from renderer.plan.shards import Shard


class Seeds(click.ParamType[tuple[int, ...]]):
    """`7`, `1,5,9` or `1..16`."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The seeds in the order written."""
        del param, ctx
        if isinstance(value, tuple):
            return value
        from renderer.spec.seeds import seeds_in

        return seeds_in(value)


class TakesFolder(click.Path):
    """A folder that takes lie in: a misspelt one, where none do, is refused."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Its path."""
        from renderer.errors import UsageError
        from renderer.files import is_folder
        from renderer.spec.near import path_suggestion

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not is_folder(path):
            near = path_suggestion(path)
            raise UsageError(f"there is no folder `{path}`", help=near or "name the one that was rendered into")
        return path


takes_folder_option = click.option(
    "--out", "outputs", type=TakesFolder(), metavar="FOLDER", help="Where the takes lie."
)
"""Of the commands that read takes alone."""


_TAKES: Mapping[str, Mapping[str, Any]] = {
    "model": {
        "metavar": "NAME",
        "shell_complete": model_names,
        "help": "Render with this model set instead, its LM and VAE unless named.",
    },
    "lm": {"metavar": "NAME", "shell_complete": model_names, "help": "Use this LM instead."},
    "lm-quantization": {
        "type": click.Choice(["none", "8bit"]),
        "metavar": "none|8bit",
        "help": "What the LM's weights are held in; 8bit on --device mlx alone.",
    },
    "vae": {
        "metavar": "NAME",
        "shell_complete": model_names,
        "help": "Decode with this VAE instead: official, scragvae or a folder.",
    },
    "device": {
        "metavar": "auto|cpu|mps|mlx|cuda[:N,…]",
        "help": "Where: auto and cuda take every GPU, cuda:0 one, cuda:0,2 some; by default auto.",
    },
    "mixed": {"is_flag": True, "help": "Take unequal GPUs too: last bits may depend on which made a take."},
    "workers": {
        "type": click.IntRange(min=1),
        "metavar": "N",
        "help": "Processes that compute side by side on a CPU, sharing its cores; by default one.",
    },
    "dtype": {
        "default": "auto",
        "show_default": True,
        "metavar": "auto|float32|bfloat16|float16",
        "help": "What to compute in.",
    },
    "out": {
        "type": click.Path(path_type=Path),
        "metavar": "FOLDER",
        "help": "The outputs folder, instead of the project's own.",
    },
    "seeds": {"type": Seeds(), "metavar": "SEEDS", "help": "Instead of the specs' own: 7 or 1,5,9 or 1..16."},
    "first-seed": {"is_flag": True, "help": "Only the first seed of each song."},
    "preview": {
        "type": click.FloatRange(min=1),
        "metavar": "SECONDS",
        "help": "Only the beginnings, under names of their own.",
    },
    "lm-slots": {
        "type": click.IntRange(min=1),
        "metavar": "N",
        "help": "Songs the LM decodes at once; part of the key.",
    },
    "vae-tile": {
        "type": click.IntRange(min=1),
        "metavar": "N",
        "help": "Latent frames the VAE decodes at once; in the key.",
    },
    "vae-overlap": {
        "type": click.IntRange(min=0),
        "metavar": "N",
        "help": "Frames of a tile that only give context.",
    },
    "threads": {
        "type": click.IntRange(min=1),
        "metavar": "N",
        "help": "Processor threads; by default one a core.",
    },
}
"""Name -> what click is told of it."""


def takes_options(*unused: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The arguments and options of a command that speaks of takes.

    What is `unused` there stands not in its help and changes nothing, but is taken: so a render's options can be given
    again as they are.
    """

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, told in reversed(tuple(_TAKES.items())):
            own_name = ("outputs",) if name == "out" else ()
            command = click.option(f"--{name}", *own_name, hidden=name in unused, **told)(command)
        taken = click.argument("named", nargs=-1, metavar="[PATH|SONG|TAKE]...", shell_complete=songs_and_takes)
        return taken(command)

    return with_options


_OF_A_MACHINE = (
    "model",
    "lm",
    "lm-quantization",
    "vae",
    "device",
    "dtype",
    "lm-slots",
    "vae-tile",
    "vae-overlap",
    "threads",
)


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those of them that tell how a machine computes, whatever the take."""
    for name in reversed(_OF_A_MACHINE):
        command = click.option(f"--{name}", **_TAKES[name])(command)
    return command


cluster_option = click.option(
    "--cluster",
    metavar="auto|ADDRESS",
    help="Render on a Ray cluster that runs: every GPU of every node. Needs `renderer[ray]`.",
)


def beside_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--timestamps` and `--plan-scores`, of the commands that render or tell what a render would do."""
    for option in reversed(_BESIDE):
        command = option(command)
    return command


asr_option = click.option(
    "--asr",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    envvar="RENDERER_ASR",
    show_envvar=True,
    help="Compare what is sung with the lyrics, too, by the Whisper in FOLDER. Needs `renderer[asr]`.",
)
"""Of the commands that measure."""

page_to_option = click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write the page there, with links to the takes, in place of outputs/report: for outputs nobody may write to.",
)
"""Of the commands whose page lies in the outputs folder."""

_BESIDE = (
    click.option(
        "--timestamps",
        is_flag=True,
        help="Tell when lyrics are sung, also beside takes that are done without.",
    ),
    click.option(
        "--plan-scores",
        is_flag=True,
        help="Have the LM score every plan (see `renderer pick`), also of takes that are done without.",
    ),
)


executor_option = click.option(
    "--executor",
    default=DEFAULT,
    show_default=True,
    metavar="|".join(EXECUTORS),
    hidden=len(EXECUTORS) == 1,
    help=f"What carries it out: {'; '.join(f'{row.name}, {row.label}' for row in EXECUTORS.values())}.",
)
"""Of the commands that render; there is nothing to choose from a single row."""


def make_options(*, measure: bool = True, **flags: Any) -> Options:
    """The options as the pipeline takes them; `measure` is whether the command measures anything.

    Raises: UsageError for what can't be, ModelError for a folder that holds no recogniser.
    """
    from renderer.pipeline.options import Options

    if flags.get("asr"):
        flags["asr"] = _recogniser(flags["asr"], measure=measure)
    if flags.get("outputs"):
        flags["outputs"] = flags["outputs"].resolve()
    flags["refresh_environment"] = flags.pop("refresh", None) == "environment"
    return Options(**flags)


def _recogniser(folder: Path, *, measure: bool) -> Path | None:
    """The folder, looked at before anything is rendered; None where nothing is measured and the shell named it."""
    from renderer.errors import UsageError
    from renderer.files import from_home
    from renderer.takes.recogniser import recogniser_in

    if measure:
        return recogniser_in(from_home(str(folder))).folder
    if click.get_current_context().get_parameter_source("asr") is ParameterSource.ENVIRONMENT:
        return None
    raise UsageError("--asr has no effect", why="nothing is measured with --no-measure or --to", help="leave one out")


class ShardParam(click.ParamType["Shard"]):
    """`2/8`: the second of eight."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        """The shard."""
        del param, ctx
        from renderer.plan.shards import Shard, shard_in

        return value if isinstance(value, Shard) else shard_in(value)


class Clock(click.ParamType["datetime"]):
    """`07:00`: the next time a clock on the wall says so."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """That moment, with its zone."""
        del param, ctx
        from datetime import datetime, timedelta

        from renderer.errors import UsageError

        if isinstance(value, datetime):
            return value
        now = datetime.now().astimezone()
        try:
            time = datetime.strptime(value, "%H:%M")  # noqa: DTZ007 - a wall clock's time
        except ValueError as error:
            raise UsageError(f"`{value}` is no time of day", help="write it like 07:00") from error
        then = now.replace(hour=time.hour, minute=time.minute, second=0, microsecond=0)
        return then if then > now else then + timedelta(days=1)
