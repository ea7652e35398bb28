"""A checkpoint's config files, checked: every fault of one is told together, with its path. No torch.

In: what a JSON file holds, of either layout. Out: the words and defaults of diffusers' and transformers' classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from renderer.errors import ModelError
from renderer.models.ace_step.checkpoints.original_config import CONVERSIONS
from renderer.models.catalog.regular_file import FETCH_AGAIN

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.catalog.layouts import Config


def check_config(component: str, config: Config, path: Path) -> Config:
    """A component's sizes with the defaults of its class; `config` is in that class's words, from the file `path`.

    Raises: ModelError naming every value that can't be.
    """
    # Models of fifty fields, which no plan asks of a set that was looked through before.
    from renderer.models.ace_step.checkpoints.sizes import CLASSES, Qwen3  # noqa: PLC0415

    if CLASSES[component] is Qwen3:
        config = _with_rope_theta(config, path)
    try:
        return CLASSES[component].model_validate(dict(config)).model_dump()
    except ValidationError as error:
        raise _refusal(error, path) from error


def from_original(component: str, config: Config, path: Path) -> Config:
    """The sizes of a component in the one flat config of the original layout, in the words of diffusers' class.

    Raises: ModelError naming a key that is missing, or a value that can't be.
    """
    try:
        words = CONVERSIONS[component](_with_rope_theta(config, path))
    except KeyError as error:
        raise ModelError(
            f"`{path}` says no {error}", why="the sizes of the tensors follow from it", help="fetch the model again"
        ) from error
    return check_config(component, words, path)


def _with_rope_theta(config: Config, path: Path) -> Config:
    try:
        return {**config, "rope_theta": rope_theta(config, path)}
    except KeyError as error:
        raise ModelError(f"`{path}` says no {error}", why="positions rotate by it", help=FETCH_AGAIN) from error


def rope_theta(config: Config, path: Path) -> Any:
    """The base of the rotations: at the config's top, or in `rope_parameters`, where transformers 5 writes it.

    Raises: KeyError where it is nowhere; ModelError where it is said twice, or other rotations are asked for.
    """
    nested = config.get("rope_parameters")
    if not isinstance(nested, dict):
        return config["rope_theta"]
    # One for all layers, or one for each type of them.
    tables = list(nested.values()) if nested and all(isinstance(one, dict) for one in nested.values()) else [nested]
    kinds = {str(table.get("rope_type", "default")) for table in tables}
    if kinds != {"default"}:
        raise ModelError(
            f"`{path}` says rope_type = {', '.join(sorted(kinds))}",
            why="ACE-Step's DiT rotates plainly, which is `default`",
            help=FETCH_AGAIN,
        )
    said = [table["rope_theta"] for table in (config, *tables) if table.get("rope_theta") is not None]
    if not said:
        raise KeyError("rope_theta")
    if any(one != said[0] for one in said):
        raise ModelError(f"`{path}` says more than one rope_theta: {', '.join(map(str, said))}", help=FETCH_AGAIN)
    return said[0]


def _refusal(error: ValidationError, path: Path) -> ModelError:
    said, why = [], []
    for found in error.errors(include_url=False):
        key = ".".join(str(part) for part in found["loc"] if isinstance(part, str) and part[:1].islower())
        if found["type"] == "missing":
            said.append(f"no '{key}'")
        elif key:
            said.append(f"{key} = {str(found['input'])[:60]}")
        expected = _EXPECTED.get(found["type"], found["msg"].removeprefix("Value error, "))
        why.append(f"{key}: {expected}" if key else expected)
    return ModelError(
        f"`{path}` says {', '.join(dict.fromkeys(said)) or 'what can not be'}",
        why="; ".join(dict.fromkeys(why)),
        help="fetch the model again",
    )


_EXPECTED = {
    "missing": "the sizes of the tensors follow from it",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    "bool_type": "true or false is expected",
    "string_type": "a word is expected",
    "list_type": "a list is expected",
    "finite_number": "a number is expected",
    "greater_than": "it has to be larger",
    "greater_than_equal": "it has to be larger",
    "less_than_equal": "no checkpoint is that large",
    "int_parsing_size": "no checkpoint is that large",
}
