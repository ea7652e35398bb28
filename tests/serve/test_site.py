from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import re
import socket
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from renderer.errors import StoreError, UsageError
from renderer.report import FormerTake
from renderer.serve import LiveReport, Site, make_site, serving
from renderer.serve.request_deadline import RequestDeadline
from renderer.spec.picks import Pick, Vote
from tests.patience import PATIENCE_SECONDS
from tests.report.songs import small_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


class Server:
    def __init__(self, url: str, site: Site, votes: list[tuple[str, Pick]]) -> None:
        parts = urlsplit(url)
        self.site, self.votes = site, votes
        self.port = parts.port or 0
        self.cookie = f"renderer-{self.port}={site.key}"
        self.url = url

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """The request exactly as written: no client that tidies `..` away."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.putrequest(method, path, skip_host=True)
            named = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie} | {
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
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a test takes: what it reads next is what it had sent."""
    monkeypatch.setattr("renderer.serve.live.HEARTBEAT_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    votes: list[tuple[str, Pick]] = []

    def vote(name: str, pick: Pick) -> None:
        if pick.note == "the disk is full":
            raise StoreError("no room")
        votes.append((name, pick))

    site = make_site(LiveReport(small_report(outputs)), outputs, vote)
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


@pytest.mark.usefixtures("no_heartbeat")
def test_open_pages_hear_of_new_takes_and_progress(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/report/events", headers={"Cookie": server.cookie})
    answer = connection.getresponse()
    assert answer.getheader("content-type", "").startswith("text/event-stream")
    assert answer.readline() == b": hello\n"

    server.site.live.show_progress("rendering «夜»")
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


@pytest.mark.usefixtures("no_heartbeat")
def test_the_server_ends_with_pages_still_listening(tmp_path: Path) -> None:
    site = make_site(LiveReport(small_report(tmp_path)), tmp_path, lambda _name, _pick: None)
    with serving(site) as url:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=PATIENCE_SECONDS)
        connection.request("GET", f"/report/events?key={site.key}")
        answer = connection.getresponse()
        answer.readline()
    assert not [thread for thread in threading.enumerate() if thread.name == "report-server"]
    connection.close()


def test_a_port_that_is_taken_is_told_as_such(server: Server, tmp_path: Path) -> None:
    site = make_site(LiveReport(server.site.live.report), tmp_path, lambda _name, _pick: None)
    with pytest.raises(UsageError, match=rf"port {server.port} can't be used"), serving(site, port=server.port):
        pass


def test_the_served_page_tells_the_version_of_each_sound(server: Server) -> None:
    facts = re.search(rb'id="facts">(.*?)</script>', server.ask("/report/")[2], re.DOTALL)
    assert facts
    takes = [take for song in json.loads(facts.group(1))["songs"] for take in song["takes"] if take["audio"]]
    assert takes
    for take in takes:
        status, _, sound = server.ask(f"/report/{take['audio']}?v={take['key']}".replace("/report/..", ""))
        assert status == 200
        assert sound


def test_the_printed_address_opens_the_page_and_gives_its_browser_the_key(server: Server) -> None:
    parts = urlsplit(server.url)
    status, headers, body = server.ask(f"{parts.path}?{parts.query}", Cookie="")
    cookie = headers["set-cookie"]

    assert status == 200
    assert server.site.token.encode() in body
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert server.ask("/report/", Cookie=cookie.partition(";")[0])[0] == 200
    assert "set-cookie" not in server.ask("/report/")[1]
    assert server.site.key.encode() not in body


ANYTHING = (
    "/",
    "/report/",
    "/report/index.html",
    "/report/events",
    "/chihuahua/chihuahua.s7.flac",
    "/favicon.ico",
    "/no",
)


@pytest.mark.slow
@pytest.mark.parametrize("path", ANYTHING)
@pytest.mark.parametrize(
    "cookie", ["", "other=1", "renderer-{port}=", "renderer-{port}=wrong", "renderer-1={key}", "\xff;=;,"]
)
def test_without_the_key_nothing_is_read(server: Server, path: str, cookie: str) -> None:
    """Other users of the machine can connect just as well."""
    given = cookie.replace("{port}", str(server.port)).replace("{key}", server.site.key)
    for asked in (path, f"{path}?key=", f"{path}?key=%ff%00", f"{path}?key={server.site.key[:-1]}"):
        status, _, body = server.ask(asked, Cookie=given)
        assert status == 403, asked
        assert body == b"open the address that the command printed: it holds this page's key\n"


def test_without_the_key_nobody_votes(server: Server) -> None:
    body = json.dumps({"take": "chihuahua.s7", "vote": "keep"}).encode()

    assert server.ask("/report/picks", "POST", body, X_Token=server.site.token, Cookie="")[0] == 403
    assert server.votes == []


def test_no_page_may_frame_what_is_served(server: Server) -> None:
    for path in ("/report/", "/chihuahua/chihuahua.s7.flac", "/no", "/favicon.ico"):
        headers = server.ask(path)[1]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
    for refused in (server.ask("/report/", Cookie=""), server.ask("/report/", Host="evil.example")):
        assert refused[1]["x-frame-options"] == "DENY"


ORIGINS = (
    "https://evil.example",
    "http://evil.example",
    "null",
    "",
    "file://",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
)
ORIGINS += (
    "https://127.0.0.1:{port}",
    "http://localhost:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://[::1",
    "é",
)


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_vote_from_another_page_is_refused(server: Server, origin: str) -> None:
    body = json.dumps({"take": "chihuahua.s7", "vote": "keep"}).encode()
    given = origin.replace("{port}", str(server.port)).encode().decode("latin-1")
    status = server.ask("/report/picks", "POST", body, X_Token=server.site.token, Origin=given)[0]

    assert status == 403
    assert server.votes == []


def test_a_vote_from_the_page_itself_is_taken(server: Server) -> None:
    body = json.dumps({"take": "chihuahua.s7", "vote": "keep"}).encode()
    own = f"http://127.0.0.1:{server.port}"

    assert server.ask("/report/picks", "POST", body, X_Token=server.site.token, Origin=own)[0] == 200


DEEP = "[" * 5_000 + "]" * 5_000
KINDS = (
    "null",
    "true",
    "0",
    "1e999",
    "NaN",
    '""',
    '"x"',
    '"\\ud800"',
    '"\\u0000"',
    '"\\u001b[31m"',
    "[]",
    "[[]]",
    "{}",
    '{"a":1}',
    DEEP,
)


@pytest.mark.parametrize("field", ["take", "vote", "note", "key", "stars"])
def test_any_json_in_any_field_of_a_vote_is_a_bad_request_or_a_vote(server: Server, field: str) -> None:
    for kind in KINDS:
        fields = {"take": '"chihuahua.s7"', "vote": '"keep"', "note": '"x"', "key": '"00000007"', field: kind}
        body = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
        status = server.ask("/report/picks", "POST", body.encode(), X_Token=server.site.token)[0]
        assert status in ((200, 400, 404) if kind in ('""', '"x"') else (400,)), (field, kind[:20])
    assert all(pick.note.isprintable() for _, pick in server.votes)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"null", b"7", b'"x"', b"[{}]", b'{"take":', DEEP.encode(), b"{" * 60_000]
)
def test_what_is_no_vote_is_a_bad_request(server: Server, body: bytes) -> None:
    assert server.ask("/report/picks", "POST", body, X_Token=server.site.token)[0] == 400


@pytest.mark.parametrize("token", ["é", "\x80\xff", "a b", "x" * 5_000])
def test_an_odd_token_is_refused_and_no_fault_of_the_server(server: Server, token: str) -> None:
    assert server.vote("chihuahua.s7", token, vote="keep") == 403


SLOW = (
    b"",
    b"GET",
    b"GET /report/ HTTP/1.1\r\nHost: x",
    b"POST /report/picks HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n",
)


@pytest.mark.parametrize("begun", SLOW)
def test_a_connection_that_does_not_say_what_it_wants_is_ended(
    server: Server, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RequestDeadline.deadline_seconds == 60
    monkeypatch.setattr(RequestDeadline, "deadline_seconds", 0.5)
    begun = begun.replace(b"{host}", f"127.0.0.1:{server.port}".encode()).replace(b"{cookie}", server.cookie.encode())
    if begun.startswith(b"POST"):
        begun += f"X-Token: {server.site.token}\r\nContent-Length: 100\r\n\r\n{{".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(begun)
        # Bit by bit is no faster.
        for _ in range(3):
            time.sleep(0.1)
            with contextlib.suppress(OSError):
                connection.sendall(b"x" if begun else b"")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_a_client_that_reads_its_answer_slowly_is_left_alone(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for deadline in (0.2, 2.0, 20.0):
        monkeypatch.setattr(RequestDeadline, "deadline_seconds", deadline)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
        # A busy machine may take longer to bring the request there.
        with contextlib.suppress(ConnectionError):
            connection.request("GET", "/report/events", headers={"Cookie": server.cookie})
            answer = connection.getresponse()
            break
    assert answer.readline() == b": hello\n"
    time.sleep(3 * deadline)
    server.site.live.show_progress("still there")
    assert [answer.readline() for _ in range(2)][1] == b"event: progress\n"
    connection.close()
