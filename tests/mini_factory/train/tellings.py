"""Shards with their texts as token ids: what worker processes prepare while the device learns. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from tests.mini_factory.composer.kin import kin
from tests.mini_factory.composer.song import draw
from tests.mini_factory.train.shards import is_held_out, read_shard
from tests.mini_factory.train.texts import codes_lesson, cot_lesson, dit_texts, edit_texts
from tests.mini_factory.vocabulary import IM_END

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from tests.mini_factory.train.shards import Encoded

    Ids = npt.NDArray[np.int16]
    Tellings = list[tuple[str, str]]

TEXT_WIDTH = 128
LYRIC_WIDTH = 192
"""Tokens; the composer's prompts have at most 112 and 162."""
TEXT_VARIANTS = 4
LESSON_WIDTHS = (256, 384, 512, 608)
"""The LM's rows are padded to one of these, so that there are few shapes."""
CODES_VARIANTS = 3
COT_VARIANTS = 2
EDIT_TASKS = ("cover", "repaint")
EDIT_VARIANTS = 2
"""Tellings for each."""
PADDING = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Songs for the DiT."""

    lengths: list[int]
    """Codes of each song."""
    latents: npt.NDArray[np.float16]
    codes: npt.NDArray[np.int16]
    texts: Ids
    """[songs, tellings, TEXT_WIDTH]; the first telling asks for a song without codes."""
    lyrics: Ids
    """[songs, LYRIC_WIDTH]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Sequences for the LM, of one padded width."""

    ids: Ids
    """[rows, width]."""
    starts: npt.NDArray[np.int16]
    """Where each row's answer starts."""


def told(tokenizer: Path, shard: Path) -> tuple[Told | None, Told | None]:
    """The shard's songs to learn from and those held out, with the DiT's texts."""
    songs = list(read_shard(shard))
    return tuple(  # type: ignore[return-value]
        _told(tokenizer, [song for song in songs if is_held_out(song.seed) == held_out]) for held_out in (False, True)
    )


def told_kin(tokenizer: Path, shard: Path) -> tuple[Told | None, Told | None]:
    """The same of a shard of kin, one's songs behind each other: tellings for text2music as in `told`, then for edits.

    A song's number in the shard is four times its kin's seed and its place there.
    """
    songs = list(read_shard(shard))
    return tuple(  # type: ignore[return-value]
        _told(tokenizer, [song for song in songs if is_held_out(song.seed // 4) == held_out], _tell_of_kin)
        for held_out in (False, True)
    )


def _tell(seed: int) -> Tellings:
    rng, piece = np.random.default_rng([seed, 3]), draw(seed)
    return [dit_texts(piece, rng, with_codes=index > 0) for index in range(TEXT_VARIANTS)]


def _tell_of_kin(number: int) -> Tellings:
    seed, place = divmod(number, 4)
    rng, piece = np.random.default_rng([number, 3]), kin(seed).pieces[place]
    plain = [dit_texts(piece, rng, with_codes=index > 0) for index in range(TEXT_VARIANTS)]
    return [*plain, *(edit_texts(piece, rng, task) for task in EDIT_TASKS for _ in range(EDIT_VARIANTS))]


def _told(tokenizer: Path, songs: list[Encoded], tell: Callable[[int], Tellings] = _tell) -> Told | None:
    if not songs:
        return None
    texts, lyrics = [], []
    for song in songs:
        tellings = tell(song.seed)
        texts.append(padded(tokenised(tokenizer, [text for text, _ in tellings]), TEXT_WIDTH))
        lyrics.append(padded(tokenised(tokenizer, [tellings[0][1]]), LYRIC_WIDTH)[0])
    return Told(
        lengths=[len(song.codes) for song in songs],
        latents=np.concatenate([song.latents for song in songs]),
        codes=np.concatenate([song.codes for song in songs]),
        texts=np.stack(texts),
        lyrics=np.stack(lyrics),
    )


def lessons(tokenizer: Path, shard: Path) -> tuple[dict[tuple[str, int], Rows], dict[tuple[str, int], Rows]]:
    """The LM's rows by kind (`cot`, `codes`) and width: of songs to learn from and of those held out."""
    sorted_rows: tuple[dict[tuple[str, int], list[tuple[list[int], int]]], ...] = ({}, {})
    for song in read_shard(shard):
        for kind, row, start in _lessons(tokenizer, song):
            width = next((width for width in LESSON_WIDTHS if width >= len(row)), None)
            if width is not None:
                sorted_rows[is_held_out(song.seed)].setdefault((kind, width), []).append((row, start))
    taught, held_out = ({key: _rows(rows, key[1]) for key, rows in by_key.items()} for by_key in sorted_rows)
    return taught, held_out


def _lessons(tokenizer: Path, song: Encoded) -> list[tuple[str, list[int], int]]:
    piece = draw(song.seed)
    rng = np.random.default_rng([song.seed, 4])
    cots = [cot_lesson(piece) for _ in range(COT_VARIANTS)]
    plays = [codes_lesson(piece, rng) for _ in range(CODES_VARIANTS)]
    first_code, end = _specials(tokenizer)
    codes = [first_code + code for code in song.codes.tolist()]
    asked = tokenised(tokenizer, [lesson.prompt for lesson in (*cots, *plays)])
    whole = tokenised(tokenizer, [lesson.prompt + lesson.answer for lesson in cots])
    made = [("cot", [*ids, end], len(prompt)) for ids, prompt in zip(whole, asked[:COT_VARIANTS], strict=True)]
    return [*made, *(("codes", [*ids, *codes, end], len(ids)) for ids in asked[COT_VARIANTS:])]


def _rows(rows: list[tuple[list[int], int]], width: int) -> Rows:
    return Rows(
        ids=padded([row for row, _ in rows], width), starts=np.array([start for _, start in rows], dtype=np.int16)
    )


def tokenised(tokenizer: Path, texts: list[str]) -> list[list[int]]:
    """Token ids of texts, control tokens among them, as transformers gives them."""
    return [encoding.ids for encoding in _tokenizer(tokenizer).encode_batch(texts)]


def padded(rows: list[list[int]], width: int) -> Ids:
    """Rows cut or padded to a width."""
    ids = np.full((len(rows), width), PADDING, dtype=np.int16)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values[:width]
    return ids


@cache
def _tokenizer(path: Path) -> Tokenizer:
    return Tokenizer.from_file(str(path))


@cache
def _specials(path: Path) -> tuple[int, int]:
    first_code, end = (_tokenizer(path).token_to_id(token) for token in ("<|audio_code_0|>", IM_END))
    assert first_code is not None
    assert end is not None
    return first_code, end
