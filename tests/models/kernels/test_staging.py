from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from renderer.models.kernels.staging import Range, pieces_of

if TYPE_CHECKING:
    from pathlib import Path

MOST = 1_000


def ranges(path: Path, *spans: tuple[int, int]) -> list[Range]:
    """Of a file of noise, each into memory of its own."""
    path.write_bytes(np.random.default_rng(1).bytes(max(end for _, end in spans)))
    return [Range(path=path, start=start, target=torch.zeros(end - start, dtype=torch.uint8)) for start, end in spans]


def test_tensors_side_by_side_are_read_at_once_and_each_gets_its_bytes(tmp_path: Path) -> None:
    side_by_side = ((0, 8), (8, 40), (40, 2_700), (2_700, 2_700), (2_700, 2_707))
    apart = ((3_000, 3_100), (3_101, 3_102), (5_000, 7_000))
    asked = ranges(tmp_path / "one", *side_by_side, *apart) + ranges(tmp_path / "two", (2_707, 2_800), (2_800, 4_000))

    pieces = list(pieces_of(reversed(asked), MOST))

    for piece in pieces:
        assert all((a.path, a.end) == (b.path, b.start) for a, b in pairwise(piece))
        assert piece[-1].end - piece[0].start <= MOST
        content = piece[0].path.read_bytes()[piece[0].start : piece[-1].end]
        for part in piece:
            at = part.start - piece[0].start
            part.target.copy_(torch.tensor(list(content[at : at + part.target.numel()]), dtype=torch.uint8))
    assert [(piece[0].start, piece[-1].end) for piece in pieces] == [
        *((0, 1_000), (1_000, 2_000), (2_000, 2_707), (3_000, 3_100), (3_101, 3_102), (5_000, 6_000), (6_000, 7_000)),
        *((2_707, 3_707), (3_707, 4_000)),
    ]
    for one in asked:
        assert bytes(one.target.tolist()) == one.path.read_bytes()[one.start : one.end]


def test_nothing_is_no_piece(tmp_path: Path) -> None:
    assert not list(pieces_of([Range(path=tmp_path, start=3, target=torch.zeros(0, dtype=torch.uint8))], MOST))
