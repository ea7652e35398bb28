"""The checkpoint's own template decides whether our prompts are the trained ones, wherever it is kept."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from renderer.errors import ModelError
from renderer.models.ace_step.protocol.chat_template import check_chat_template

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tiny_set: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_set / "lm", tmp_path / "lm")
    return tmp_path / "lm"


def move_into_config(folder: Path, *, named: bool) -> None:
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    path = folder / "tokenizer_config.json"
    kept = [{"name": "tools", "template": "x"}, {"name": "default", "template": template}] if named else template
    path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": kept}))


@pytest.mark.parametrize("named", [True, False])
def test_a_template_in_the_configuration_counts_like_one_in_its_file(folder: Path, named: bool) -> None:
    check_chat_template(folder)
    move_into_config(folder, named=named)
    check_chat_template(folder)


def test_an_lm_without_a_template_is_refused(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()

    with pytest.raises(ModelError, match="has no chat template"):
        check_chat_template(folder)


@pytest.mark.parametrize(
    "template", ["{% if %}", "{{ messages[99].content }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}"]
)
def test_a_template_that_breaks_or_breaks_out_is_refused(folder: Path, template: str) -> None:
    (folder / "chat_template.jinja").write_text(template)

    with pytest.raises(ModelError, match="can't be rendered"):
        check_chat_template(folder)
