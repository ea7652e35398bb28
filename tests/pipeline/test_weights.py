"""Weights on disk, from a plan's side: what is broken is refused before a worker starts, what changed is named."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import renderer
from renderer.cli.main import run
from renderer.errors import ModelError, UnfitFiles
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project, one_at_a_time
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.run.events import TakeDone
from renderer.takes.result_writer import ResultWriter
from tests.models.ace_step import damage
from tests.models.ace_step.layouts import write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.models.model_files import ModelFiles
    from renderer.plan.jobs import Plan
    from renderer.run.executor import Executor

pytestmark = pytest.mark.slow

SPEC = """
caption = "calm piano"
lyrics = "[verse]\\nla la la"
model = "../bundle"
[metas]
bpm = 90
keyscale = "A minor"
timesignature = "4"
duration = 10
[inference]
thinking = {thinking}
"""


@pytest.fixture
def project(tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the working folder, its model in a bundle above."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_bundle(tiny_set, tmp_path / "bundle")
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    write(folder, "true")
    monkeypatch.chdir(folder)
    return folder


def write(project: Path, thinking: str) -> None:
    (project / "specs" / "a.toml").write_text(SPEC.format(thinking=thinking).replace("../", "../../"))


BREAKING: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a DiT cut by a byte": ("acestep-v15-turbo/model.safetensors", damage.cut_by_one),
    "no silence": ("acestep-v15-turbo/silence_latent.pt", damage.remove),
    "a text encoder's config cut in half": ("Qwen3-Embedding-0.6B/config.json", damage.cut_by_half),
    "a VAE in fp8": ("vae/diffusion_pytorch_model.safetensors", damage.SAVED["fp8"]),
    "an LM's tokenizer that is a page": ("acestep-5Hz-lm-1.7B/tokenizer.json", damage.make_page),
}


@pytest.mark.parametrize("kind", BREAKING)
@pytest.mark.parametrize("command", ["plan", "render"])
def test_broken_weights_are_refused_before_a_worker_starts(
    project: Path, capsys: pytest.CaptureFixture[str], command: str, kind: str
) -> None:
    name, breaking = BREAKING[kind]
    breaking(project.parent / "bundle" / name)

    assert run([command, *(["--no-measure"] if command == "render" else [])]) == 2

    told = capsys.readouterr().err
    assert name in told
    assert "Traceback" not in told
    assert not list(project.rglob("worker.log"))


def test_every_broken_file_is_told_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, breaking in BREAKING.values():
        breaking(project.parent / "bundle" / name)

    assert run(["plan"]) == 2
    told = capsys.readouterr().err
    assert all(name in told for name, _ in BREAKING.values())
    assert told.count("error: ") == len(BREAKING)

    with pytest.raises(UnfitFiles) as raised:
        renderer.make_plan(renderer.load_songs(["specs/a.toml"]).songs, outputs=project / "outputs")
    assert len(raised.value.faults) == len(BREAKING)


def test_what_no_stage_reads_may_be_broken(project: Path) -> None:
    """A song without the LM is planned beside a broken one."""
    write(project, "false")
    bundle = project.parent / "bundle"
    damage.make_pointer(bundle / "acestep-5Hz-lm-1.7B" / "model.safetensors")
    assert run(["plan"]) == 0

    damage.make_pointer(bundle / "vae" / "diffusion_pytorch_model.safetensors")
    assert run(["plan"]) == 2


def test_a_broken_adapter_and_a_broken_vae_of_another_place_are_refused(
    project: Path, tiny_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_set / "vae", project / "specs" / "bright")
    damage.cut_by_half(project / "specs" / "bright" / "diffusion_pytorch_model.safetensors")
    (project / "specs" / "voice").mkdir()
    (project / "specs" / "voice" / "adapter_config.json").write_text(json.dumps({"r": 8, "lora_alpha": 16}))
    spec = project / "specs" / "a.toml"
    spec.write_text('vae = "bright"\nlora = [{ path = "voice", scale = 1.0 }]\n' + spec.read_text())

    assert run(["plan"]) == 2
    told = capsys.readouterr().err
    assert "bright/diffusion_pytorch_model.safetensors" in told
    assert "there is no adapter_model.safetensors" in told


def planned(project: Path, executor: Executor | None = None) -> Plan:
    options = Options(device="cpu", threads=1, lm_slots=2, outputs=project / "outputs")
    mine = Project(select([str(project / "specs")], options).takes, options)
    if executor is not None:
        summary = render(mine, listen=lambda _: None, executor=executor)
        assert not summary.failures
    return Project(mine.takes, options).plan()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def changes(plan: Plan) -> list[tuple[Any, ...]]:
    return [(change.name, change.stage) for take in plan.takes for change in take.changes]


def test_weights_that_changed_are_named_by_their_file(project: Path, executor: Executor) -> None:
    bundle = project.parent / "bundle"
    (done,) = planned(project, executor).takes
    assert str(done.why) == "done"

    (bundle / "vae" / "notes.txt").write_text("from the hub, November")
    assert str(planned(project).takes[0].why) == "done"

    flip(bundle / "vae" / "diffusion_pytorch_model.safetensors")
    assert changes(planned(project)) == [("diffusion_pytorch_model.safetensors of the VAE", "waveform")]

    flip(bundle / "acestep-5Hz-lm-1.7B" / "model.safetensors")
    config = bundle / "acestep-v15-turbo" / "config.json"
    config.write_text(config.read_text() + "\n")
    found = planned(project)
    assert changes(found) == [
        ("model.safetensors of the LM", "codes"),
        ("config.json of the DiT", "latents"),
        ("diffusion_pytorch_model.safetensors of the VAE", "waveform"),
    ]
    assert "model.safetensors of the LM" in found.takes[0].changes[0].text


def silent_silence(bundle: Path) -> None:
    import torch

    torch.save(torch.zeros(1, 8, 15_000), bundle / "acestep-v15-turbo" / "silence_latent.pt")


def old_pickle_of_code(bundle: Path) -> None:
    """Of the format before zips, which a plan doesn't look into."""
    import torch

    path = bundle / "acestep-v15-turbo" / "silence_latent.pt"
    torch.save({"run": print}, path, _use_new_zipfile_serialization=False)


def texts_without_an_end(bundle: Path) -> None:
    path = bundle / "Qwen3-Embedding-0.6B" / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "post_processor": None}))


def a_vocabulary_of_nothing(bundle: Path) -> None:
    path = bundle / "Qwen3-Embedding-0.6B" / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model": {"type": "BPE", "vocab": [], "merges": 3}}))


@pytest.mark.parametrize(
    ("breaking", "words"),
    [
        (silent_silence, "the silence latent is all zero"),
        (old_pickle_of_code, "silence_latent.pt` is no tensor"),
        (texts_without_an_end, "ends texts with"),
        (a_vocabulary_of_nothing, "has no readable tokenizer"),
    ],
)
def test_what_only_reading_tells_is_read_before_the_lm_begins(
    project: Path, executor: Executor, breaking: Callable[[Path], None], words: str
) -> None:
    breaking(project.parent / "bundle")
    options = Options(device="cpu", threads=1, lm_slots=2, outputs=project / "outputs")
    mine = Project(select([str(project / "specs")], options).takes, options)
    heard: list[str] = []

    with pytest.raises(ModelError, match=words):
        render(mine, listen=lambda event: heard.append(type(event).__name__), executor=executor)

    assert heard == ["RunPlanned"]
    assert not list((project / "outputs" / ".store" / "codes").glob("*"))


def test_weights_named_from_the_working_folder_are_found_by_the_worker(project: Path, executor: Executor) -> None:
    """As those of a hub's cache are where HF_HOME says `hub` and not `/home/me/hub`."""
    options = Options(device="cpu", threads=1, lm_slots=2, outputs=project / "outputs")
    mine = Project(select([str(project / "specs")], options).takes, options)
    mine.store.prepare()
    plan = mine.plan()
    nearby = replace(plan, groups=tuple(replace(group, files=relative(group.files)) for group in plan.groups))

    with one_at_a_time(mine.store), ResultWriter(nearby, mine.store, mine.settings, mine.environment) as writer:
        run = executor.run(nearby, sink=writer, is_wanted=lambda _: True)
        done = [event for event in run if isinstance(event, TakeDone)]

    assert len(done) == len(plan.takes) == 1


def relative(files: ModelFiles) -> ModelFiles:
    return replace(
        files, **{name: os.path.relpath(getattr(files, name)) for name in ("dit", "vae", "text_encoder", "lm")}
    )
