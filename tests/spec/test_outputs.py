"""Outputs and specs are kept apart, and a song has no more takes than can be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from renderer.errors import UsageError
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from renderer.spec.load import load_songs

if TYPE_CHECKING:
    from pathlib import Path

SPEC = 'caption = "calm piano"\nlyrics = "[verse]\\nla la"\nseeds = [1]\n[metas]\nbpm = 90\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("specs", "more", "album/specs", "takes"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "specs" / "eins.toml").write_text(SPEC)
    (tmp_path / "more" / "zwei.toml").write_text(SPEC)
    (tmp_path / "album" / "specs" / "drei.toml").write_text(SPEC)
    (tmp_path / "link").symlink_to("specs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def codes(*paths: str) -> list[str]:
    return [found.code for found in load_songs(paths).errors]


@pytest.mark.parametrize("outputs", ["specs", "./specs/", "more", "album", ".", "link", "specs/../specs", "takes/.."])
def test_an_outputs_folder_that_holds_specs_is_refused_with_its_place(
    project: Path, outputs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "renderer.toml").write_text(f'model = "mini"\noutputs = "{outputs}"\n')

    assert codes("specs") == ["outputs-hold-specs"]
    for command in (["check"], ["render", "--device", "cpu"]):
        assert run(command) == 2
    said = capsys.readouterr()
    assert "renderer.toml:2:11" in said.out + said.err
    assert sorted(path.name for path in (project / "specs").iterdir()) == ["eins.toml"]


@pytest.mark.parametrize("outputs", ["takes", "specs/takes", "new", "new/deep"])
def test_a_folder_of_its_own_is_fine(project: Path, outputs: str) -> None:
    (project / "renderer.toml").write_text(f'outputs = "{outputs}"\n')
    assert codes("specs") == []


@pytest.mark.parametrize("outputs", ["specs", ".", "link"])
def test_out_is_refused_where_it_holds_the_specs(project: Path, outputs: str) -> None:
    options = Options(outputs=(project / outputs).resolve(), model="mini", device="cpu")
    with pytest.raises(UsageError, match="holds specs"):
        Project(select([str(project / "specs")], options).takes, options)


@pytest.mark.parametrize(("seeds", "variants", "refused"), [(10_000, 0, False), (5_000, 1, False), (5_001, 1, True)])
def test_a_song_of_more_than_ten_thousand_takes_is_refused(
    project: Path, seeds: int, variants: int, *, refused: bool
) -> None:
    text = SPEC.replace("[1]", str(list(range(seeds)))) + "".join(
        f"[variants.v{number}]\nshift = {number + 1}.0\n" for number in range(variants)
    )
    (project / "specs" / "eins.toml").write_text(text)
    assert ("too-many-takes" in codes("specs")) is refused


@pytest.mark.parametrize("seeds", ["0..10000", "1..99999999999999", "1..5000,6000..12000"])
@pytest.mark.usefixtures("project")
def test_seeds_asked_for_on_the_command_line_are_counted_before_they_are_made(
    seeds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "--model", "mini", "--seeds", seeds]) == 2
    assert re.search("10,000 at most|is no seed", capsys.readouterr().err)


def test_variants_multiply_the_seeds_of_the_command_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (project / "specs" / "eins.toml").open("a") as file:
        file.write("[variants.wide]\nshift = 2.0\n")
    assert run(["plan", "--model", "mini", "--device", "cpu", "--seeds", "1..6000"]) == 2
    assert "`eins` would have 12,000 takes" in capsys.readouterr().err
