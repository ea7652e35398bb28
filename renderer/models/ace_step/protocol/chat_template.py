"""A checkpoint's own chat template, rendered as transformers does, against the prompts this protocol writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renderer.errors import ModelError
from renderer.facts import LM_INSTRUCTION, NO_NEGATIVE_PROMPT
from renderer.models.ace_step.protocol import prompt
from renderer.models.catalog.layouts import read_json
from renderer.models.catalog.regular_file import FETCH_AGAIN, read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "chat_template.jinja"
CONFIG = "tokenizer_config.json"
"""Where the template lies in the absence of that."""
_CODE = "<|audio_code_0|>"
_CODES = f"{_CODE}<|im_end|>\n"
MOST_BYTES = 1_000_000  # the published ones have 4,000


def check_chat_template(folder: Path) -> None:
    """Compare our spelled-out prompts with what the template in an LM's folder makes.

    Raises: ModelError when there is none, it can't be rendered, or it makes something else.
    """
    system = {"role": "system", "content": f"# Instruction\n{LM_INSTRUCTION}\n\n"}
    user = {"role": "user", "content": "# Caption\nC\n\n# Lyric\nL\n"}
    where, template = _template(folder)
    nobody = {"role": "user", "content": NO_NEGATIVE_PROMPT}
    for ours, turns in (
        (prompt.cot_prompt("C", "L"), [system, user]),
        # What training saw: think block and codes are one message, which the LM itself ends.
        (prompt.codes_prompt("C", "L", "bpm: 90") + _CODES, [system, user, _answer("bpm: 90")]),
        (prompt.codes_negative_prompt("") + _CODES, [system, nobody, _answer("")]),
    ):
        theirs = _rendered(where, template, turns)
        if theirs != ours:
            raise ModelError(
                f"the chat template in `{where}` is not the one this protocol was written for",
                why=f"it makes {theirs!r} where {ours!r} is expected",
                help="download the LM again, or report this checkpoint",
            )


def _template(folder: Path) -> tuple[Path, str]:
    """The template's text and its file, which may be the tokenizer's configuration."""
    where = folder / FILE
    if where.exists() or where.is_symlink():
        try:
            return where, read_bytes(where, MOST_BYTES).decode()
        except UnicodeDecodeError as error:
            raise ModelError(f"the chat template in `{where}` is no text", why=str(error), help=FETCH_AGAIN) from error
    where = folder / CONFIG
    found: Any = read_json(where).get("chat_template")
    if isinstance(found, list):
        entries = [one for one in found if isinstance(one, dict) and one.get("name") == "default"]
        found = entries[0].get("template") if entries else None
    if not isinstance(found, str):
        raise ModelError(
            f"`{folder}` has no chat template",
            why=f"neither {FILE} nor tokenizer_config.json holds one",
            help="download the LM again",
        )
    return where, found


def _answer(yaml: str) -> dict[str, str]:
    return {"role": "assistant", "content": f"<think>\n{yaml}\n</think>\n\n{_CODE}"}


def _rendered(where: Path, template: str, turns: Sequence[dict[str, str]]) -> str:
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - plans ask for the template's name alone

    open_turn = turns[-1]["role"] == "user"
    # A template is code from the hub: it gets a sandbox.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    try:
        compiled = environment.from_string(template)
        return compiled.render(messages=turns, tools=None, documents=None, add_generation_prompt=open_turn)
    except Exception as error:
        # A stranger's program: whatever it raises is its own fault.
        why = str(error) or type(error).__name__
        raise ModelError(f"the chat template in `{where}` can't be rendered", why=why, help=FETCH_AGAIN) from error
