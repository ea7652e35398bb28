"""A hub of our own over HTTP: serves folders as repositories, breaks off where it is told to, counts what it sends."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

LARGE = 10_000  # bytes from which a file is one of LFS, named by its SHA-256


@dataclass
class FakeHub:
    """Repositories by name, each a folder with the commit it is at."""

    repos: dict[str, tuple[str, Path]]
    break_off: set[str] = field(default_factory=set)
    """Paths whose first download ends halfway."""
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes of each file that went out."""
    answer: tuple[int, dict[str, str], bytes] | None = None
    """Status, headers and body of whatever is asked; None answers as a hub does."""

    def __enter__(self) -> str:
        hub = self

        class Handler(_Handler):
            hub_of = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub_of: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if self.hub_of.answer is not None:
            self._same(*self.hub_of.answer, body=body)
            return
        path = unquote(urlsplit(self.path).path).strip("/")
        for repo, (commit, folder) in self.hub_of.repos.items():
            if path.startswith(f"api/models/{repo}/tree/"):
                self._json([_entry(file, folder) for file in sorted(folder.rglob("*")) if file.is_file()])
                return
            if path.startswith(f"api/models/{repo}"):
                self._json({"id": repo, "sha": commit, "siblings": []})
                return
            if path.startswith(f"{repo}/resolve/"):
                self._file(folder / path.split("/", 4)[4], commit, body=body)
                return
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _same(self, status: int, headers: dict[str, str], content: bytes, *, body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _json(self, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _file(self, path: Path, commit: str, *, body: bool) -> None:
        content = path.read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0] or 0)
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{_digest(content)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if not body:
            return
        rest = content[start:]
        if path.name in self.hub_of.break_off:
            self.hub_of.break_off.discard(path.name)
            rest = rest[: len(rest) // 2]
            self.close_connection = True
        self.hub_of.sent[path.name] = self.hub_of.sent.get(path.name, 0) + len(rest)
        self.wfile.write(rest)
        self.wfile.flush()


def _entry(file: Path, folder: Path) -> dict[str, Any]:
    content = file.read_bytes()
    entry: dict[str, Any] = {
        "type": "file",
        "path": file.relative_to(folder).as_posix(),
        "size": len(content),
        "oid": _git_digest(content),
    }
    if len(content) >= LARGE:
        entry["lfs"] = {"oid": _digest(content), "size": len(content), "pointerSize": 130}
    return entry


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if len(content) >= LARGE else _git_digest(content)


def _git_digest(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
