"""Votes sent by the page -> the site's `vote`; whatever else is sent is refused."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

from renderer.errors import RendererError, SpecError, UsageError
from renderer.serve.access_key import equal, is_own
from renderer.spec.picks import Pick, Vote

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from renderer.serve.site import Site

MAX_VOTE_BYTES = 64_000


async def receive_vote(site: Site, request: Request) -> Response:
    """Write a vote down: of this server's own page, on a take that the report shows."""
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
    except (UsageError, SpecError) as error:
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
