"""The generated reference is current, and nothing that a user may write, type or meet is without an entry."""

from __future__ import annotations

import re

import pytest

from docs.reference.commands import contexts
from docs.reference.pages import FOLDER, PAGES
from renderer.cli import exit_codes
from renderer.settings import SETTINGS, EditSettings, rows
from renderer.spec.album_schema import AlbumFile, AlbumSongTable
from renderer.spec.fault_table import FAULTS
from renderer.spec.lints.table import LINTS
from renderer.spec.schema import TABLES, DefaultsFile, EditTable, SongFile, VariantTable


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_program_says_now(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == PAGES[name](), "run `make reference`"


def headings(page: str) -> set[str]:
    return {found.strip("`") for found in re.findall(r"^#+ (.+)$", (FOLDER / page).read_text("utf-8"), re.MULTILINE)}


def test_every_setting_and_key_has_an_entry() -> None:
    told = {
        name.rpartition(".")[2]
        for name in headings("spec.md") | headings("renderer-toml.md") | headings("album-toml.md")
    }
    tables = [SongFile, DefaultsFile, VariantTable, EditTable, AlbumFile, AlbumSongTable, *TABLES.values()]
    keys = {name for table in tables for name in table.model_fields} | {*SETTINGS, *rows(EditSettings)}
    chapters = {"metas": "[metas]", "inference": "[inference]", "output": "[output]", "pick": "[pick]"}
    chapters |= {"lora": "[[lora]]", "variants": "[variants.NAME]", "edits": "[edits.NAME]"}

    assert {key for key in keys if key not in told and chapters.get(key) not in headings("spec.md")} == set()


def test_below_every_setting_stands_what_a_change_makes_anew() -> None:
    chapters = re.split(r"^## ", (FOLDER / "spec.md").read_text("utf-8"), flags=re.MULTILINE)
    # A variant's and an edit's other keys bear names of settings, too.
    told = [chapter for chapter in chapters if chapter.startswith(("[metas]", "[inference]", "How an edit"))]
    entries = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", "".join(told), re.MULTILINE | re.DOTALL))
    settings = {*SETTINGS, *rows(EditSettings)}

    assert {name for name in settings if "- a change makes anew: " not in entries.get(name, "")} == set()
    assert "below a setting" in chapters[0]


def test_every_command_and_option_has_an_entry() -> None:
    text = (FOLDER / "commands.md").read_text("utf-8")
    entries = dict(re.findall(r"^##+ ([\w -]+)\n(.*?)(?=^## |^### |\Z)", text, re.MULTILINE | re.DOTALL))
    lacking = {}
    for context in contexts():
        name = " ".join(context.command_path.split()[1:])
        shown = [
            param for param in context.command.params if not getattr(param, "hidden", False) and param.name != "verbose"
        ]
        options = {option for param in shown for option in param.opts if option.startswith("--")} - {"--verbose"}
        lacking[name] = (
            {option for option in options if option not in entries.get(name, "")} if name in entries else {name}
        )

    assert {name: found for name, found in lacking.items() if found} == {}


def test_every_lint_and_error_has_an_entry() -> None:
    assert {lint.code for lint in LINTS} - headings("lints.md") == set()
    assert {fault.code for fault in FAULTS} - headings("errors.md") == set()


def test_every_exit_code_has_an_entry_that_says_something() -> None:
    told = dict(re.findall(r"^\| `(\d+)` \| (.+) \|$", (FOLDER / "exit-codes.md").read_text("utf-8"), re.MULTILINE))
    codes = {str(code) for name, code in vars(exit_codes).items() if name.startswith("EXIT_")}

    assert codes == set(told)
    assert all(len(text) > 10 for text in told.values())
