"""What a stranger wrote into an audio file's recipe: never a path that is followed, never a traceback."""

from __future__ import annotations

import copy
import itertools
import json
import tomllib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from renderer.artifacts import Waveform
from renderer.cli.main import run
from renderer.formats.table import FORMATS
from renderer.takes.audio import write_audio
from renderer.takes.recipe import read_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECIPE: dict[str, Any] = {
    "recipe": 1,
    "take": "night.s1",
    "spec": {
        "title": "Night",
        "caption": "slow blues",
        "lyrics": "[verse]\nla la",
        "seeds": [1],
        "model": "turbo",
        "lm": "1.7B",
        "max_duration": 60,
        "metas": {"bpm": 90, "keyscale": "A minor", "timesignature": "4", "duration": 30.0, "vocal_language": "en"},
        "inference": {"shift": 3.0, "timesteps": [1.0, 0.5], "thinking": True, "dcw_enabled": False},
        "output": {"format": "flac", "recipe": "full"},
        "lora": [{"path": "adapter", "scale": 0.5}],
        "variants": {"wide": {"shift": 2.0, "lora": [{"path": "adapter"}]}},
    },
    "decided": {"bpm": 91, "caption": "slow blues"},
    "settings": {"lm_slots": 4, "preview": 20.0},
    "keys": {"take": "0" * 64},
    "weights": {"lm": "x"},
    "versions": {"renderer": "0.2.0"},
    "degraded": ["tiles of 256"],
    "pinned": {
        "take": "night.s1",
        "caption": "slow blues",
        "codes_key": "a",
        "cot_key": "b",
        "digest": "c",
        "codes": [1, 2, 3],
        "cot": {"text": "x", "bpm": 90},
    },
}
SECRET = "SECRET_KEY = of-the-project"
LEADING = ("../.env", "../../.env", "/etc/hostname", "~/.netrc", "..", "a/../../.env", "C:\\keys.txt")
NESTED: list[Any] = []
for _ in range(400):
    NESTED = [NESTED]
KINDS: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e9, float("nan"), float("inf"), 2**70, "", "text", "line\nline\n", "\ud800", "\x1b[31m"),
    *([], [None], ["text"], [{}], [[1]], {}, {"a": None}, {"text": {"text": "text"}}, {"": [{"": []}]}, NESTED),
)


def paths(value: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield above
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in entries:
        yield from paths(inner, (*above, name))


def put(path: tuple[str | int, ...], value: object) -> object:
    if not path:
        return value
    recipe = copy.deepcopy(RECIPE)
    place: Any = recipe
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return recipe


def audio(file: Path, recipe: object) -> Path:
    """A file as a stranger sends it."""
    waveform = Waveform(samples=np.zeros((2, 480), dtype=np.float32))
    write_audio(waveform, file, file.suffix[1:], {"renderer_recipe": json.dumps(recipe)})
    return file


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "renderer.toml").touch()
    (folder / ".env").write_text(SECRET, "utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_any_json_in_any_place_of_a_recipe_is_taken_or_told(
    project: Path, kind: int, capfd: pytest.CaptureFixture[str]
) -> None:
    for number, path in enumerate(paths(RECIPE)):
        file = audio(project / f"song-{number}.wav", put(path, KINDS[kind]))
        imported = run(["import", str(file)])
        shown = run(["show", str(file)]), run(["show", "--json", str(file)])
        words = capfd.readouterr()

        assert imported in (0, 2), path
        assert set(shown) <= {0, 2}, path
        assert "\x1b[31m" not in words.out + words.err
        assert imported == 0 or "error" in words.err + words.out, path
        spec = project / "specs" / f"song-{number}.toml"
        assert not spec.exists() or tomllib.loads(spec.read_text("utf-8"))


def test_the_recipe_as_ours_are_is_taken_whole(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = audio(project / "song.flac", RECIPE)

    assert run(["import", str(file)]) == 0
    assert "left out" not in capfd.readouterr().out
    spec = tomllib.loads((project / "specs" / "song.toml").read_text("utf-8"))
    assert spec.pop("codes") == "song.codes"
    assert spec == RECIPE["spec"]


@pytest.mark.slow
@pytest.mark.parametrize("leading", LEADING)
@pytest.mark.parametrize("place", ["", "variants"])
@pytest.mark.parametrize("key", ["lyrics_file", "codes", "model", "lm", "vae", "lora"])
def test_no_path_of_a_recipe_is_followed_and_each_is_listed(
    project: Path, leading: str, place: str, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = {name: value for name, value in RECIPE["spec"].items() if name not in ("lora", "variants", "model", "lm")}
    table = {key: [{"path": leading}] if key == "lora" else leading}
    spec |= {"variants": {"wide": {"shift": 2.0, **table}}} if place else table
    file = audio(project / "song.flac", {**RECIPE, "spec": spec, "pinned": None})

    assert run(["import", str(file)]) == 0
    words = capfd.readouterr().out
    assert leading in words
    text = (project / "specs" / "song.toml").read_text("utf-8")
    assert leading not in text
    assert json.dumps(leading)[1:-1] not in text
    run(["show", "song"])
    captured = capfd.readouterr()
    assert SECRET not in captured.out + captured.err


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_damaged_anywhere_is_told(project: Path, ending: str, capfd: pytest.CaptureFixture[str]) -> None:
    whole = audio(project / f"whole.{ending}", RECIPE).read_bytes()
    file = project / f"cut.{ending}"
    flips = (whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in range(0, min(len(whole), 3000), 61))
    cuts = (whole[:at] for at in range(0, min(len(whole), 3000), 97))
    for content in itertools.chain(flips, cuts):
        file.write_bytes(content)
        assert run(["show", str(file)]) in (0, 2)
        capfd.readouterr()


def test_a_sidecar_of_dates_and_deep_tables_is_told(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = project / "song.toml"
    file.write_text("recipe = 1\n[keys]\ntake = 1979-05-27\n[spec]\ncaption = 1979-05-27T07:32:00Z\n", "utf-8")
    assert run(["import", str(file), "--to", "elsewhere"]) in (0, 2)
    file.write_text("recipe = 1\n[keys]\n[spec]\nx = " + "[" * 200 + "]" * 200, "utf-8")

    assert run(["import", str(file), "--to", "elsewhere"]) == 2
    assert "nested too deeply" in capfd.readouterr().err


def test_a_recipe_read_back_holds_only_what_toml_and_utf8_can(project: Path) -> None:
    recipe = read_recipe(audio(project / "song.flac", {**RECIPE, "note": [None, "\ud800", {"a": None}]}))

    assert recipe["note"] == ["?", {}]
