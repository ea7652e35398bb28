"""Whole renders with the LM on MLX, through real workers; in 8 bits, too, and where that can't be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from safetensors.numpy import load_file

from renderer.errors import ModelError, SpecError
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from tests.pipeline.conftest import Songs

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.plan.jobs import Plan
    from renderer.run.executor import Executor


def planned(spec: Path, device: str, **options: object) -> Plan:
    given = Options(device=device, dtype="float32", threads=1, **options)  # type: ignore[arg-type]
    return Project(select((str(spec),), given).takes, given).plan()


def rendered(spec: Path, outputs: Path, device: str, **options: object) -> tuple[list[list[int]], list[str]]:
    """Codes and keys of a song's first take."""
    given = Options(outputs=outputs, device=device, dtype="float32", threads=1, first_seed=True, **options)  # type: ignore[arg-type]
    summary = render(Project(select((str(spec),), given).takes, given), listen=lambda _: None)
    assert not summary.failures
    assert len(summary.rendered) == 1
    paths = sorted((outputs / ".store" / "codes").rglob("*.safetensors"))
    return [load_file(path)["codes"].tolist() for path in paths], [take.key for take in summary.plan.takes]


@pytest.mark.slow
def test_takes_made_on_mlx_have_torchs_codes_and_others_in_8_bits(
    tmp_path: Path, wide_set: Path, executor: Executor
) -> None:
    pytest.importorskip("mlx.core")
    spec = Songs(tmp_path / "project", wide_set, executor).write("night-bus")

    by_torch, here = rendered(spec, tmp_path / "torch", "cpu")
    by_mlx, there = rendered(spec, tmp_path / "mlx", "mlx")
    rounded, held = rendered(spec, tmp_path / "rounded", "mlx", lm_quantization="8bit")

    assert by_torch == by_mlx != []
    assert rounded != by_mlx
    assert len({*here, *there, *held}) == 3
    recipe = (tmp_path / "rounded" / "night-bus" / "night-bus.s1.toml").read_text("utf-8")
    assert 'lm_quantization = "8bit"' in recipe
    assert "weights of 8 bits in groups of 64" in recipe


def test_8_bits_are_in_the_keys_of_what_the_lm_makes_and_their_absence_in_none(songs: Songs) -> None:
    pytest.importorskip("mlx.core")
    plain = songs.write("night-bus")
    said = planned(plain, "mlx", lm_quantization="8bit")
    (before, *_), (after, *_) = planned(plain, "mlx").takes, said.takes
    songs.edit("night-bus", "[metas]", '[inference]\nlm_quantization = "8bit"\n[metas]')

    assert before.keys["codes"] != after.keys["codes"]
    assert planned(plain, "mlx").takes[0].keys == after.keys
    assert planned(plain, "mlx", lm_quantization="none").takes[0].keys == before.keys
    assert {job.settings.numerics.words for job in said.jobs if job.part == "lm"} == {
        "float32, masked attention, weights of 8 bits in groups of 64, on mlx"
    }


def test_8_bits_elsewhere_are_refused_where_specs_say_so(songs: Songs) -> None:
    spec = songs.write("night-bus")
    songs.edit("night-bus", "[metas]", '[inference]\nlm_quantization = "8bit"\n[variants.wide]\nlm_top_k = 3\n[metas]')
    text = spec.read_text("utf-8").splitlines()

    with pytest.raises(SpecError) as refused:
        planned(spec, "cpu")

    (fault,) = refused.value.diagnostics
    assert fault.message == "`cpu` can't hold the LM in 8 bits"
    assert fault.span is not None
    assert fault.span.line == text.index('lm_quantization = "8bit"') + 1
    assert "--device mlx" in fault.help


def test_8_bits_of_an_lm_that_does_not_run_are_no_matter(songs: Songs) -> None:
    spec = songs.write("night-bus")
    off = "thinking = false\nuse_cot_metas = false\n"
    songs.edit("night-bus", "[metas]", f'[inference]\nlm_quantization = "8bit"\n{off}[metas]')

    assert [job.stage for job in planned(spec, "cpu").jobs if job.part == "lm"] == []


def test_8_bits_asked_for_on_the_command_line_without_mlx_say_what_to_install(
    songs: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = songs.write("night-bus")
    monkeypatch.setattr("renderer.models.device.has_mlx", lambda: False)

    with pytest.raises(ModelError, match="can't hold the LM in 8 bits") as refused:
        planned(spec, "cpu", lm_quantization="8bit")

    assert "pip install 'renderer[mlx]' and give --device mlx" in refused.value.help
