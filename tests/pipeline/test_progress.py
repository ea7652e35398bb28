"""What a terminal, or a log file in its place, shows of a real render of several songs."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from rich.console import Console

from renderer.pipeline.render import render
from renderer.pipeline.stop import Stop
from renderer.progress import showing, under_way
from renderer.run.events import PartStarted

if TYPE_CHECKING:
    from renderer.run.events import RunEvent
    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow

FAR = re.compile(r"  (\d)/4 done, (\d) at once(, \d+ tokens/s)?(, about \d+(?::\d\d)+ left)?")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture(params=[False, True], ids=["log file", "terminal"])
def shown(songs: Songs, request: pytest.FixtureRequest) -> list[str]:
    """The lines of the LM's part at 80 columns; of a terminal, every state of its bar."""
    for name in ("eins", "a-song-with-a-long-name-that-would-fill-a-line-by-itself"):
        songs.write(name)
        # Long enough that a fast machine, too, takes the second after which a rate is told.
        songs.edit(name, "duration = 10", "duration = 240\nkeyscale = 'A minor'\ntimesignature = '4'")
        songs.edit(name, "[metas]", "[inference]\nthinking = true\nuse_cot_caption = false\n[metas]")
    file, stop = io.StringIO(), Stop()
    console = Console(file=file, width=80, force_terminal=request.param, highlight=False)
    with showing(console, line_seconds=0.0) as listen:

        def until_the_dit(event: RunEvent) -> None:
            listen(event)
            if isinstance(event, PartStarted) and event.part == "dit":
                stop.now()

        render(songs.project(), listen=until_the_dit, stop=stop, executor=songs.executor)
    return [line for line in re.split(r"[\r\n]+", ESCAPES.sub("", file.getvalue())) if line.strip()]


@pytest.mark.parametrize("shown", [False], indirect=True, ids=["log file"])
def test_lines_tell_songs_at_once_tokens_a_second_and_the_time_left(shown: list[str]) -> None:
    assert re.fullmatch(r"language model: \d jobs", shown[0])
    assert re.fullmatch(r"  loaded lm in \d+\.\d s", shown[1])
    far = [FAR.fullmatch(line) for line in shown[2:] if line.startswith("  ")]
    assert all(far), shown[2:]
    assert max(int(found[2]) for found in far if found) == 2
    assert any(found[3] and found[4] for found in far if found), shown[-5:]


@pytest.mark.parametrize("shown", [True], indirect=True, ids=["terminal"])
def test_the_bar_fits_80_columns_and_tells_the_same(shown: list[str]) -> None:
    assert max(cell_len(line) for line in shown) <= 80
    assert any(re.search(r"language model .* 2 at once · \d+ tokens/s", line) for line in shown), shown[-5:]
    assert any(re.search(r" \d/\d +\d+:\d\d ", line) for line in shown)


@pytest.mark.parametrize("is_terminal", [False, True], ids=["log file", "terminal"])
def test_a_part_that_nobody_planned_is_shown_when_a_stored_result_proves_damaged(
    songs: Songs, is_terminal: bool
) -> None:
    songs.write("eins")
    songs.render()
    for path in songs.outputs.glob(".store/latents/*/*"):
        path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    for path in songs.outputs.glob("*/*.flac"):
        path.unlink()
    file = io.StringIO()
    with showing(Console(file=file, width=80, force_terminal=is_terminal), line_seconds=0.0) as listen:
        summary = render(songs.project(), listen=listen, executor=songs.executor)
    assert summary.rendered
    assert "diffusion" in ESCAPES.sub("", file.getvalue())


def test_what_goes_on_beside_a_run_is_a_line_in_a_log_and_how_far_it_is_another_now_and_then() -> None:
    seldom, often = io.StringIO(), io.StringIO()
    for file, seconds in ((seldom, 3600.0), (often, -1.0)):
        with under_way(
            Console(file=file, width=20), "measuring [3] sounds, one a line", line_seconds=seconds
        ) as update:
            update("1 [done]")
            update("2 done")

    assert seldom.getvalue() == "measuring [3] sounds, one a line\n"
    assert often.getvalue() == "measuring [3] sounds, one a line\n  1 [done]\n  2 done\n"
