"""What our pages may load and run: their own style and script, by digest, and sound beside them."""

from __future__ import annotations

import base64
import hashlib


def content_policy(style: str, script: str, *, images: bool, connect: str = "") -> str:
    """The Content-Security-Policy of a page with this style and script; `connect`, where it has a word on requests."""
    # `file:` because a page opened from disk has no origin that 'self' could name.
    rules = (
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        "media-src 'self' file:",
        "img-src 'self' file:" if images else "",
        f"connect-src {connect}" if connect else "",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rule for rule in rules if rule)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
