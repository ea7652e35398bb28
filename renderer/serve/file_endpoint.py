"""Requested paths -> files below outputs, audio by ranges and in the version that the page plays; nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse

from renderer.formats.table import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from renderer.report import Report
    from renderer.serve.site import Site

MEDIA_TYPES = {
    **{row.suffix: row.media_type for row in FORMATS.values()},
    ".webp": "image/webp",
    ".toml": "text/plain; charset=utf-8",
}


def send_file(site: Site, request: Request) -> Response:
    """The file, if it is one that the page may ask for."""
    path = request.path_params["path"]
    file = _resolve(site, _version_of(site.live.report, path, request.query_params.get("v")))
    return FileResponse(file, media_type=MEDIA_TYPES[file.suffix])


def _resolve(site: Site, path: str) -> Path:
    """The file, if it is one of ours: of a known kind, not hidden, below outputs when all links are followed."""
    missing = HTTPException(404, "there is no such file")
    try:
        file = (site.outputs / path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise missing from error
    if not file.is_relative_to(site.outputs) or not file.is_file() or file.suffix not in MEDIA_TYPES:
        raise missing
    if any(part.startswith(".") for part in file.relative_to(site.outputs).parts):
        raise missing
    return file


def _version_of(report: Report, path: str, version: str | None) -> str:
    """Where the asked version of an audio file lies now: who still plays the former one must not get a mixture."""
    if version is None:
        return path
    for take in report.takes:
        if take.audio == f"../{path}" and take.key8 != version:
            return next((old.audio.removeprefix("../") for old in take.former if old.key8 == version), path)
    return path
