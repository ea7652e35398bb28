"""What edits are taught by: covers keep what they keep, who plays like a voice sounds nearer to it, rows fit kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from renderer.facts import SAMPLE_RATE
from renderer.models.catalog.zoo import MINI_FOLDER
from tests.mini_factory.composer.kin import COVER, KIN, PLAYED, SONG, VOICE, kin, long_term, play_kin
from tests.mini_factory.train import edits
from tests.mini_factory.train.shards import Encoded, write_shard
from tests.mini_factory.train.tellings import told_kin

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SEEDS = (1_000_000, 1_000_003)


def test_a_kin_s_cover_keeps_all_but_style_and_words_of_it() -> None:
    for seed in range(1_000_000, 1_000_020):
        one = kin(seed)
        kept = {"mood", "bpm", "tonic", "mode", "timesignature", "duration", "lyrics", "language"}
        assert all(getattr(one.song, name) == getattr(one.cover, name) for name in kept)
        assert one.cover.style != one.song.style or one.song.style == "jazz waltz"


@pytest.mark.parametrize("seed", SEEDS)
def test_who_plays_like_a_voice_sounds_nearer_to_it(seed: int) -> None:
    song, _, played, voice = (long_term(sound) for sound in play_kin(kin(seed)))

    assert np.abs(played - voice).mean() < np.abs(song - voice).mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kin_is_as_long_as_told_and_does_not_clip(seed: int) -> None:
    one = kin(seed)
    for piece, sound in zip(one.pieces, play_kin(one), strict=True):
        assert sound.shape == (2, piece.duration * SAMPLE_RATE)
        assert float(np.abs(sound).max()) <= 0.9


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> edits.KinShelf:
    """Two kin whose latents tell whose they are: the first channel the song's place, the second the frame."""
    from tests.mini_factory.train.dit import Shelf
    from tests.mini_factory.train.stages import load_parts, players_of

    folder: Path = tmp_path_factory.mktemp("kin")
    songs = []
    for seed in SEEDS:
        for place, piece in enumerate(kin(seed).pieces):
            latents = np.zeros((25 * piece.duration, 64), dtype=np.float16)
            latents[:, 0], latents[:, 1] = place + 1, np.arange(len(latents)) / 1_000
            songs.append(
                Encoded(seed=KIN * seed + place, latents=latents, codes=np.zeros(5 * piece.duration, np.int16))
            )
    write_shard(folder, 0, songs)
    told, _ = told_kin(MINI_FOLDER / "tokenizer" / "tokenizer.json", folder / "00000.safetensors")
    assert told is not None
    players = players_of(load_parts(MINI_FOLDER, "cpu"))
    made = edits.KinShelf(Shelf(players, room_frames=20_000, channels=64), torch.full((1, 1_500, 64), -7.0))
    made.add(told)
    return made


def test_rows_are_given_what_their_kind_says(shelf: edits.KinShelf) -> None:
    torch.manual_seed(0)
    rows = shelf.rows(300, 200)
    kinds = edits.kinds_of(200, torch.device("cpu"))

    def of(name: str, tensor: torch.Tensor) -> torch.Tensor:
        return tensor[kinds == edits.kind(name)]

    made = {name: of(name, rows.latents)[:, :, 0] - 1 for name in edits.SHARES}
    assert {int(one) for one in made["voice"].unique()} == {PLAYED, VOICE}
    assert {int(one) for one in made["codes"].unique()} == {SONG, COVER}
    assert (of("silent", rows.source) == -7).all()
    assert torch.equal(of("cover-nofsq", rows.source)[:, :, 0] - 1, COVER - made["cover-nofsq"])
    # Around a window the source is heard as it is, in step; inside it is silence.
    source, latents = of("repaint", rows.source), of("repaint", rows.latents)
    around = source[:, :, 0] != -7
    assert 0 < around.float().mean() < 1
    assert torch.equal(source[around], latents[around])
    assert torch.equal(latents[:, 1:, 1] > latents[:, :-1, 1], torch.ones(len(latents), 299, dtype=torch.bool))
    explicit = of("repaint", rows.mask).min(dim=1).values == 0
    assert torch.equal(of("repaint", rows.mask)[explicit] > 0, ~around[explicit])
    assert 0 < int(explicit.sum()) < len(explicit)
    assert torch.allclose(rows.weight.mean(1), torch.ones(200), atol=1e-5)


def test_references_are_the_other_side_s(shelf: edits.KinShelf) -> None:
    torch.manual_seed(0)
    rows = shelf.rows(300, 100)

    assert rows.references.shape == (16, 750, 64)
    heard = (rows.references[:, :, 0].mean(1) - 1).round().int()
    asked = (rows.latents[:16, 0, 0] - 1).int()
    assert torch.equal(heard + asked, torch.full((16,), PLAYED + VOICE, dtype=torch.int32))


def test_a_full_shelf_holds_whole_kin(shelf: edits.KinShelf, tmp_path: Path) -> None:
    from tests.mini_factory.train.dit import Shelf

    songs = [
        Encoded(seed=KIN * SEEDS[0] + place, latents=np.zeros((500, 64), np.float16), codes=np.zeros(100, np.int16))
        for place in range(KIN)
    ]
    write_shard(tmp_path, 0, songs)
    told, _ = told_kin(MINI_FOLDER / "tokenizer" / "tokenizer.json", tmp_path / "00000.safetensors")
    assert told is not None
    small = edits.KinShelf(
        Shelf(shelf.shelf.players, room_frames=3_500, channels=64, together=KIN), torch.zeros(1, 1_500, 64)
    )
    for _ in range(2):
        small.add(told)

    assert len(small) == 1
    assert small.rows(300, 50).latents.shape == (50, 300, 64)


def test_frames_of_a_hit_count_more_and_a_steady_song_s_alike() -> None:
    latents = torch.zeros(2, 50, 8)
    latents[0, 20:] = 1.0

    counted = edits.hits(latents)

    assert torch.allclose(counted.mean(1), torch.ones(2), atol=1e-5)
    assert int(counted[0].argmax()) == 20
    assert float(counted[0, 20]) == pytest.approx(float(counted[0, 0]) * (1 + edits.HIT_WEIGHT * edits.MOST_HIT))
    assert torch.allclose(counted[1], torch.ones(50))


def test_half_of_what_is_taught_is_of_styles_with_an_unsure_beat() -> None:
    from tests.mini_factory.train.stages import UNSURE, is_taught

    taught = [kin(seed).song.style in UNSURE for seed in range(1_010_000, 1_010_400) if is_taught(seed)]

    assert 0.5 < np.mean(taught) < 0.85
