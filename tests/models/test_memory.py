"""What fits is known before anything is loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renderer.errors import ModelError, ResourceError
from renderer.models import memory
from renderer.models.ace_step import needs
from renderer.models.ace_step.protocol.names import ENCODER
from renderer.models.ace_step.stages import FAMILY
from renderer.models.catalog.zoo import resolve
from renderer.models.model_files import ModelFiles, PartSettings, Settings
from tests.models.ace_step.layouts import write_bundle

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings(device="cpu", dtype="auto", threads=1, lm_slots=4, vae_tile=512, vae_overlap=64)


def files_of(folder: Path) -> ModelFiles:
    files = resolve(str(folder)).files
    assert files is not None
    return files


def test_weights_are_counted_from_the_headers_in_either_layout(tiny_set: Path, tmp_path: Path) -> None:
    import torch
    from diffusers import AceStepTransformer1DModel
    from diffusers.pipelines.ace_step import AceStepConditionEncoder

    with torch.device("meta"):
        dit, condition = (
            cls.from_config(cls.load_config(tiny_set, subfolder=name))
            for cls, name in (
                (AceStepTransformer1DModel, "transformer"),
                (AceStepConditionEncoder, "condition_encoder"),
            )
        )
    counted = needs.parameters(files_of(tiny_set), "dit")
    assert counted["dit"] == sum(tensor.numel() for tensor in dit.state_dict().values())
    assert counted["condition_encoder"] == sum(tensor.numel() for tensor in condition.state_dict().values())

    bundle = needs.parameters(files_of(write_bundle(tiny_set, tmp_path / "bundle", num_shards=3)), "dit")
    # Silence lies in a file of its own there, and the null condition in none of the four.
    apart = condition.silence_latent.numel() + condition.null_condition_emb.numel()
    assert sum(bundle.values()) == sum(counted.values()) - apart


def test_half_the_dtype_is_half_the_weights(tiny_set: Path) -> None:
    files = files_of(tiny_set)
    for part in (part for part in FAMILY.parts if part != ENCODER):  # always in float32
        whole = memory.need(part, files, SETTINGS, 60.0)
        half = memory.need(part, files, replace(SETTINGS, dtype="bfloat16"), 60.0)
        assert whole.weights == 2 * half.weights > 0
        assert whole.work > half.work > 0


def test_longer_takes_and_more_slots_need_more(tiny_set: Path) -> None:
    files = files_of(tiny_set)

    assert memory.need("dit", files, SETTINGS, 240.0).work > memory.need("dit", files, SETTINGS, 60.0).work
    slots = [memory.need("lm", files, replace(SETTINGS, lm_slots=count), 60.0).work for count in (1, 2, 5)]
    assert slots[2] - slots[0] == 4 * (slots[1] - slots[0]) > 0
    # Tiles bound the VAE, however long the take is.
    assert memory.need("vae", files, SETTINGS, 240.0) == memory.need("vae", files, SETTINGS, 60.0)


@pytest.mark.parametrize(
    ("part", "advice", "fraction"),
    [
        ("lm", "--lm-slots 2, or --lm-slots 1, or --dtype bfloat16", 0.6),
        ("vae", "--vae-tile 64 --vae-overlap 8", 0.3),
        ("dit", "takes of 60 s", 0.3),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(tiny_set: Path, part: str, advice: str, fraction: float) -> None:
    files = files_of(tiny_set)
    wanted = memory.need(part, files, SETTINGS, 240.0).total

    with pytest.raises(ResourceError) as raised:
        memory.refuse_if_too_large(part, files, SETTINGS, 240.0, free=int(wanted * fraction))
    assert "doesn't fit into memory" in raised.value.message
    assert "240 s takes" in raised.value.why
    assert advice in raised.value.help
    memory.refuse_if_too_large(part, files, SETTINGS, 240.0, free=wanted)


def test_a_file_that_is_no_safetensors_is_named(tiny_set: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "bundle")
    (bundle / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"<html>not found</html>")

    with pytest.raises(ModelError, match="can't be read as safetensors"):
        memory.need("vae", files_of(bundle), SETTINGS, 60.0)


def test_on_mlx_an_lm_that_is_too_large_is_offered_in_8_bits(tiny_set: Path) -> None:
    files = replace(files_of(tiny_set), lm=str(tiny_set / "lm"))
    on_mlx = replace(SETTINGS, lm_slots=1, parts=(PartSettings(part="lm", device="mlx"),))
    whole = memory.need("lm", files, on_mlx, 60.0)
    held = memory.need("lm", replace(files, lm_quantization="8bit"), on_mlx, 60.0)

    assert (whole.work, whole.weights * 9 // 32) == (held.work, held.weights)
    with pytest.raises(ResourceError) as refused:
        memory.refuse_if_too_large("lm", files, on_mlx, 60.0, free=held.total)
    assert "--lm-quantization 8bit" in refused.value.help
