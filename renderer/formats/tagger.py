"""What a kind of file needs for tags; a module of functions is one, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.formats.names import Tags


class Tagger(Protocol):
    """Where a kind of file keeps tags beside its sound."""

    def begins(self, head: bytes) -> bool:
        """Whether a file whose first four bytes these are, ID3 tags before it aside, is to be read by this."""

    def tag(self, path: Path, tags: Tags) -> None:
        """Replace the tags of a file; the sound stays as it is.

        Raises: OSError; TagError when it is no such file or isn't whole, or the tags are longer than it takes.
        """

    def read_tags(self, file: BinaryIO) -> dict[str, str]:
        """The tags, by our names, of a file that begins where `file` stands.

        Raises: OSError; TagError when it is no such file, cut or damaged.
        """

    def sound(self, file: BinaryIO) -> Iterator[bytes]:
        """The bytes that tags leave alone.

        Raises: OSError; TagError as above.
        """
