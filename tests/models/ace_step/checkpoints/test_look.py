"""What would be found wrong when a part is loaded is found before anything runs, whatever file it is in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from renderer.models.ace_step.checkpoints.look import look
from renderer.models.ace_step.checkpoints.reads import files_of as files_read
from renderer.models.ace_step.stages import FAMILY
from renderer.models.catalog import identity, looked
from renderer.models.catalog.zoo import resolve
from tests.models.ace_step import damage
from tests.models.ace_step.layouts import write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from renderer.models.model_files import ModelFiles

LAYOUTS = ("bundle", "shards", "diffusers")


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def sets(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    write_bundle(tiny_set, folder / "bundle")
    write_bundle(tiny_set, folder / "shards", num_shards=2)
    shutil.copytree(tiny_set, folder / "diffusers")
    return folder


@pytest.fixture(params=LAYOUTS)
def files(request: pytest.FixtureRequest, sets: Path) -> ModelFiles:
    """A set in each layout; damage is undone after each try."""
    return found_in(sets / request.param)


def found_in(folder: Path) -> ModelFiles:
    files = resolve(str(folder)).files
    assert files is not None
    return files


def told(files: ModelFiles, part: str) -> list[str]:
    return [f"{error.message}\n{error.why}\n{error.help}" for error in look(part, files)]


def tries(files: ModelFiles, kinds: Any, suffix: str = "") -> Iterator[tuple[str, Path, list[str]]]:
    """Each kind of damage on each file that ends so: what was done, to which file, and what is told of its part."""
    for path, part in damage.read_files(files).items():
        for kind, damaging in kinds.items() if path.name.endswith(suffix) else ():
            content, times = path.read_bytes(), path.stat()
            damaging(path)
            yield kind, path, told(files, part)
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kinds", "suffix"),
    [(damage.ANY_FILE, ""), (damage.HEADER, ".safetensors"), (damage.SAVED, ".safetensors")],
    ids=["what can happen to any file", "damaged headers", "whole files with other tensors"],
)
def test_each_file_broken_in_each_way_is_named(files: ModelFiles, kinds: Any, suffix: str) -> None:
    assert not [words for part in FAMILY.parts for words in told(files, part)]

    silent = [(kind, path.name) for kind, path, found in tries(files, kinds, suffix) if path.name not in str(found)]

    # A template may lie in the tokenizer's settings instead: without its own file that one is asked for.
    assert silent == []


def test_the_dtypes_that_weights_come_in_are_right(files: ModelFiles) -> None:
    assert [(kind, path) for kind, path, found in tries(files, damage.SOUND, ".safetensors") if found] == []


@pytest.mark.slow
def test_one_flipped_bit_anywhere_in_a_header_is_found_where_it_changes_a_tensor(sets: Path) -> None:
    """Held against safetensors' own reader: what it refuses is refused, what it reads otherwise is refused, too."""
    files = found_in(sets / "bundle")
    (path,) = (one.path for one in files_read("dit", files) if one.name == "model.safetensors")
    content, before = path.read_bytes(), description(path)
    length = int.from_bytes(content[:8], "little")
    wrong = []
    for place in range(8, 8 + length, 41):
        for bit in (0, 2, 6):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            if bool(told(files, "dit")) != (description(path) != before):
                wrong.append((place, bit, description(path)))
    path.write_bytes(content)

    assert wrong == []


def description(path: Path) -> object:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
            return {name: (one.get_shape(), one.get_dtype()) for name, one in slices.items()}
    except SafetensorError:
        return None


def other_pickle(path: Path) -> None:
    torch.save({"code": print}, path)


def flat(path: Path) -> None:
    torch.save(torch.ones(8, 15_000), path)


def shorter(path: Path) -> None:
    torch.save(torch.ones(1, 8, 14_999), path)


def whole_numbers(path: Path) -> None:
    torch.save(torch.ones(1, 8, 15_000, dtype=torch.int64), path)


def without_its_numbers(path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if "/data/0" not in name}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)


def encrypted_by_a_bit(path: Path) -> None:
    """A bit of the zip's directory that a drive changed."""
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "breaking", [other_pickle, flat, shorter, whole_numbers, without_its_numbers, encrypted_by_a_bit]
)
def test_silence_that_is_none_is_told_without_running_its_pickle(
    tiny_set: Path, tmp_path: Path, breaking: Callable[[Path], None]
) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "bundle")
    breaking(bundle / "acestep-v15-turbo" / "silence_latent.pt")

    (found,) = told(found_in(bundle), "dit")
    assert "silence_latent.pt" in found


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_silence_as_it_is_saved_in_whatever_way_is_right(tiny_set: Path, tmp_path: Path, kind: torch.dtype) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "bundle")
    path = bundle / "acestep-v15-turbo" / "silence_latent.pt"
    silence = torch.rand(1, 8, 15_000).to(kind)
    for saved in (silence, torch.nn.Parameter(silence), torch.rand(1, 8, 16_000).to(kind)[:, :, :15_000]):
        torch.save(saved, path)
        assert told(found_in(bundle), "dit") == []
    torch.save(silence, path, _use_new_zipfile_serialization=False)
    assert told(found_in(bundle), "dit") == []


def as_archive(path: Path) -> None:
    torch.save(damage.tensors_of(path), path)


def as_gguf(path: Path) -> None:
    path.write_bytes(b"GGUF\x03\0\0\0" + bytes(500))


def as_answer(path: Path) -> None:
    path.write_text('{"error": "Repository not found"}')


def as_side_file(path: Path) -> None:
    path.write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + b"\xff\xb0" * 40)


def all_in_one(path: Path) -> None:
    prefixes = {"decoder.": "model.diffusion_model.", "encoder.": "text_encoders.ace15."}
    tensors = {}
    for name, tensor in damage.tensors_of(path).items():
        beginning = next((one for one in prefixes if name.startswith(one)), "")
        tensors[prefixes.get(beginning, "vae.") + name.removeprefix(beginning)] = tensor
    save_file(tensors, path)


def fp8(path: Path) -> None:
    save_file({name: tensor.to(torch.float8_e5m2) for name, tensor in damage.tensors_of(path).items()}, path)


def scaled(path: Path) -> None:
    tensors = damage.tensors_of(path)
    name = next(one for one in tensors if one.endswith("q_proj.weight"))
    save_file({**tensors, f"{name}.absmax": torch.ones(4)}, path)


@pytest.mark.parametrize(
    ("making", "what", "way_out"),
    [
        (damage.make_pointer, "a Git LFS pointer", "git lfs pull"),
        (damage.make_page, "a web page", "fetch the model again"),
        (as_answer, "an answer of a hub", "fetch the model again"),
        (as_gguf, "GGUF", "fetch the published safetensors"),
        (as_archive, "a pickle of torch.save", "fetch the published safetensors"),
        (as_side_file, "a side file of a Mac", "copy the file itself"),
        (damage.zeros, "nothing but zeros", "fetch the model again"),
        (damage.empty, "it is empty", "fetch the model again: renderer models fetch NAME"),
        (damage.make_folder, "is a folder where a file belongs", "fetch the model again"),
        (damage.make_pipe, "is a named pipe where a file belongs", "fetch the model again"),
        (all_in_one, "is an all-in-one file", "fetch the published set"),
        (fp8, "are F8_E5M2", "none of the quantised ones"),
        (scaled, "is a scale of quantised weights", "none of the quantised ones"),
    ],
)
def test_what_stands_in_place_of_weights_is_called_by_its_name(
    tiny_set: Path, tmp_path: Path, making: Callable[[Path], None], what: str, way_out: str
) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "bundle")
    making(bundle / "acestep-v15-turbo" / "model.safetensors")

    found = told(found_in(bundle), "dit")

    assert len(found) == 1
    assert what in found[0]
    assert way_out in found[0]
    assert "model.safetensors" in found[0]


@pytest.mark.parametrize(
    ("name", "lying"),
    [("model.safetensors.aria2", b""), ("model.safetensors.crdownload", None), ("model.safetensors.part", None)],
)
def test_a_download_that_is_not_finished_is_told_as_that(
    tiny_set: Path, tmp_path: Path, name: str, lying: bytes | None
) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "bundle")
    weights = bundle / "acestep-v15-turbo" / "model.safetensors"
    (weights.with_name(name)).write_bytes(lying or b"half")
    if lying is None:
        weights.unlink()

    (found,) = told(found_in(bundle), "dit")
    assert "its download isn't finished" in found
    assert name in found


def edited(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "values", "words"),
    [
        ("transformer", {"hidden_size": "32"}, "hidden_size = 32"),
        ("transformer", {"hidden_size": 32.0}, "a whole number is expected"),
        ("transformer", {"num_hidden_layers": 10**9}, "no checkpoint is that large"),
        ("transformer", {"num_hidden_layers": True}, "a whole number is expected"),
        ("transformer", {"num_key_value_heads": 3}, "no multiple of num_key_value_heads"),
        ("transformer", {"layer_types": ["full_attention"]}, "layer_types names 1 of 2 layers"),
        ("transformer", {"layer_types": ["full", "full"]}, "layer_types"),
        ("condition_encoder", {"layer_types": []}, "layer_types names 0 of 2 layers"),
        ("audio_tokenizer", {"layer_types": []}, "layer_types names 0 of 1 layers"),
        ("text_encoder", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e6}}, "rope_type = linear"),
        ("text_encoder", {"hidden_act": "gelu"}, "hidden_act = gelu"),
        ("lm", {"rope_parameters": {"rope_type": 3}}, "rope_type = 3"),
        ("lm", {"rope_parameters": {}}, "says no 'rope_theta'"),
        ("vae", {"downsampling_ratios": None}, "downsampling_ratios = None"),
        ("transformer", {"rope_theta": None}, "rope_theta = None"),
        ("transformer", {"audio_acoustic_hidden_dim": 16}, "proj_out_conv"),
        ("condition_encoder", {"timbre_hidden_dim": [8]}, "timbre_hidden_dim = [8]"),
        ("audio_tokenizer", {"fsq_input_levels": [8, "5", 5, 5]}, "fsq_input_levels"),
        ("audio_token_detokenizer", {"pool_window_size": 0}, "pool_window_size = 0"),
        ("vae", {"channel_multiples": [1, 1]}, "different length"),
        ("vae", {"decoder_input_channels": 16}, "decoder.conv1.weight_v"),
        ("text_encoder", {"head_dim": 7}, "rotations go in pairs"),
        ("text_encoder", {"model_type": "llama"}, "model_type = llama"),
        ("lm", {"num_hidden_layers": None}, "num_hidden_layers = None"),
        ("lm", {"layer_types": ["sliding_attention", "full_attention"]}, "is no 5 Hz LM"),
    ],
)
def test_a_config_that_can_not_be_is_told_with_its_value(
    tiny_set: Path, tmp_path: Path, place: str, values: dict[str, object], words: str
) -> None:
    shutil.copytree(tiny_set, tmp_path / "set")
    edited(tmp_path / "set" / place / "config.json", **values)
    files = found_in(tmp_path / "set")

    found = [words for part in FAMILY.parts for words in told(files, part)]
    assert any(words in one and place in one for one in found), found


def test_components_of_other_widths_do_not_belong_together(tiny_set: Path, tmp_path: Path) -> None:
    from diffusers import AutoencoderOobleck

    shutil.copytree(tiny_set, tmp_path / "set")
    vae = tmp_path / "set" / "vae"
    config = {**AutoencoderOobleck.load_config(vae), "decoder_input_channels": 16}
    AutoencoderOobleck.from_config(config).save_pretrained(vae)

    (found,) = told(found_in(tmp_path / "set"), "vae")
    assert "don't belong together" in found
    assert "decoder_input_channels is 16, audio_acoustic_hidden_dim is 8" in found


@pytest.mark.parametrize(
    "words",
    [
        {"rope_parameters": {"rope_theta": 1_000_000.0, "rope_type": "default"}},
        {"rope_parameters": {"rope_theta": 1_000_000.0}},
        {"rope_theta": 1_000_000, "rope_parameters": None},
        {"rope_theta": 1_000_000, "rope_parameters": {"rope_type": "default"}},
        {
            "rope_parameters": {
                "full_attention": {"rope_theta": 1_000_000.0, "rope_type": "default"},
                "sliding_attention": {"rope_theta": 1_000_000.0, "rope_type": "default"},
            }
        },
    ],
)
def test_the_base_of_the_rotations_is_read_wherever_transformers_writes_it(
    tiny_set: Path, tmp_path: Path, words: dict[str, object]
) -> None:
    from renderer.models.ace_step.checkpoints.components import find_component

    bundle = write_bundle(tiny_set, tmp_path / "bundle")
    path = bundle / "acestep-v15-turbo" / "config.json"
    config = json.loads(path.read_text())
    del config["rope_theta"]
    path.write_text(json.dumps({**config, **words}))

    files = found_in(bundle)
    assert told(files, "dit") == []
    assert find_component(files, "dit").module.rope_theta == 1_000_000


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({}, "says no 'rope_theta'"),
        ({"rope_parameters": {}}, "says no 'rope_theta'"),
        ({"rope_parameters": {"rope_theta": 1e6, "rope_type": "yarn"}}, "rope_type = yarn"),
        ({"rope_theta": 1e6, "rope_parameters": {"rope_theta": 1e4}}, "more than one rope_theta"),
        ({"rope_parameters": {"rope_theta": "1e6"}}, "rope_theta = 1e6"),
    ],
)
def test_other_rotations_are_refused(tiny_set: Path, tmp_path: Path, words: dict[str, object], reason: str) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "bundle")
    path = bundle / "acestep-v15-turbo" / "config.json"
    config = json.loads(path.read_text())
    del config["rope_theta"]
    path.write_text(json.dumps({**config, **words}))

    assert any(reason in one for one in told(found_in(bundle), "dit"))


def test_all_faults_are_told_at_once(tiny_set: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "bundle", num_shards=3)
    dit = bundle / "acestep-v15-turbo"
    damage.make_page(dit / "silence_latent.pt")
    damage.cut_by_one(bundle / "Qwen3-Embedding-0.6B" / "model.safetensors")
    damage.cut_by_half(bundle / "Qwen3-Embedding-0.6B" / "tokenizer.json")

    found = told(found_in(bundle), "dit")
    assert len(found) == 3
    for name in ("silence_latent.pt", "Qwen3-Embedding-0.6B/model.safetensors", "tokenizer.json"):
        assert any(name in one for one in found)


def test_what_was_found_sound_is_looked_at_again_only_when_a_file_changes(sets: Path, tmp_path: Path) -> None:
    files = found_in(sets / "bundle")
    memory = tmp_path / "cache" / "renderer" / "looked.json"

    assert looked.faults(files) == {}
    marks = json.loads(memory.read_text())
    assert len(marks) == len(FAMILY.parts)
    assert looked.faults(files) == {}
    assert json.loads(memory.read_text()) == marks

    path = sets / "bundle" / "vae" / "diffusion_pytorch_model.safetensors"
    content = path.read_bytes()
    damage.cut_by_one(path)
    (fault,) = looked.faults(files)["vae"]
    assert "its end is missing, 1 byte:" in fault.why
    assert len(json.loads(memory.read_text())) == len(FAMILY.parts)
    path.write_bytes(content)
    memory.write_text("torn")
    assert looked.faults(files) == {}


def test_what_lies_beside_the_files_that_are_read_changes_no_digest(files: ModelFiles) -> None:
    before = identity.identity(files)
    beside = []
    for path in damage.read_files(files):
        for name in (
            *("notes.txt", "LICENSE.txt", "README.md", "configuration.json", "generation_config.json", ".DS_Store"),
            *(f"._{path.name}", f"{path.name}.bak", f"old-{path.name}", "model-00009-of-00009.safetensors"),
            *("merges.txt", "vocab.json", "special_tokens_map.json", "added_tokens.json", "optimizer.pt", "Thumbs.db"),
        ):
            if not (path.parent / name).exists():
                (path.parent / name).write_bytes(b"\x00\x05\x16\x07 something else")
                beside.append(path.parent / name)

    after = identity.identity(files)
    faults = [words for part in FAMILY.parts for words in told(files, part)]
    for path in beside:
        path.unlink()

    assert len(beside) > 40
    assert after == before
    assert faults == []


@pytest.mark.slow
def test_looking_imports_no_torch(sets: Path) -> None:
    script = f"""
import sys
from renderer.models.catalog import identity
from renderer.models.catalog import looked
from renderer.models.catalog import zoo
for name in {LAYOUTS!r}:
    files = zoo.resolve({str(sets)!r} + "/" + name).files
    assert not looked.faults(files)
    identity.identity(files)
print([name for name in ("torch", "transformers", "diffusers") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"
