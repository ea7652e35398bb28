"""What a file is that stands where safetensors belong: told from its first bytes, with the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.models.catalog.regular_file import FETCH_AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED = "fetch the published safetensors: renderer models fetch NAME"
HEAD_BYTES = 1024
"""What has to be read of a file to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSign:
    """A kind of file, told from how it begins."""

    description: str
    """`a Git LFS pointer, …`, as it stands behind `it is`."""
    help: str
    begins: Callable[[bytes], bool]


def _with(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _as_page(head: bytes) -> bool:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--", b"<script"))


def _as_answer(head: bytes) -> bool:
    # The length of a header may begin with a brace's number, too; zeros follow it then.
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) and b"\0" not in head


def _as_text(head: bytes) -> bool:
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        return False
    return bool(text.strip()) and all(letter.isprintable() or letter.isspace() for letter in text)


def _as_nothing(head: bytes) -> bool:
    return bool(head) and not head.strip(b"\0")


SIGNS = (
    FileSign(
        description="a Git LFS pointer, which only names the file",
        help="run `git lfs pull` where it was cloned, or fetch the model again: renderer models fetch NAME",
        begins=_with(b"version https://git-lfs", b"version https://hawser"),
    ),
    FileSign(
        description="a web page: an answer of a hub or a proxy was saved in its place",
        help=f"{FETCH_AGAIN} (by hand: the link under `download`, not the page of the file)",
        begins=_as_page,
    ),
    FileSign(
        description="JSON: an answer of a hub was saved in its place",
        help=FETCH_AGAIN,
        begins=_as_answer,
    ),
    FileSign(
        description="GGUF, weights quantised for llama.cpp or ComfyUI, which aren't read",
        help=PUBLISHED,
        begins=_with(b"GGUF", b"FUGG", b"GGML", b"ggml", b"lmgg"),
    ),
    FileSign(
        description="a pickle of torch.save, which isn't read because pickles can run code",
        help=PUBLISHED,
        begins=_with(b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
    ),
    FileSign(
        description="a zip: a pickle of torch.save, which isn't read because pickles can run code, or an archive",
        help="unpack it where it is an archive, else fetch the published safetensors: renderer models fetch NAME",
        begins=_with(b"PK\x03\x04", b"PK\x05\x06"),
    ),
    FileSign(
        description="a packed archive",
        help="unpack it",
        begins=_with(b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"BZh"),
    ),
    FileSign(
        description="a side file of a Mac (`._…`), without the content of the one it is called after",
        help="copy the file itself",
        begins=_with(b"\x00\x05\x16\x07", b"\x00\x05\x16\x00"),
    ),
    FileSign(
        description="HDF5, weights of another framework, which aren't read", help=PUBLISHED, begins=_with(b"\x89HDF")
    ),
    FileSign(
        description="nothing but zeros: it was given its length and never its content",
        help=FETCH_AGAIN,
        begins=_as_nothing,
    ),
    FileSign(description="a text", help=FETCH_AGAIN, begins=_as_text),
)
"""The kinds that are met in place of weights, the more telling first."""


def recognise(head: bytes) -> FileSign | None:
    """The kind of file that begins with `head`; None where that says nothing."""
    return next((kind for kind in SIGNS if kind.begins(head)), None)


def why_no_json(content: bytes) -> str:
    """What a file is that should be JSON; empty where it begins like some, and only its reader knows what is wrong."""
    if not content:
        return "it is empty"
    if content.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte-order mark, which an editor put there"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16, saved so by an editor; JSON is UTF-8"
    kind = None if content.lstrip().startswith(b"{") else recognise(content[:HEAD_BYTES])
    return f"it is {kind.description}" if kind else ""
