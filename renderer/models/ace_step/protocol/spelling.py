"""Field lines as the tokenizer itself spells them: the only spelling that training texts have.

A grammar over text lets a name or a value be put together from any pieces that make it. Knows no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from renderer.models.kernels.masks import pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt
    from tokenizers import Tokenizer

Tree = dict[int, "Tree"]
"""Token -> what may follow it; empty where a spelling ends."""


class FieldSpellings:
    """The spellings of all fields' lines, and the masks that keep a row to them."""

    def __init__(
        self, tokenizer: Tokenizer, texts: Sequence[bytes], values: Mapping[str, Iterable[object] | None]
    ) -> None:
        """`texts` are the tokens' bytes; `values` each field's possible values, None for a text the LM makes up."""
        self._tokenizer, self._texts = tokenizer, texts
        self._marks = pack(np.array([not text[:1].isalpha() for text in texts]))
        self._open = {
            name: self._name(name) if some is None else self._lines(name, some) for name, some in values.items()
        }

    def tree(self, values: Mapping[str, object]) -> Tree:
        """What lines may come, from their first token on; `values` holds the fields whose value is settled.

        Names begin with different letters, so that no two fields share a first token.
        """
        settled = {name: self._lines(name, [value]) for name, value in values.items() if value is not None}
        return {token: then for lines in {**self._open, **settled}.values() for token, then in lines.items()}

    def restrict(self, place: Tree, mask: npt.NDArray[np.int32], *, at_line_start: bool) -> None:
        """Take from a mask [words] whatever leaves the spellings that go on from `place`.

        At the start of a line only what begins with a letter is a field's name: the block's own marks and a caption's
        indented lines stay as they are.
        """
        kept = self._marks.copy() if at_line_start else np.zeros_like(mask)
        tokens = np.fromiter(place, dtype=np.int64, count=len(place))
        np.bitwise_or.at(kept.view(np.uint32), tokens // 32, np.uint32(1) << (tokens % 32).astype(np.uint32))
        mask &= kept

    def _lines(self, name: str, values: Iterable[object]) -> Tree:
        tree: Tree = {}
        for value in values:
            place = tree
            for token in self._encode(f"{name}: {value}\n"):
                place = place.setdefault(token, {})
        return tree

    def _name(self, name: str) -> Tree:
        """The name alone, up to the token that ends it."""
        tree: Tree = {}
        place, spelled = tree, 0
        for token in self._encode(f"{name}: a"):
            if spelled >= len(name):
                break
            place = place.setdefault(token, {})
            spelled += len(self._texts[token])
        return tree

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)
