"""The report over HTTP, for this machine only: live takes, votes written at once, audio by ranges.

Knows a `Report` and a folder; who renders, and when, is not its business. Needs the extra `renderer[serve]`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route

from renderer.errors import RendererError, UsageError
from renderer.formats.table import FORMATS
from renderer.report import Served, render_page
from renderer.serve.access_key import KEY, RequireKey, equal, is_own
from renderer.serve.live import LiveReport, events_of
from renderer.serve.request_deadline import RequestDeadline
from renderer.spec.picks import Pick, Vote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from renderer.report import Report

HOST = "127.0.0.1"
MAX_VOTE_BYTES = 64_000
MEDIA_TYPES = {
    **{row.suffix: row.media_type for row in FORMATS.values()},
    ".webp": "image/webp",
    ".toml": "text/plain; charset=utf-8",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    # Of the page's own policy, in its head, browsers pass this over.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is served."""

    live: LiveReport
    outputs: Path
    """Nothing outside of this folder is ever sent."""
    vote: Callable[[str, Pick], None]
    """Writes a vote down; raises RendererError when that can't be."""
    token: str
    """Proves that a vote comes from the page."""
    key: str
    """Opens the page; in the address that the command prints, and nowhere else."""


def make_site(live: LiveReport, outputs: Path, vote: Callable[[str, Pick], None]) -> Site:
    """A site with a token and a key of its own."""
    token, key = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    return Site(live=live, outputs=outputs.resolve(), vote=vote, token=token, key=key)


def make_app(site: Site) -> Starlette:
    """The application: page, events, votes, files."""

    async def page(request: Request) -> Response:
        del request
        text = await asyncio.to_thread(render_page, site.live.report, Served(token=site.token))
        return HTMLResponse(text, headers={"Cache-Control": "no-store"})

    async def home(request: Request) -> Response:
        del request
        return RedirectResponse("/report/")

    async def events(request: Request) -> Response:
        del request
        return StreamingResponse(events_of(site.live), media_type="text/event-stream")

    async def votes(request: Request) -> Response:
        return await _receive_vote(site, request)

    async def no_icon(request: Request) -> Response:
        del request
        return PlainTextResponse("", 204)

    async def file(request: Request) -> Response:
        return _file(site, request)

    routes = [
        Route("/", home),
        Route("/report/", page),
        Route("/report/index.html", page),
        Route("/report/events", events),
        Route("/report/picks", votes, methods=["POST"]),
        Route("/favicon.ico", no_icon),
        Route("/{path:path}", file),
    ]
    middleware = [
        Middleware(_Headers),
        Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
        Middleware(RequireKey, key=site.key),
    ]
    return Starlette(routes=routes, middleware=middleware)


@contextmanager
def serving(site: Site, port: int = 0) -> Iterator[str]:
    """The page's address while the server runs in a thread of its own; 0 takes a free port.

    Raises: UsageError when the port is taken.
    """
    with _listening(port) as listener:
        config = uvicorn.Config(
            make_app(site),
            http=RequestDeadline,
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
            lifespan="off",
        )
        server = _ThreadServer(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="report-server", daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}/report/?{KEY}={site.key}"
        finally:
            site.live.end()
            server.should_exit = True
            thread.join()


class _ThreadServer(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the main thread: Ctrl-C is the command's to handle."""
        yield


class _Headers:
    """Puts HEADERS on every answer that hasn't set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(message)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _add_headers(message: MutableMapping[str, Any]) -> None:
    present = {name.lower() for name, _ in message["headers"]}
    added = [(name.lower().encode(), text.encode()) for name, text in HEADERS.items()]
    message["headers"] = [*message["headers"], *(pair for pair in added if pair[0] not in present)]


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            # From here on the address answers: who connects before the server runs waits for it.
            listener.listen()
        except OSError as error:
            raise UsageError(
                f"port {port} can't be used", why=error.strerror or str(error), help="leave out --port"
            ) from error
        yield listener


async def _receive_vote(site: Site, request: Request) -> Response:
    if not is_own(request.headers.get("origin"), request.headers.get("host")):
        raise HTTPException(403, "votes are taken from this server's own page only")
    if not equal(request.headers.get("x-token", ""), site.token):
        raise HTTPException(403, "this page is of another server: reload it")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_VOTE_BYTES:
            raise HTTPException(413, "the note is too long")
    name, pick = _read_vote(site, body)
    try:
        await asyncio.to_thread(site.vote, name, pick)
    except UsageError as error:
        raise HTTPException(400, str(error)) from error
    except (RendererError, OSError) as error:
        raise HTTPException(500, str(error)) from error
    return PlainTextResponse("written")


def _read_vote(site: Site, body: bytes) -> tuple[str, Pick]:
    try:
        fields = json.loads(body)
        name = fields.pop("take")
        pick = Pick(**fields)
        pick = Pick(vote=Vote(pick.vote), note=pick.note, key=pick.key)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise HTTPException(400, "this is no vote") from error
    if not all(isinstance(text, str) and _is_text(text) for text in (name, pick.note, pick.key)):
        raise HTTPException(400, "this is no vote")
    if name not in {take.name for take in site.live.report.takes}:
        raise HTTPException(404, "there is no such take")
    return name, pick


def _is_text(text: str) -> bool:
    """Whether a TOML file, and whoever reads it on a terminal, can hold it."""
    return not any(unicodedata.category(sign) in {"Cc", "Cs"} and sign not in "\n\t\r" for sign in text)


def _file(site: Site, request: Request) -> Response:
    path = request.path_params["path"]
    file_path = _resolve(site, _version_of(site.live.report, path, request.query_params.get("v")))
    return FileResponse(file_path, media_type=MEDIA_TYPES[file_path.suffix])


def _resolve(site: Site, path: str) -> Path:
    """The file, if it is one of ours: of a known kind, not hidden, below outputs when all links are followed."""
    missing = HTTPException(404, "there is no such file")
    try:
        file_path = (site.outputs / path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise missing from error
    if not file_path.is_relative_to(site.outputs) or not file_path.is_file() or file_path.suffix not in MEDIA_TYPES:
        raise missing
    if any(part.startswith(".") for part in file_path.relative_to(site.outputs).parts):
        raise missing
    return file_path


def _version_of(report: Report, path: str, version: str | None) -> str:
    """Where the asked version of an audio file lies now: who still plays the former one must not get a mixture."""
    if version is None:
        return path
    for take in report.takes:
        if take.audio == f"../{path}" and take.key8 != version:
            return next((old.audio.removeprefix("../") for old in take.former if old.key8 == version), path)
    return path
