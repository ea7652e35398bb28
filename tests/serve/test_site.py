from __future__ import annotations

import dataclasses
import http.client
import json
import re
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from renderer.errors import StoreError, UsageError
from renderer.output.report import FormerTake
from renderer.serve import Live, Site, make_site, serving
from renderer.serve.live import HEARTBEAT_SECONDS
from renderer.spec.picks import Pick, Vote
from tests.output.report.songs import small_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


PATIENCE_SECONDS = 60.0
AT_ONCE_SECONDS = 10.0  # below the heartbeat, after which a listener would be let go anyway


class Server:
    def __init__(self, url: str, site: Site, votes: list[tuple[str, Pick]]) -> None:
        parts = urlsplit(url)
        self.site, self.votes = site, votes
        self.port = parts.port or 0
        self.url = url

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """The request exactly as written: no client that tidies `..` away."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.putrequest(method, path, skip_host=True)
            named = {"Host": f"127.0.0.1:{self.port}"} | {
                name.replace("_", "-"): text for name, text in headers.items()
            }
            if body is not None:
                named["Content-Length"] = str(len(body))
            for name, text in named.items():
                connection.putheader(name, text)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def vote(self, take: str, token: str, **fields: object) -> int:
        return self.ask("/report/picks", "POST", json.dumps({"take": take, **fields}).encode(), X_Token=token)[0]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    votes: list[tuple[str, Pick]] = []

    def vote(name: str, pick: Pick) -> None:
        if pick.note == "the disk is full":
            raise StoreError("no room")
        votes.append((name, pick))

    site = make_site(Live(small_report(outputs)), outputs, vote)
    with serving(site) as url:
        yield Server(url, site, votes)


def test_the_page_comes_with_its_token_and_may_talk_to_its_own_server_only(server: Server) -> None:
    status, headers, body = server.ask("/report/")
    assert status == 200
    assert server.site.token.encode() in body
    assert b"connect-src &#39;self&#39;" in body
    assert headers["cache-control"] == "no-store"
    assert server.ask("/")[0] in (302, 307)


def test_audio_is_sent_by_ranges(server: Server) -> None:
    path = "/chihuahua/chihuahua.s7.flac"
    whole = (server.site.outputs / path[1:]).read_bytes()
    status, headers, body = server.ask(path)
    assert (status, body, headers["content-type"]) == (200, whole, "audio/flac")
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"

    status, headers, body = server.ask(path, Range="bytes=100-199")
    assert (status, body) == (206, whole[100:200])
    assert headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert server.ask(path, Range=f"bytes={len(whole)}-")[0] == 416


def test_nothing_outside_the_outputs_folder_is_sent(server: Server) -> None:
    outside = server.site.outputs.parent / "secret.toml"
    outside.write_text("secret = 1", "utf-8")
    outputs = server.site.outputs
    (outputs / "link.toml").symlink_to(outside)
    (outputs / "folder").symlink_to(outputs.parent)
    (outputs / ".store").mkdir()
    (outputs / ".store" / "hidden.toml").write_text("x = 1", "utf-8")
    (outputs / "shown.toml").write_text("x = 1", "utf-8")
    (outputs / "program.html").write_text("<script>", "utf-8")

    assert server.ask("/shown.toml")[0] == 200
    for path in (
        "/../secret.toml",
        "/%2e%2e/secret.toml",
        "/report/../../secret.toml",
        "/chihuahua/..%2f..%2fsecret.toml",
        "//" + str(outside)[1:],
        "/" + str(outside),
        "/link.toml",
        "/folder/secret.toml",
        "/.store/hidden.toml",
        "/program.html",
        "/chihuahua",
        "/nothing.flac",
        "/%00.toml",
    ):
        status, _, body = server.ask(path)
        assert status in (400, 404), path
        assert b"secret" not in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil"])
def test_a_foreign_host_is_refused(server: Server, host: str) -> None:
    # A site that points its own name at 127.0.0.1 would otherwise read the page, token and all.
    status, _, body = server.ask("/report/", Host=host)
    assert status == 400
    assert server.site.token.encode() not in body


def test_a_vote_needs_the_pages_token(server: Server) -> None:
    for token in ("", "wrong", server.site.token[:-1]):
        assert server.vote("chihuahua.s7", token, vote="keep") == 403
    assert server.votes == []
    assert server.vote("chihuahua.s7", server.site.token, vote="keep", note="señal", key="00000007") == 200
    assert server.votes == [("chihuahua.s7", Pick(vote=Vote.KEEP, note="señal", key="00000007"))]


def test_only_votes_on_takes_of_the_page_are_taken(server: Server) -> None:
    token = server.site.token
    assert server.vote("someone.s1", token, vote="keep") == 404
    assert server.vote("chihuahua.s7", token, vote="love") == 400
    assert server.vote("chihuahua.s7", token, vote="keep", note=7) == 400
    assert server.vote("chihuahua.s7", token, vote="keep", stars=5) == 400
    assert server.vote("chihuahua.s7", token, vote="keep", note="x" * 70_000) == 413
    assert server.ask("/report/picks", "POST", b"[]", X_Token=token)[0] == 400
    assert server.votes == []


def test_a_vote_that_cannot_be_written_is_told_as_such(server: Server) -> None:
    assert server.vote("chihuahua.s7", server.site.token, note="the disk is full") == 500


def test_open_pages_hear_of_new_takes_and_progress(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/report/events")
    answer = connection.getresponse()
    assert answer.getheader("content-type", "").startswith("text/event-stream")
    assert answer.readline() == b": hello\n"

    server.site.live.tell("rendering «夜»")
    server.site.live.publish(dataclasses.replace(server.site.live.report, notes=("just now",)))
    lines = [answer.readline().decode() for _ in range(7)]

    assert lines[1:3] == ["event: progress\n", 'data: {"text": "rendering \\u00ab\\u591c\\u00bb"}\n']
    assert lines[4:6] == ["event: report\n", "data: {}\n"]
    assert b"just now" in server.ask("/report/")[2]
    connection.close()


def test_a_page_that_still_plays_a_former_version_gets_its_bytes(server: Server) -> None:
    live = server.site.live
    take = live.report.takes[0]
    old = server.site.outputs / "chihuahua" / "old" / "chihuahua.s7.00000007.flac"
    old.parent.mkdir()
    old.write_bytes(b"fLaC the former")
    former = FormerTake(key8="00000007", audio=f"../chihuahua/old/{old.name}", changes="", duration_seconds=8.0)
    song = live.report.songs[0]
    newer = dataclasses.replace(take, key8="aaaaaaaa", former=(former,))
    live.publish(dataclasses.replace(live.report, songs=(dataclasses.replace(song, takes=(newer,)),)))

    assert server.ask("/chihuahua/chihuahua.s7.flac?v=00000007")[2] == b"fLaC the former"
    assert server.ask("/chihuahua/chihuahua.s7.flac?v=aaaaaaaa")[2].startswith(b"fLaC\x00")


def test_the_server_ends_at_once_with_pages_still_listening(tmp_path: Path) -> None:
    site = make_site(Live(small_report(tmp_path)), tmp_path, lambda _name, _pick: None)
    with serving(site) as url:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=PATIENCE_SECONDS)
        connection.request("GET", "/report/events")
        answer = connection.getresponse()
        answer.readline()
        began = time.monotonic()
    assert time.monotonic() - began < AT_ONCE_SECONDS < HEARTBEAT_SECONDS
    assert not [thread for thread in threading.enumerate() if thread.name == "report-server"]
    connection.close()


def test_a_port_that_is_taken_is_told_as_such(server: Server, tmp_path: Path) -> None:
    site = make_site(Live(server.site.live.report), tmp_path, lambda _name, _pick: None)
    with pytest.raises(UsageError, match=rf"port {server.port} can't be used"), serving(site, port=server.port):
        pass


def test_the_served_page_names_the_version_of_each_sound(server: Server) -> None:
    facts = re.search(rb'id="facts">(.*?)</script>', server.ask("/report/")[2])
    assert facts
    takes = json.loads(facts.group(1))["takes"]
    assert takes[0]["audio"] == "../chihuahua/chihuahua.s7.flac?v=00000007"
