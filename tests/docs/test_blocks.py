"""README and docs tell the truth: their console blocks are run, what can't be run here has its words compared."""

from __future__ import annotations

import re
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from renderer.spec.album_schema import AlbumFile
from renderer.spec.schema import DefaultsFile, EditTable, SongFile, VariantTable
from tests.docs.blocks import PAGES, README, ROOT, TUTORIAL, Block, blocks, pages
from tests.docs.session import Session, is_shown
from tests.docs.words import typed, unknown_extras, unknown_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = {str(page.relative_to(ROOT)): page for page in pages()}
RUN = [
    name
    for name, page in NAMES.items()
    if page not in (TUTORIAL, README) and any(block.is_run for block in blocks(page))
]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, list[str]]:
    """Who has followed the tutorial, and what came otherwise."""
    folder = tmp_path_factory.mktemp("reader")
    session = Session(folder, folder / "home")
    return session, [fault for block in blocks(TUTORIAL) for fault in session.follow(block)]


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tutorial: tuple[Session, list[str]]) -> None:
    assert tutorial[1] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_a_page_does_what_it_says_after_the_tutorial(
    tutorial: tuple[Session, list[str]], tmp_path: Path, name: str
) -> None:
    project = tmp_path / tutorial[0].folder.name
    shutil.copytree(tutorial[0].folder, project)
    session = Session(project, tmp_path / "home")

    assert [fault for block in blocks(NAMES[name]) for fault in session.follow(block)] == []
    assert _untold(project) == []


@pytest.mark.slow
def test_the_readme_does_what_it_says_in_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    session = Session(tmp_path / "empty", tmp_path / "home")

    assert [fault for block in blocks(README) for fault in session.follow(block)] == []
    assert list((tmp_path / "empty").glob("outputs/puerto/*.flac"))


@pytest.mark.slow
def test_every_file_of_a_project_is_told_of(tutorial: tuple[Session, list[str]]) -> None:
    assert _untold(tutorial[0].folder) == []


def _untold(project: Path) -> list[str]:
    """Files that the page of files doesn't tell of: `git add --all` would take them along unseen."""
    page = (PAGES / "reference" / "files.md").read_text("utf-8")
    patterns = [_as_pattern(path) for path in re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)]
    files = [path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()]
    assert len(patterns) > 10
    return [file for file in files if not any(re.fullmatch(pattern, file) for pattern in (*patterns, r"\.git/.*"))]


def _as_pattern(path: str) -> str:
    """`outputs/<song>/<take>.<ext>` as an expression; what ends in a slash is a folder with all in it."""
    pattern = re.sub(r"<\w+>", "[^/]+", re.escape(path).replace(r"\<", "<").replace(r"\>", ">"))
    return f"{pattern}.*" if path.endswith("/") else pattern


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_says_to_type_exists(name: str) -> None:
    unknown = {place: words for place, line in typed(NAMES[name]) if (words := unknown_words(line))}

    assert unknown == {}
    assert unknown_extras(NAMES[name]) == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_toml_that_the_program_takes(name: str) -> None:
    shown = [block for block in blocks(NAMES[name]) if block.language == "toml" and "lints.md" not in name]

    assert {block.place: told for block in shown if (told := _refusal(block))} == {}


FORMS: tuple[Callable[[dict[str, object]], object], ...] = (
    lambda table: SongFile.model_validate({"caption": "left out", **table}),
    DefaultsFile.model_validate,
    VariantTable.model_validate,
    EditTable.model_validate,
    AlbumFile.model_validate,
)


def _refusal(block: Block) -> str:
    """Why no file of ours may say so; empty where one may."""
    if block.mark in {"not a spec", "has an error"} or block.page.name == "errors.md":
        return ""
    table = tomllib.loads(block.text)
    told = ""
    for form in FORMS:
        try:
            form(table)
        except ValidationError as error:
            told = told or str(error)
        else:
            return ""
    return told


@pytest.mark.parametrize("name", [*NAMES, "ARCHITECTURE.md", "BENCHMARKS.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_what_a_page_links_to_is_there(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    linked = re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"`[^`\n]*`", "", text))

    assert [link for link in linked if "://" not in link and not (page.parent / link).exists()] == []


def test_every_console_block_is_run_or_says_why_not() -> None:
    known = re.compile(r"|not run: .+|ends with \d+|not a spec|has an error")

    marks = {block.place: block.mark for page in NAMES.values() for block in blocks(page)}

    assert {place: mark for place, mark in marks.items() if not known.fullmatch(mark)} == {}


@pytest.mark.parametrize(
    ("printed", "shown", "fits"),
    [
        ("3 rendered in 2.1 s", "3 rendered in 9 s", True),
        ("3 rendered in 2.1 s", "4 rendered in 2.1 s", False),
        ("one\ntwo\nthree", "one\n…\nthree", True),
        ("one\nthree", "one\n…\nthree", True),
        ("one\ntwo", "one", False),
        ("kept (3f2a90c1) here", "kept (…) here", True),
    ],
)
def test_what_is_volatile_may_differ_and_nothing_else(printed: str, shown: str, fits: bool) -> None:
    assert is_shown(printed, shown) is fits


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("render --until 07:00 night-bus", []),
        ("render --untill 07:00", ["--untill"]),
        ("store gc --yes", []),
        ("store gc --no-such", ["--no-such"]),
        ("rendr", ["rendr"]),
    ],
)
def test_what_does_not_exist_is_found(line: str, unknown: list[str]) -> None:
    assert unknown_words(line) == unknown
