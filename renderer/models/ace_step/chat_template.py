"""A checkpoint's own chat template, rendered as transformers does, against the prompts this protocol writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from renderer.errors import ModelError
from renderer.models.ace_step import prompt
from renderer.models.layouts import read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "chat_template.jinja"


def check_chat_template(folder: Path) -> None:
    """Compare our spelled-out prompts with what the template in an LM's folder makes.

    Raises: ModelError when there is none, it can't be rendered, or it makes something else.
    """
    system = {"role": "system", "content": f"# Instruction\n{prompt.LM_INSTRUCTION}\n\n"}
    user = {"role": "user", "content": "# Caption\nC\n\n# Lyric\nL\n"}
    template = _template(folder)
    for ours, think in (
        (prompt.cot_prompt("C", "L"), None),
        (prompt.codes_prompt("C", "L", "bpm: 90"), "<think>\nbpm: 90\n</think>"),
        (prompt.codes_prompt("C", "L", ""), "<think>\n</think>"),
    ):
        turns = [system, user] if think is None else [system, user, {"role": "assistant", "content": think}]
        theirs = _rendered(folder, template, turns, closed=think is not None)
        if theirs != ours:
            raise ModelError(
                f"the chat template in `{folder}` is not the one this protocol was written for",
                why=f"it makes {theirs!r} where {ours!r} is expected",
                help="download the LM again, or report this checkpoint",
            )


def _template(folder: Path) -> str:
    """The template's text, from its file or from the tokenizer's configuration."""
    if (folder / FILE).is_file():
        return (folder / FILE).read_text(encoding="utf-8")
    found: Any = read_json(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(found, list):
        found = next((one["template"] for one in found if one.get("name") == "default"), None)
    if not isinstance(found, str):
        raise ModelError(
            f"`{folder}` has no chat template",
            why=f"neither {FILE} nor tokenizer_config.json holds one",
            help="download the LM again",
        )
    return found


def _rendered(folder: Path, template: str, turns: Sequence[dict[str, str]], *, closed: bool) -> str:
    # A template is code from the hub: it gets a sandbox.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    try:
        compiled = environment.from_string(template)
        return compiled.render(messages=turns, tools=None, documents=None, add_generation_prompt=not closed)
    except TemplateError as error:
        raise ModelError(f"the chat template in `{folder}` can't be rendered", why=str(error)) from error
