"""What a hub answers, or doesn't, in a line each: what happened and what to do. No torch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from renderer.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = {"http", "https"}
UNAUTHORISED, FORBIDDEN, NOT_FOUND, PROXY_ASKS, TOO_MANY, SERVER_FAULTS = 401, 403, 404, 407, 429, 500
RESUMES = "fetch again: it resumes"
UNSEEN = "check HF_ENDPOINT where it is set; a private repository needs `hf auth login` first"
SIGN_IN = "`hf auth login` writes a new one; with neither that nor HF_TOKEN none is sent"
NETWORK = {"TransportError", "ConnectionError", "TimeoutException", "TimeoutError", "OfflineModeIsEnabled"}
"""Classes of errors of whatever library asks: nobody answered."""


def check_address(address: str) -> None:
    """Whether a hub can be asked at what HF_ENDPOINT says.

    Raises: ModelError with the way to write it.
    """
    said = os.environ.get("HF_ENDPOINT", address)
    try:
        parts = urlsplit(address)
        # A scheme where the host belongs: it was written twice.
        sound = parts.scheme in SCHEMES and parts.hostname not in {None, *SCHEMES} and parts.port != 0
    except ValueError:
        sound = False
    if sound and address.isascii() and not any(letter.isspace() or letter in "\"'" for letter in address):
        return
    host = said.strip(" \"'").rpartition("://")[2].partition(":")[0].strip("/ ")
    plain = host.isascii() and "." in host and not any(letter.isspace() for letter in host)
    example = f"HF_ENDPOINT=https://{host}" if plain else "HF_ENDPOINT=https://hf-mirror.com"
    raise ModelError(f"HF_ENDPOINT is `{said}`, which is no address of a hub: write it like {example}, or unset it")


def hub_error(error: Exception, repo: str, revision: str, address: str) -> ModelError:
    """The error for what came back when a repository was asked for."""
    cause = _cause(error)
    response = getattr(cause, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(cause, UnicodeError):
        return ModelError("the token for the hub holds letters that no token has: write HF_TOKEN anew, or unset it")
    if isinstance(status, int):
        return _answered(status, dict(getattr(response, "headers", {})), cause, repo, revision)
    if _is_network(cause):
        return ModelError(
            f"the hub can't be reached at {address} ({_first_line(cause)}): check the network"
            f"{' and HF_ENDPOINT' if 'HF_ENDPOINT' in os.environ else ''}, then {RESUMES}"
        )
    return ModelError(
        f"{address} doesn't answer as a hub does (a web page of a proxy or a login?): "
        f"check HF_ENDPOINT where it is set, or sign in to the network, then {RESUMES}"
    )


def _cause(error: BaseException) -> BaseException:
    """The first that a server's answer or the network caused: huggingface_hub tells what it tried instead."""
    seen: list[BaseException] = []
    now: BaseException | None = error
    while now is not None and now not in seen:
        seen.append(now)
        now = now.__cause__ or now.__context__
    with_answer = (one for one in seen if getattr(one, "response", None) is not None)
    network = (one for one in seen if _is_network(one) or isinstance(one, UnicodeError))
    return next(with_answer, None) or next(network, None) or error


def _is_network(error: BaseException) -> bool:
    # By name: huggingface_hub changes the library that it asks with.
    return bool(NETWORK & {kind.__name__ for kind in type(error).__mro__})


def _answered(status: int, headers: Mapping[str, str], error: BaseException, repo: str, revision: str) -> ModelError:
    words = {
        UNAUTHORISED: f"the hub shows no `{repo}` at revision {revision[:8]} (401): {UNSEEN}",
        FORBIDDEN: f"the hub refuses `{repo}` (403): accept the terms on its page, then `hf auth login`",
        NOT_FOUND: f"the hub shows no `{repo}` at revision {revision[:8]} (404): {UNSEEN}",
        PROXY_ASKS: "a proxy asks who you are (407): write user and password into HTTPS_PROXY",
        TOO_MANY: f"the hub was asked too often (429): later{_when(headers)}, {RESUMES}; signed in, it allows more",
    }
    if status == UNAUTHORISED and _has_token():
        told = f"the hub doesn't take the token it is sent (401, asked for `{repo}`): {SIGN_IN}"
    elif status >= SERVER_FAULTS:
        told = f"the hub is out of order ({status}): later{_when(headers)}, {RESUMES}"
    else:
        told = words.get(status, f"the hub refuses `{repo}` ({status}): {_first_line(error)}")
    return ModelError(told)


def _when(headers: Mapping[str, str]) -> str:
    seconds = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
    return f" (in {seconds} s, it says)" if str(seconds).isdecimal() else ""


def _has_token() -> bool:
    from huggingface_hub import get_token  # noqa: PLC0415 - 0.2 s

    return bool(get_token())


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(".")
