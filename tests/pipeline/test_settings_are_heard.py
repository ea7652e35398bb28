"""Each setting of [inference], moved off where it stood, gives other sound: rendered for real by the tiny set."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import soundfile

from renderer.settings import Inference, rows
from tests.pipeline.conftest import Songs
from tests.plan.test_settings_and_keys import another

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.run.executor import Executor

pytestmark = pytest.mark.slow

SPEC = """caption = "slow blues, upright bass"
lyrics = "[verse]\\nthe kettle hums, the lamp is low"
seeds = [1]
max_duration = 10
[inference]
inference_steps = 3
guidance_scale = 3.0
dcw_enabled = true
retake_variance = 0.3
retake_seed = 5
"""
ELSEWHERE = {"lm_quantization"}
"""What a CPU's torch refuses: `test_mlx.py` hears it."""
VALUES = {name: another(name) for name in rows(Inference) if name not in ELSEWHERE}
VALUES |= {"dcw_enabled": "false", "use_cot_caption": "true", "inference_steps": "4"}
"""Each setting off where it stands in that song: where it is another value than a spec that says nothing has."""
UNHEARD = {"dcw_wavelet": '"haar"'}
"""There is one."""


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path, executor: Executor) -> dict[str, bytes]:
    """Setting -> the samples of the take that differs in it alone; the song itself has the empty name."""
    folder = tmp_path_factory.mktemp("heard")
    # Undistilled, so that guidance and any number of steps do something.
    model = folder / "sft"
    shutil.copytree(tiny_set, model)
    config = model / "transformer" / "config.json"
    told = json.loads(config.read_text("utf-8")) | {"is_turbo": False, "model_version": "sft"}
    config.write_text(json.dumps(told), "utf-8")
    songs = Songs(folder / "project", model, executor)
    variants = "".join(f"[variants.{name}]\n{name} = {value}\n" for name, value in {**VALUES, **UNHEARD}.items())
    songs.write("heard", SPEC + variants)
    summary = songs.render(preview=3)
    assert not summary.failures
    paths = (songs.outputs / "heard").glob("*.flac")
    return {_variant(path): soundfile.read(path, dtype="int32")[0].tobytes() for path in paths}


def _variant(path: Path) -> str:
    """`heard.shift.s1.preview3.flac` is `shift`, `heard.s1.preview3.flac` the song."""
    name = path.name.removeprefix("heard.").partition(".s1.")[0]
    return "" if name.startswith("s1.") else name


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_is_heard(sounds: dict[str, bytes], name: str) -> None:
    assert sounds[name] != sounds[""]


@pytest.mark.parametrize("name", UNHEARD)
def test_a_setting_without_a_choice_is_not(sounds: dict[str, bytes], name: str) -> None:
    assert sounds[name] == sounds[""]
