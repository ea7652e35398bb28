"""What the watch does for the ear: the report is served with each new take, and measured while nothing is rendered."""

from __future__ import annotations

import urllib.request

from tests.watch.conftest import Songs, Watching


def test_a_served_report_tells_open_pages_of_a_saved_song(songs: Songs) -> None:
    songs.write("eins")
    with Watching(songs.folder, "--serve") as watching:
        said = watching.until_idle()
        address = next(line.split()[1] for line in said if line.startswith("report: http://127.0.0.1:"))
        with urllib.request.urlopen(address + "events", timeout=60) as events:
            songs.write("zwei")
            watching.until_idle()
            while events.readline() != b"event: report\n":
                pass
        with urllib.request.urlopen(address, timeout=60) as page:
            text = page.read().decode()
        code, _ = watching.end()

    assert "zwei.s0" in text
    assert code == 130


def test_finished_takes_are_measured_once_nothing_is_rendered(songs: Songs) -> None:
    songs.write("eins")
    with Watching(songs.folder, "--measure") as watching:
        watching.until_idle()
        watching.until(r"^report: outputs/report/index\.html|^report: /")
        code, _ = watching.end()

    assert list((songs.outputs / "report" / "measured").glob("*.json"))
    assert code == 130
