"""Folders of weights told apart, each wrong one with its way out."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from renderer.errors import ModelError
from renderer.models.catalog import identity, layouts, looked, zoo
from tests.models.ace_step.layouts import write_bundle, write_dit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def config(folder: Path, **values: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))


def another_pipeline(folder: Path) -> None:
    (folder / "model_index.json").write_text('{"_class_name": "StableAudioPipeline"}')


def another_model(folder: Path) -> None:
    config(folder, model_type="llama")


def an_lm(folder: Path) -> None:
    config(folder, model_type="qwen3", vocab_size=217_204)


def the_text_encoder(folder: Path) -> None:
    config(folder, model_type="qwen3", vocab_size=151_669)


def the_vae(folder: Path) -> None:
    config(folder, _class_name="AutoencoderOobleck")


def a_lonely_dit(folder: Path) -> None:
    config(folder, model_type="acestep")


def several_dits(folder: Path) -> None:
    for name in ("acestep-v15-base", "acestep-v15-sft"):
        config(folder / name, model_type="acestep")


def weights_alone(folder: Path) -> None:
    (folder / "model.safetensors").touch()


def pickles(folder: Path) -> None:
    (folder / "pytorch_model.bin").touch()


def nothing(_: Path) -> None:
    pass


def torn_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def config_with_mark(folder: Path) -> None:
    (folder / "config.json").write_text("{}", encoding="utf-8-sig")


def config_in_utf16(folder: Path) -> None:
    (folder / "config.json").write_text("{}", encoding="utf-16")


@pytest.mark.parametrize(
    ("make", "message", "way_out"),
    [
        (another_pipeline, "holds another model", "AceStepPipeline"),
        (another_model, "holds another model", "model_type `llama`"),
        (an_lm, "is a 5 Hz LM, not a model set", "lm = "),
        (the_text_encoder, "is the text encoder, not a model set", "name the folder that holds it and the DiT"),
        (the_vae, "is a VAE alone", "name the folder that holds it and the DiT"),
        (a_lonely_dit, "has no `vae` in it or beside it", "put (or link) the bundle's `vae` beside it"),
        (several_dits, "holds 2 DiTs: acestep-v15-base, acestep-v15-sft", "name one of them"),
        (weights_alone, "holds weights without a config.json", "fetch the repository whole"),
        (pickles, "holds weights in a format that isn't read", "pickles can run code"),
        (nothing, "holds no model set", "neither model_index.json nor config.json"),
        (torn_config, "is no JSON", "fetch the model again"),
        (config_with_mark, "is no JSON", "it begins with a byte-order mark"),
        (config_in_utf16, "is no JSON", "it is UTF-16"),
    ],
)
def test_a_folder_that_is_no_model_set_says_what_it_is(
    tmp_path: Path, make: Callable[[Path], None], message: str, way_out: str
) -> None:
    make(tmp_path)

    with pytest.raises(ModelError) as raised:
        zoo.resolve(str(tmp_path))
    assert message in raised.value.message
    assert way_out in f"{raised.value.why} {raised.value.help}"


def test_a_name_that_is_neither_known_nor_a_folder_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelError) as raised:
        zoo.model_facts("turbo-xl")
    assert "xl-turbo" in raised.value.help


def test_the_text_encoder_is_no_lm(tiny_set: Path, tmp_path: Path) -> None:
    the_text_encoder(tmp_path)

    with pytest.raises(ModelError, match="is the text encoder, not an LM"):
        zoo.resolve(str(tiny_set), str(tmp_path))


def test_a_bundle_with_several_dits_means_turbo_unless_one_is_named(tiny_set: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints")
    write_dit(tiny_set, bundle / "acestep-v15-sft")

    whole, named = (zoo.resolve(str(folder)).files for folder in (bundle, bundle / "acestep-v15-sft"))
    assert whole is not None
    assert named is not None
    assert (whole.dit, named.dit) == (str(bundle / "acestep-v15-turbo"), str(bundle / "acestep-v15-sft"))
    assert whole.lm == str(bundle / "acestep-5Hz-lm-1.7B")
    assert whole.vae == named.vae == str(bundle / "vae")


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ({"is_turbo": True}, "turbo"),
        ({"model_version": "turbo"}, "turbo"),
        ({"is_turbo": False, "model_version": "sft"}, "sft"),
        ({"model_version": "base"}, "base"),
        ({}, "base"),
    ],
)
def test_a_checkpoints_kind_is_its_own_word(found: dict[str, object], kind: str) -> None:
    assert layouts.kind_of(found) == kind


def moved(folder: Path, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(to)
    return to


def linked_away(bundle: Path, elsewhere: Path) -> Path:
    """The DiT lies elsewhere, under another name; what belongs to it lies beside the link."""
    dit = bundle / "acestep-v15-turbo"
    dit.symlink_to(moved(dit, elsewhere / "blobs" / "f8e893"))
    return dit


def linked_in(bundle: Path, elsewhere: Path) -> Path:
    """The link lies alone; what belongs to the DiT lies beside what it leads to."""
    link = elsewhere / "my-turbo"
    link.parent.mkdir()
    link.symlink_to(bundle / "acestep-v15-turbo")
    return link


def linked_twice(bundle: Path, elsewhere: Path) -> Path:
    """A link to a link: what belongs to the DiT lies beside the one in the middle."""
    middle = linked_away(bundle, elsewhere)
    link = elsewhere / "latest"
    link.symlink_to(middle)
    return link


def relatively(bundle: Path, _: Path) -> Path:
    dit = bundle / "acestep-v15-turbo"
    moved(dit, bundle / "sets" / "one")
    dit.symlink_to("sets/one")
    return dit


def below_a_link(bundle: Path, elsewhere: Path) -> Path:
    """Not the DiT's folder, but the one above it."""
    elsewhere.symlink_to(bundle)
    return elsewhere / "acestep-v15-turbo"


def part_by_part(bundle: Path, elsewhere: Path) -> Path:
    """Each of the four lies somewhere else."""
    for name in ("acestep-v15-turbo", "vae", "Qwen3-Embedding-0.6B", "acestep-5Hz-lm-1.7B"):
        (bundle / name).symlink_to(moved(bundle / name, elsewhere / name / name[::-1]))
    return bundle


def file_by_file(bundle: Path, elsewhere: Path) -> Path:
    """As in the hub's cache."""
    for number, path in enumerate(sorted(path for path in bundle.rglob("*") if path.is_file())):
        path.symlink_to(moved(path, elsewhere / "blobs" / str(number)))
    return bundle / "acestep-v15-turbo"


@pytest.mark.slow
@pytest.mark.parametrize(
    "linking", [linked_away, linked_in, linked_twice, relatively, below_a_link, part_by_part, file_by_file]
)
def test_links_are_followed_and_both_sides_are_looked_at(
    tiny_set: Path, tmp_path: Path, linking: Callable[[Path, Path], Path]
) -> None:
    plain = write_bundle(tiny_set, tmp_path / "plain") / "acestep-v15-turbo"
    named = linking(write_bundle(tiny_set, tmp_path / "checkpoints"), tmp_path / "elsewhere")

    facts, files = zoo.model_facts(str(named)), zoo.resolve(str(named)).files
    expected = zoo.resolve(str(plain)).files
    assert files is not None
    assert expected is not None
    assert (facts.kind, facts.shifts) == ("turbo", (1.0, 2.0, 3.0))
    assert looked.faults(files) == {}
    parts = ("dit", "vae")
    assert [identity.identity(files)[part] for part in parts] == [identity.identity(expected)[part] for part in parts]


def test_a_published_name_counts_on_either_side_of_a_link(tiny_set: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints", dit="acestep-v15-turbo-shift3")
    linked_in(write_bundle(tiny_set, tmp_path / "other"), tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "mine").symlink_to(bundle / "acestep-v15-turbo-shift3")

    assert zoo.model_facts(str(tmp_path / "elsewhere" / "mine")).shifts == (3.0,)


def a_weights_file(folder: Path) -> str:
    return str(folder / "acestep-5Hz-lm-1.7B" / "model.safetensors")


def a_dead_link(folder: Path) -> str:
    (folder / "lm").symlink_to("gone")
    return str(folder / "lm")


def a_link_to_itself(folder: Path) -> str:
    (folder / "lm").symlink_to("lm")
    return str(folder / "lm")


def a_pipe(folder: Path) -> str:
    os.mkfifo(folder / "lm")
    return str(folder / "lm")


def nowhere(folder: Path) -> str:
    return str(folder / "lm")


def a_name_no_drive_takes(folder: Path) -> str:
    return str(folder / ("l" * 300))


@pytest.mark.parametrize(
    ("naming", "words"),
    [
        (a_weights_file, "is a file where a folder belongs"),
        (a_dead_link, "which isn't there"),
        (a_link_to_itself, "a link that leads to itself"),
        (a_pipe, "a pipe or a device"),
        (nowhere, "there is no LM"),
        (a_name_no_drive_takes, "there is no LM"),
    ],
)
def test_a_place_that_is_no_folder_says_what_it_is(
    tiny_set: Path, tmp_path: Path, naming: Callable[[Path], str], words: str
) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints")

    with pytest.raises(ModelError) as raised:
        zoo.resolve(str(bundle), naming(bundle))
    assert words in f"{raised.value.message} {raised.value.why}"
    assert raised.value.help


@pytest.mark.parametrize("name", ["vae", "Qwen3-Embedding-0.6B"])
def test_a_file_where_a_part_of_the_bundle_belongs_is_told_as_that(tiny_set: Path, tmp_path: Path, name: str) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints")
    (bundle / name).rename(bundle / "aside")
    (bundle / name).write_text("see the other drive")

    with pytest.raises(ModelError, match="is a file where a folder belongs") as raised:
        zoo.resolve(str(bundle))
    assert name in raised.value.message
