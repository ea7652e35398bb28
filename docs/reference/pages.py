"""The generated pages of the reference, by their files' names; each is made of what the program itself goes by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from docs.reference.commands import commands_page
from docs.reference.errors import errors_page
from docs.reference.exit_codes import exit_codes_page
from docs.reference.keyboard import keyboard_page
from docs.reference.python_api import library_page
from docs.reference.specs import album_page, defaults_page, spec_page
from renderer.spec.lints.page import page as lints_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER = Path(__file__).parents[1] / "pages" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "spec.md": spec_page,
    "renderer-toml.md": defaults_page,
    "album-toml.md": album_page,
    "commands.md": commands_page,
    "exit-codes.md": exit_codes_page,
    "lints.md": lints_page,
    "errors.md": errors_page,
    "keyboard.md": keyboard_page,
    "python.md": library_page,
}
