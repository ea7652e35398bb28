"""Who may talk to the served page: whoever opened the address that its command printed, from that page itself.

127.0.0.1 belongs to every user of the machine, and every site a browser shows may send requests there.
"""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEY = "key"
REFUSED = "open the address that the command printed: it holds this page's key\n"


def equal(offered: str, secret: str) -> bool:
    """Whether somebody knows a secret; told by no difference in time, whatever was offered."""
    return secrets.compare_digest(offered.encode("utf-8", "surrogatepass"), secret.encode())


def is_own(origin: str | None, host: str | None) -> bool:
    """Whether a request comes from a page of this server; programs, which name no origin, count as such."""
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == "http" and bool(host) and parts.netloc == host and not parts.path.strip("/")


class RequireKey:
    """Lets through who gives the key in the address, and from then on the browser that was given it as a cookie."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with 403, or let the application answer."""
        headers = Headers(scope=scope)
        # A browser keeps cookies by host, not by port: two servers would take each other's away.
        name = f"renderer-{headers.get('host', '').rpartition(':')[2]}"
        offered = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(KEY, [""])[0]
        knows = equal(offered, self._key)
        if not knows and not equal(_cookie(headers.get("cookie", ""), name), self._key):
            await PlainTextResponse(REFUSED, 403)(scope, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            if knows and message["type"] == "http.response.start":
                cookie = f"{name}={self._key}; Path=/; HttpOnly; SameSite=Strict"
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
