"""The training: a stopped course goes on, texts are what rendering sends, and every stage runs at a tiny scale."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from renderer.facts import SAMPLES_PER_LATENT
from renderer.models.catalog.zoo import MINI_FOLDER as WEIGHTS
from renderer.models.kernels.cuda_graph import eager
from tests.mini_factory.composer.kin import KIN
from tests.mini_factory.composer.song import draw
from tests.mini_factory.train.codec import encode_song, quicken_snakes
from tests.mini_factory.train.course import Budget, Course, Pace
from tests.mini_factory.train.lm import soften
from tests.mini_factory.train.shards import Encoded, ShardReader, is_held_out, read_shard, write_shard
from tests.mini_factory.train.tellings import lessons, told
from tests.mini_factory.train.texts import dit_texts
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NEVER_TAUGHT = {"null_condition_emb", "timbre_encoder.special_token"}
"""Turbo runs without guidance, and timbre's first token is read, not this one."""
PACE = Pace(peak=3e-2, betas=(0.9, 0.99), decay=0.0, keep=0.5)


def encoded(seed: int) -> Encoded:
    codes = np.arange(20, dtype=np.int16) + seed
    return Encoded(seed=seed, latents=np.full((100, 64), seed, dtype=np.float16), codes=codes)


def drawn(number: int) -> Encoded:
    """A short song of a kin, as if encoded."""
    rng = np.random.default_rng(number)
    return Encoded(
        seed=number,
        latents=rng.standard_normal((400, 64)).astype(np.float16),
        codes=rng.integers(0, 1_000, 80).astype(np.int16),
    )


def learn_double(kept: Path, *, rounds: int) -> tuple[torch.nn.Linear, Course]:
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    numbers = torch.linspace(-1, 1, 8)[:, None]
    course = Course(
        [model],
        lambda batch: (model(batch) - 2 * batch).pow(2).mean(),
        pace=PACE,
        budget=Budget(rounds=200, seconds=1_000),
        kept=kept,
        launch=eager,
    )
    while course.done < rounds:
        course.learn(numbers)
        course.done += 1
    course.run("double", lambda: (numbers,), lambda: (model(numbers) - 2 * numbers).pow(2).mean(), every=50)
    return model, course


def test_a_course_learns_and_leaves_the_best_mean_of_its_weights(tmp_path: Path) -> None:
    model, course = learn_double(tmp_path / "double.pt", rounds=0)

    assert course.done == 200
    assert abs(model.weight.item() - 2) < 0.05
    assert course.best_loss < 1e-3
    assert not model.training


def test_a_course_that_was_stopped_goes_on_where_it_stood(tmp_path: Path) -> None:
    kept = tmp_path / "double.pt"
    whole, _ = learn_double(tmp_path / "whole.pt", rounds=0)
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    numbers = torch.linspace(-1, 1, 8)[:, None]

    def course() -> Course:
        return Course(
            [model],
            lambda batch: (model(batch) - 2 * batch).pow(2).mean(),
            pace=PACE,
            budget=Budget(rounds=200, seconds=1_000),
            kept=kept,
            launch=eager,
        )

    stopped = course()
    for _ in range(70):
        stopped.learn(numbers)
        stopped.done += 1
    stopped._keep()
    with torch.no_grad():
        model.weight.fill_(-5)  # what another process would find: the random set

    again = course()
    assert again.done == 70
    again.run("double", lambda: (numbers,), lambda: (model(numbers) - 2 * numbers).pow(2).mean(), every=50)
    assert again.done == 200
    assert torch.allclose(model.weight, whole.weight, atol=1e-4)


def test_no_round_is_begun_when_the_time_is_over(tmp_path: Path) -> None:
    model = torch.nn.Linear(1, 1)
    course = Course(
        [model],
        lambda batch: model(batch).pow(2).mean(),
        pace=PACE,
        budget=Budget(rounds=10_000, seconds=1e-9),
        kept=tmp_path / "short.pt",
        launch=eager,
    )

    course.run("short", lambda: (torch.ones(2, 1),), lambda: torch.zeros(()), every=1)

    assert course.done == 1


def test_the_dit_reads_in_training_what_rendering_sends_it(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    write_shard(tmp_path, 0, [encoded(seed) for seed in (0, 1, 2)])

    taught, held_out = told(WEIGHTS / "tokenizer" / "tokenizer.json", tmp_path / "00000.safetensors")

    assert taught is not None
    assert held_out is not None
    assert (is_held_out(1), taught.lengths, held_out.lengths) == (True, [20, 20], [20])
    text, lyrics = dit_texts(draw(2), np.random.default_rng([2, 3]), with_codes=False)
    tokens = AutoTokenizer.from_pretrained(WEIGHTS / "tokenizer", local_files_only=True)
    assert [code for code in taught.texts[1, 0].tolist() if code >= 0] == tokens(text).input_ids
    assert [code for code in taught.lyrics[1].tolist() if code >= 0] == tokens(lyrics).input_ids


def test_the_lm_s_rows_end_with_the_song_s_codes(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    write_shard(tmp_path, 0, [encoded(seed) for seed in (0, 1)])

    taught, held_out = lessons(WEIGHTS / "lm" / "tokenizer.json", tmp_path / "00000.safetensors")

    tokens = AutoTokenizer.from_pretrained(WEIGHTS / "lm", local_files_only=True)
    assert {kind for kind, _ in taught} == {"cot", "codes"} == {kind for kind, _ in held_out}
    for (kind, _), rows in taught.items():
        for row, start in zip(rows.ids.tolist(), rows.starts.tolist(), strict=True):
            answer = tokens.decode([token for token in row[start:] if token >= 0])
            if kind == "codes":
                assert answer == "".join(f"<|audio_code_{code}|>" for code in range(20)) + "<|im_end|>"
            else:
                assert answer.startswith("<think>\nbpm: ")


def test_latents_that_lie_channel_by_channel_in_memory_are_kept(tmp_path: Path) -> None:
    latents = np.random.default_rng(0).normal(size=(64, 100)).astype(np.float16).T
    codes = np.arange(20, dtype=np.int16)

    write_shard(tmp_path, 0, [Encoded(seed=seed, latents=latents, codes=codes) for seed in (0, 1)])

    for song in read_shard(tmp_path / "00000.safetensors"):
        assert np.array_equal(song.latents, latents)


@pytest.mark.slow
def test_shards_that_appear_later_are_handed_out_once(tmp_path: Path) -> None:
    reader = ShardReader(tmp_path, partial(told, WEIGHTS / "tokenizer" / "tokenizer.json"), 1)
    write_shard(tmp_path, 0, [encoded(0)])
    first = list(reader.first(60))
    write_shard(tmp_path, 1, [encoded(2)])
    second = list(reader.first(60))
    reader.close()

    assert [taught.codes[0] for taught, _ in (*first, *second) if taught is not None] == [0, 2]
    both = ShardReader(tmp_path, partial(told, WEIGHTS / "tokenizer" / "tokenizer.json"), 1)
    assert len(list(both.first(60, least=2))) == 2
    both.close()
    with pytest.raises(TimeoutError, match="no encoded songs"):
        list(ShardReader(tmp_path / "nowhere", str, 1).first(0.1))


@pytest.mark.slow
def test_encoding_in_tiles_is_encoding_the_whole() -> None:
    from tests.mini_factory.encoder import make_encoder
    from tests.mini_factory.sizes import MINI

    torch.manual_seed(0)
    encoder = make_encoder(MINI)
    sound = 0.1 * torch.randn(2, 150 * SAMPLES_PER_LATENT)
    with torch.no_grad():
        whole = encoder(sound[None]).chunk(2, dim=1)[0][0].T
    quicken_snakes(encoder)

    assert torch.allclose(encode_song(encoder, sound).float(), whole, atol=1e-3)


def test_the_layout_for_tensor_cores_changes_no_sound(tiny_set: Path) -> None:
    from tests.mini_factory.encoder import make_encoder
    from tests.mini_factory.sizes import TINY
    from tests.mini_factory.train.codec import quicken_convolutions
    from tests.mini_factory.train.stages import load_parts

    torch.manual_seed(0)
    encoder, decoder = make_encoder(TINY), load_parts(tiny_set, "cpu")["vae"].decoder
    sound, latents = 0.1 * torch.randn(1, 2, 20 * SAMPLES_PER_LATENT), torch.randn(1, 8, 20)
    with torch.no_grad():
        plain = encoder(sound), decoder(latents)
        quicken_convolutions(encoder, decoder)
        quick = encoder(sound), decoder(latents)

    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(plain, quick, strict=True))


@pytest.mark.slow
def test_turned_latents_sound_the_same_and_come_in_the_order_of_what_they_say(tiny_set: Path, tmp_path: Path) -> None:
    from tests.mini_factory.encoder import make_encoder
    from tests.mini_factory.sizes import TINY
    from tests.mini_factory.train.codec import Spectra, fold
    from tests.mini_factory.train.songs import SongPool
    from tests.mini_factory.train.stages import load_parts

    torch.manual_seed(0)
    encoder, decoder = make_encoder(TINY), load_parts(tiny_set, "cpu")["vae"].decoder
    pool = SongPool(range(2), device="cpu", folder=tmp_path, workers=1)
    pool.wait(2)
    sound = pool.crops(4, 32)

    def round_trip() -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            latents = encoder(sound).chunk(2, dim=1)[0]
            return latents, decoder(latents)

    _, before = round_trip()
    fold(encoder, decoder, Spectra("cpu"), pool, num_crops=16)
    latents, after = round_trip()

    inside = slice(8 * SAMPLES_PER_LATENT, -8 * SAMPLES_PER_LATENT)
    assert torch.allclose(before[..., inside], after[..., inside], atol=1e-3 * float(before.abs().max()))
    spreads = latents.transpose(1, 2).flatten(0, 1).std(0)
    assert spreads[0] > 2 * spreads[-1]
    assert 0.3 < spreads.square().mean() < 3


@pytest.mark.slow
def test_composers_stay_a_few_songs_ahead(tmp_path: Path) -> None:
    """Songs that are made faster than they are read must not fill the disk."""
    import time

    from tests.mini_factory.train import songs

    coming = songs.played(range(60), folder=tmp_path, workers=2, ahead=8)
    first, _ = next(coming)
    most = 0
    for _ in range(20):
        time.sleep(0.1)
        most = max(most, len(list(tmp_path.glob("*.raw"))))
    rest = [seed for seed, _ in coming]

    assert most <= 8 + songs.ORDERS_AT_ONCE
    assert sorted([first, *rest]) == list(range(60))
    assert not list(tmp_path.glob("*.raw"))


def test_no_songs_are_asked_for_and_none_come(tmp_path: Path) -> None:
    from tests.mini_factory.train.songs import played

    assert list(played([], folder=tmp_path, workers=1)) == []


@pytest.mark.slow
def test_a_stage_that_fails_ends_with_composers_waiting_for_room(tmp_path: Path) -> None:
    script = tmp_path / "stage.py"
    script.write_text(
        "from pathlib import Path\n"
        "from tests.mini_factory.train import songs\n"
        "if __name__ == '__main__':\n"
        "    songs.SONGS_AHEAD = 4\n"
        f"    pool = songs.SongPool(range(40), device='cpu', folder=Path({str(tmp_path)!r}), workers=1)\n"
        "    pool.wait(1)\n"
        "    raise SystemExit('out of memory')\n",
        "utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )

    assert done.returncode == 1
    assert "out of memory" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("autocast", [False, True])
def test_every_lesson_reaches_all_it_teaches(tiny_set: Path, autocast: bool) -> None:
    """Also in bfloat16, as on a GPU: a loss that can be followed back to each part."""
    from transformers import AutoModelForCausalLM

    from tests.mini_factory.encoder import make_encoder
    from tests.mini_factory.sizes import TINY
    from tests.mini_factory.train import codec, dit, edits, lm
    from tests.mini_factory.train.stages import load_parts, players_of

    torch.manual_seed(0)
    parts = load_parts(tiny_set, "cpu")
    encoder, decoder = make_encoder(TINY), parts["vae"].decoder
    quicken_snakes(encoder, decoder)
    codec.sing_in_float32(decoder)
    dit.hear_timbres_apart(parts["condition_encoder"])
    players = players_of(parts)
    spectra = codec.Spectra("cpu")
    vae = codec.VaeLessons(encoder=encoder, decoder=decoder, spectra=spectra, autocast=autocast)
    pair = codec.PairLessons(
        tokenizer=players.audio_tokenizer,
        detokenizer=players.detokenizer,
        ear=torch.randn(5 * 8, 6),
        autocast=autocast,
    )
    heard = codec.EarLessons(pair=pair, decoder=decoder, spectra=spectra)
    flow = dit.FlowLessons(players=players, autocast=autocast)
    edit = edits.EditLessons(players=players, autocast=autocast)
    mask = torch.ones(3, 50)
    model = AutoModelForCausalLM.from_pretrained(tiny_set / "lm", local_files_only=True, dtype=torch.float32)
    words = torch.randint(0, 300, (3, 40))
    words[1, 30:] = -1
    silent = torch.tensor([True, False, False])
    tokens = lm.TokenLessons(model=model, bench=lm.Bench(model.device, 600, 1_000), autocast=autocast)
    losses = (
        (vae.loss(0.1 * torch.randn(2, 2, 16 * SAMPLES_PER_LATENT)), (encoder, decoder)),
        (pair.loss(torch.randn(2, 4, 5, 8)), (pair.tokenizer, pair.detokenizer)),
        (heard.loss(torch.randn(2, 4, 5, 8)), (pair.tokenizer, pair.detokenizer)),
        (flow.loss(torch.randn(3, 50, 8), torch.randn(3, 50, 8), silent, words, words), (*players.taught,)),
        (
            edit.loss(torch.randn(3, 50, 8), torch.randn(3, 50, 8), mask, mask, words, words, torch.randn(1, 750, 8)),
            (*players.taught,),
        ),
        (tokens.loss(words, torch.tensor([10, 10, 10])), (model,)),
    )

    for loss, modules in losses:
        for module in modules:
            module.zero_grad(set_to_none=True)
        loss.backward()
        assert loss.isfinite()
        for module in modules:
            unheard = {name for name, parameter in module.named_parameters() if parameter.grad is None}
            assert unheard <= NEVER_TAUGHT


@pytest.mark.parametrize("with_reference", [False, True])
def test_the_dit_hears_in_training_what_it_hears_in_rendering(tiny_set: Path, with_reference: bool) -> None:
    """Padded, masked and in another order, and yet the same velocity; a reference beside songs without one."""
    from renderer.models.ace_step.dit.conditions import ConditionCache, Encoders, hints, read_timbre, silent_reference
    from renderer.models.ace_step.dit.plain import PlainDit
    from renderer.models.ace_step.protocol.text_tokens import TextTokens
    from tests.mini_factory.train import dit
    from tests.mini_factory.train.stages import load_parts, players_of
    from tests.mini_factory.train.tellings import padded

    parts = load_parts(tiny_set, "cpu")
    tokens, transformer = (
        TextTokens(Tokenizer.from_file(str(tiny_set / "tokenizer/tokenizer.json"))),
        parts["transformer"],
    )
    pair = (parts["audio_tokenizer"], parts["audio_token_detokenizer"])
    encoders = Encoders(
        tokens=tokens,
        text_encoder=parts["text_encoder"],
        condition_encoder=parts["condition_encoder"],
        audio_tokenizer=pair[0],
        audio_token_detokenizer=pair[1],
        read_timbre=read_timbre,
        timbre=read_timbre(parts["condition_encoder"], silent_reference(parts["condition_encoder"])),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    texts, codes = ("# Caption\nhouse", "# Lyric\nla la"), np.arange(10, dtype=np.int32)
    torch.manual_seed(0)
    reference = torch.randn(750, 8) if with_reference else None
    voice = None if reference is None else reference.numpy()
    rendering = ConditionCache(encoders).conditions(*texts, hints(encoders, codes), voice)
    noisy = torch.randn(1, 50, 8)
    expected = PlainDit(transformer).velocity(rendering)(noisy, 0.75)

    dit.hear_timbres_apart(parts["condition_encoder"])
    text, lyrics = (torch.from_numpy(padded(2 * [tokens.ids(text)], 60)).long() for text in texts)
    with torch.no_grad():
        rows = dit.conditions(players_of(parts), text, lyrics, None if reference is None else reference[None])
        heard, mask = (one[:1] for one in rows)
        made = dit.velocity(transformer, noisy, torch.tensor([0.75]), heard, mask, rendering.context)

    assert torch.allclose(made, expected, atol=1e-4)


def test_the_lm_is_softened_once(tiny_set: Path) -> None:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(tiny_set / "lm", local_files_only=True, dtype=torch.float32)
    soften(model)
    table = model.model.embed_tokens.weight
    assert abs(table.std().item() - 0.02) < 1e-3

    with torch.no_grad():
        table.mul_(3)
    soften(model)

    assert abs(table.std().item() - 0.06) < 3e-3


@pytest.mark.long
def test_all_stages_end_in_a_set_that_renders(tmp_path: Path) -> None:
    """The recipe at a fiftieth of its size; at a five-thousandth it runs in `test_every_stage_ends_in_a_set…`."""
    module = "tests.mini_factory.train"
    small = ["--scale", "0.02", "--minutes", "2", "--workers", "2"]
    subprocess.run([sys.executable, "-m", module, "all", "--work", str(tmp_path), *small], check=True)
    for stage, scale in (("kin", "0.0004"), ("edits", "0.002")):
        few = ["--scale", scale, "--minutes", "2", "--workers", "2"]
        subprocess.run([sys.executable, "-m", module, stage, "--work", str(tmp_path), *few], check=True)
    assert_renders(tmp_path)


@pytest.mark.slow
def test_every_stage_ends_in_a_set_that_renders(tmp_path: Path) -> None:
    from tests.mini_factory.train.__main__ import main

    for number, seed in enumerate((1_000_000, 1_000_001)):
        write_shard(tmp_path / "kin", number, [drawn(KIN * seed + place) for place in range(KIN)])
    for stage in ("codec", "dit", "lm", "edits"):
        main([stage, "--work", str(tmp_path), "--scale", "0.0001", "--workers", "1"])
    assert_renders(tmp_path)
    sizes = [path.stat().st_size for path in (tmp_path / "set").rglob("*") if path.is_file()]
    assert max(sizes) <= 16_000_000
    assert sum(sizes) <= 37_000_000


@pytest.mark.slow
def test_a_codec_builds_on_a_vae_taught_before(tmp_path: Path) -> None:
    from tests.mini_factory.train.__main__ import main

    taught = tmp_path / "taught"
    shutil.copytree(WEIGHTS / "vae", taught / "vae")
    main(["codec", "--work", str(tmp_path), "--scale", "0.0001", "--workers", "1", "--vae", str(taught)])

    for file in ("diffusion_pytorch_model.safetensors", "encoder/diffusion_pytorch_model.safetensors"):
        assert (tmp_path / "set" / "vae" / file).read_bytes() == (taught / "vae" / file).read_bytes()
    assert not (tmp_path / "courses" / "vae.pt").exists()


def assert_renders(work: Path) -> None:
    project = work / "project"
    (project / "specs").mkdir(parents=True)
    (project / "renderer.toml").write_text(f'model = "{work / "set"}"\n[output]\nformat = "wav"\n', "utf-8")
    (project / "specs" / "short.toml").write_text(
        'caption = "house"\nlyrics = "[Instrumental]"\nseeds = [1]\n[metas]\nbpm = 120\nduration = 10\n', "utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "renderer", "render", "--no-measure", "--threads", "1"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "outputs" / "short" / "short.s1.wav").stat().st_size > 1_000_000


def test_the_codec_s_loss_hears_a_wrong_chord_more_than_hiss() -> None:
    from tests.mini_factory.train.codec import Spectra

    spectra = Spectra("cpu")
    time = torch.arange(96_000) / 48_000

    def chord(*hertz: float) -> torch.Tensor:
        return 0.1 * sum(torch.sin(2 * torch.pi * each * time) for each in hertz).expand(1, 2, -1)  # type: ignore[union-attr]

    torch.manual_seed(0)
    major, minor = chord(220, 277.18, 329.63), chord(220, 261.63, 329.63)
    hissing = major + 1e-5 * torch.randn_like(major)

    assert spectra.distance(major, major).item() == 0
    assert spectra.distance(minor, major) > 5 * spectra.distance(hissing, major)
