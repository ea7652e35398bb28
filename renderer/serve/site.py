"""The report over HTTP, for this machine only: live takes, votes written at once, audio by ranges.

Knows a `Report` and a folder; who renders, and when, is not its business. Needs the extra `renderer[serve]`.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Route

from renderer.errors import UsageError
from renderer.report import Served, render_page
from renderer.serve.access_key import KEY, RequireKey
from renderer.serve.file_endpoint import send_file
from renderer.serve.headers import SetHeaders
from renderer.serve.live import LiveReport, events_of
from renderer.serve.request_deadline import RequestDeadline
from renderer.serve.vote_endpoint import receive_vote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from renderer.spec.picks import Pick

HOST = "127.0.0.1"


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
    middleware = [
        Middleware(SetHeaders),
        Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
        Middleware(RequireKey, key=site.key),
    ]
    return Starlette(routes=_routes(site), middleware=middleware)


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


def _routes(site: Site) -> list[Route]:
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
        return await receive_vote(site, request)

    async def no_icon(request: Request) -> Response:
        del request
        return PlainTextResponse("", 204)

    async def file(request: Request) -> Response:
        return send_file(site, request)

    return [
        Route("/", home),
        Route("/report/", page),
        Route("/report/index.html", page),
        Route("/report/events", events),
        Route("/report/picks", votes, methods=["POST"]),
        Route("/favicon.ico", no_icon),
        Route("/{path:path}", file),
    ]


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
