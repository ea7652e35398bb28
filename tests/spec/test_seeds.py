"""Seeds are 0 to 2^32 - 1, and 10,000 a song at most, whoever names them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from renderer.errors import UsageError
from renderer.pipeline.api import make_plan
from renderer.pipeline.options import Options
from renderer.spec.load import load_songs
from renderer.spec.seeds import seeds_in

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.song import Song

LAST = 4_294_967_295
SPEC = 'caption = "slow blues"\ninstrumental = true\nmodel = "mini"\n'


@pytest.fixture
def song(tmp_path: Path) -> Song:
    (tmp_path / "a.toml").write_text(SPEC, "utf-8")
    (song,) = load_songs([tmp_path]).require()
    return song


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("7", (7,)),
        ("1,5,9", (1, 5, 9)),
        ("1..4", (1, 2, 3, 4)),
        (" 3 , 1..2 ", (3, 1, 2)),
        (f"0,{LAST}", (0, LAST)),
        (f"{LAST - 1}..{LAST}", (LAST - 1, LAST)),
        ("0007", (7,)),
        ("1..10000", tuple(range(1, 10_001))),
    ],
)
def test_seeds_are_read_in_the_order_written(text: str, seeds: tuple[int, ...]) -> None:
    assert seeds_in(text) == seeds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (str(LAST + 1), "seeds run from 0 to 4294967295"),
        ("18446744073709551615", "seeds run from 0 to 4294967295"),
        (f"1..{LAST + 1}", "seeds run from 0 to 4294967295"),
        ("9" * 4_000, "seeds run from 0 to 4294967295"),
        (f"0..{LAST}", "a song has 10,000 at most"),
        ("1..10001", "a song has 10,000 at most"),
        ("1..9999,20000..20001", "a song has 10,000 at most"),
        ("5..4", "it ends before it begins"),
        ("3,1..4", "both would be the same take"),
    ],
)
def test_what_no_spec_could_name_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        seeds_in(text)
    assert refused.value.why == why


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "1e3", "0x10", "1_000", "٣", "²", "1...3", "1..", "..3", "seven", "1,,2", "+5"]
)
def test_what_is_no_list_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(UsageError, match="is no list of seeds") as refused:
        seeds_in(text)
    assert refused.value.help == "write 7 or 1,5,9 or 1..16"


@pytest.mark.parametrize("command", ["render", "plan", "status"])
@pytest.mark.parametrize("text", ["4294967297", "-1", "0..4294967295", "1,1"])
def test_the_command_line_refuses_them_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, text: str
) -> None:
    (tmp_path / "a.toml").write_text(SPEC, "utf-8")

    assert run([command, str(tmp_path / "a.toml"), "--out", str(tmp_path / "out"), f"--seeds={text}"]) == 2

    assert capsys.readouterr().err.startswith(f"error: `{text}` ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seeds", [(-1,), (LAST + 1,), (1.5,), (True,), ("7",), (3, 3), tuple(range(10_001))])
def test_programs_are_refused_them_too(song: Song, seeds: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        make_plan([song], seeds=seeds)
    with pytest.raises(UsageError):
        Options(seeds=seeds)


@pytest.mark.parametrize("name", ["lm_seed", "retake_seed"])
def test_songs_a_program_made_are_looked_through(song: Song, name: str) -> None:
    (base,) = song.variants
    odd = replace(song, variants=(replace(base, inference=replace(base.inference, **{name: LAST + 1})),))

    with pytest.raises(UsageError, match=f"`{name}` of `a` is 4294967296"):
        make_plan([odd])
    with pytest.raises(UsageError, match="`seed` of `a` is -2"):
        make_plan([replace(song, seeds=(-2,))])


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("seeds = [4294967296]", "seeds-range"),
        ("seeds = [-1]", "seeds-range"),
        (f"seeds = {list(range(10_001))}", "seeds-length"),
        ("[inference]\nlm_seed = 4294967296", "lm-seed-range"),
        ("[inference]\nretake_variance = 0.1\nretake_seed = -1", "retake-seed-range"),
        ("[variants.wide]\nlm_seed = 99999999999", "lm-seed-range"),
    ],
)
def test_specs_are_refused_them_at_their_place(tmp_path: Path, written: str, code: str) -> None:
    (tmp_path / "a.toml").write_text(SPEC + written + "\n", "utf-8")

    found = [one for one in load_songs([tmp_path]).diagnostics if one.level == "error"]

    assert code in [one.code for one in found]
    assert all(one.span for one in found)
