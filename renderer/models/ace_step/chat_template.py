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
_CODE = "<|audio_code_0|>"
_CODES = f"{_CODE}<|im_end|>\n"


def check_chat_template(folder: Path) -> None:
    """Compare our spelled-out prompts with what the template in an LM's folder makes.

    Raises: ModelError when there is none, it can't be rendered, or it makes something else.
    """
    system = {"role": "system", "content": f"# Instruction\n{prompt.LM_INSTRUCTION}\n\n"}
    user = {"role": "user", "content": "# Caption\nC\n\n# Lyric\nL\n"}
    template = _template(folder)
    nobody = {"role": "user", "content": prompt.NO_NEGATIVE_PROMPT}
    for ours, turns in (
        (prompt.cot_prompt("C", "L"), [system, user]),
        # What training saw: think block and codes are one message, which the LM itself ends.
        (prompt.codes_prompt("C", "L", "bpm: 90") + _CODES, [system, user, _answer("bpm: 90")]),
        (prompt.codes_negative_prompt("") + _CODES, [system, nobody, _answer("")]),
    ):
        theirs = _rendered(folder, template, turns)
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


def _answer(yaml: str) -> dict[str, str]:
    return {"role": "assistant", "content": f"<think>\n{yaml}\n</think>\n\n{_CODE}"}


def _rendered(folder: Path, template: str, turns: Sequence[dict[str, str]]) -> str:
    asks = turns[-1]["role"] == "user"
    # A template is code from the hub: it gets a sandbox.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    try:
        compiled = environment.from_string(template)
        return compiled.render(messages=turns, tools=None, documents=None, add_generation_prompt=asks)
    except TemplateError as error:
        raise ModelError(f"the chat template in `{folder}` can't be rendered", why=str(error)) from error
