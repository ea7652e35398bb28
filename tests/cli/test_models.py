"""`renderer models` as a user types it, against a hub of our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from renderer.models.catalog import zoo
from tests.models.ace_step.layouts import write_bundle, write_dit
from tests.models.catalog.fake_hub import FakeHub
from tests.models.catalog.vaes import write_vae


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing of this machine's models is seen."""
    folders = {name: str(tmp_path / name) for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME", "HOME")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return {**kept, **folders, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "COLUMNS": "120"}


@pytest.fixture(scope="module")
def bundle(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_bundle(tiny_set, tmp_path_factory.mktemp("hub") / "bundle")
    (folder / "acestep-v15-turbo" / "modeling_acestep_v15_turbo.py").write_text("raise SystemExit('never run')\n")
    (folder / "README.md").write_text("not needed\n")
    return folder


@pytest.fixture(scope="module")
def sft(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "sft"
    write_dit(tiny_set, folder, num_shards=2)
    return folder


@pytest.fixture(scope="module")
def scragvae(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_vae(tmp_path_factory.mktemp("hub") / "scragvae", tiny_set / "vae")
    for name in ("README.md", "scragvae-BF16.gguf", "training_state.safetensors"):
        (folder / name).write_text("not needed\n")
    return folder


@pytest.fixture
def hub(bundle: Path, sft: Path, scragvae: Path) -> FakeHub:
    repos = {zoo.BUNDLE: bundle, "ACE-Step/acestep-v15-sft": sft, zoo.VAES["scragvae"].repo: scragvae}
    return FakeHub(repos={name: (zoo.REVISIONS[name], folder) for name, folder in repos.items()})


def renderer(home: dict[str, str], *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renderer", *arguments]
    return subprocess.run(command, env=home, capture_output=True, text=True, check=False, cwd=cwd)


def listed(home: dict[str, str]) -> dict[str, dict[str, object]]:
    told = renderer(home, "models", "--json")
    assert told.returncode == 0, told.stderr
    return {entry["name"]: entry for entry in json.loads(told.stdout)}


@pytest.mark.slow
def test_fetch_brings_what_is_needed_at_the_pinned_revision_and_no_code(home: dict[str, str], hub: FakeHub) -> None:
    known = listed(home)
    assert known["turbo"]["on_disk"] is None
    assert (known["turbo"]["steps"], known["turbo"]["shifts"], known["turbo"]["guidance_scale"]) == (8, [1, 2, 3], None)
    assert (known["base"]["any_steps"], known["base"]["shifts"], known["base"]["guidance_scale"]) == (True, "any", 7.0)

    with hub as address:
        fetched = renderer({**home, "HF_ENDPOINT": address}, "models", "fetch", "turbo")

    assert fetched.returncode == 0, fetched.stderr
    assert fetched.stderr.startswith("fetching ")
    assert "dry-run" not in fetched.stderr
    # Its LM came along.
    assert "acestep-5Hz-lm-1.7B" in fetched.stdout
    assert zoo.REVISIONS[zoo.BUNDLE] in fetched.stdout
    assert "silence_latent.pt" in hub.sent
    assert not {name for name in hub.sent if name.endswith((".py", ".md"))}
    found = listed(home)
    assert found["turbo"]["on_disk"]
    assert found["1.7B"]["on_disk"]
    assert found["sft"]["on_disk"] is None
    verified = renderer(home, "models", "verify")
    assert verified.returncode == 0, verified.stdout
    assert "BROKEN" not in verified.stdout
    assert "acestep-v15-turbo/model.safetensors" in verified.stdout
    assert verified.stdout.endswith("files: each is what it was\n")


@pytest.mark.slow
def test_a_fetch_that_broke_off_resumes_where_it_was(home: dict[str, str], tmp_path: Path) -> None:
    repo, lm = "ACE-Step/acestep-5Hz-lm-0.6B", tmp_path / "lm"
    lm.mkdir()
    (lm / "config.json").write_text('{"model_type": "qwen3", "vocab_size": 217204}')
    (lm / "tokenizer.json").write_text("{}")
    (lm / "chat_template.jinja").write_text("{{ messages }}")
    (lm / "model.safetensors").write_bytes(os.urandom(30_000_000))
    hub = FakeHub(repos={repo: (zoo.REVISIONS[repo], lm)}, break_off={"model.safetensors"})
    with hub as address:
        env = {**home, "HF_ENDPOINT": address}
        renderer(env, "models", "fetch", "0.6B")
        again = renderer(env, "models", "fetch", "0.6B")

    assert again.returncode == 0, again.stderr
    fetched = next(Path(home["HF_HOME"]).rglob("model.safetensors"))
    assert fetched.read_bytes() == (lm / "model.safetensors").read_bytes()
    # Half was sent and lost at most a buffer of it.
    assert 30_000_000 <= hub.sent["model.safetensors"] < 45_000_000


@pytest.mark.slow
def test_verify_finds_a_file_that_rotted(home: dict[str, str], hub: FakeHub) -> None:
    with hub as address:
        renderer({**home, "HF_ENDPOINT": address}, "models", "fetch", "sft")
    shard = next(Path(home["HF_HOME"]).rglob("model-00002-of-00002.safetensors")).resolve()
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)

    verified = renderer(home, "models", "verify", "sft")

    assert verified.returncode == 1
    (line,) = [line for line in verified.stdout.splitlines() if line.startswith("BROKEN")]
    assert line.endswith("acestep-v15-sft/model-00002-of-00002.safetensors")
    assert "files are not what they were: delete them and fetch again" in verified.stderr
    assert str(shard) in verified.stderr


@pytest.mark.slow
def test_verify_says_that_there_is_nothing_to_verify(home: dict[str, str]) -> None:
    verified = renderer(home, "models", "verify")

    assert verified.returncode == 0
    assert verified.stdout == "no published model is on disk: renderer models fetch turbo brings one\n"


@pytest.mark.slow
def test_an_existing_copy_is_used_where_it_is(home: dict[str, str], bundle: Path) -> None:
    used = renderer(home, "models", "fetch", "turbo", "--dir", str(bundle))

    assert used.returncode == 0, used.stderr
    assert listed(home)["turbo"]["on_disk"] == str(bundle / "acestep-v15-turbo")
    lacking = renderer(home, "models", "fetch", "sft", "--dir", str(bundle))
    assert lacking.returncode == 2
    assert "lacks acestep-v15-sft" in lacking.stderr


@pytest.mark.slow
def test_what_was_fetched_renders_under_its_name(home: dict[str, str], hub: FakeHub, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    (project / "specs" / "renderer.toml").write_text('model = "turbo"\nlm = "1.7B"\n')
    (project / "specs" / "a.toml").write_text(
        'title = "A"\ncaption = "synthwave"\nlyrics = "[verse]\\nla"\nseeds = [1]\n'
        '[metas]\nbpm = 90\nkeyscale = "A minor"\ntimesignature = "4"\nduration = 10\n'
    )
    planned = renderer(home, "plan", cwd=project)
    assert planned.returncode == 0, planned.stderr
    assert "not fetched: turbo 1.7B" in planned.stdout
    refused = renderer(home, "render", cwd=project)
    assert refused.returncode == 2
    assert "renderer models fetch turbo 1.7B" in refused.stderr

    with hub as address:
        renderer({**home, "HF_ENDPOINT": address}, "models", "fetch", "turbo", "1.7B")
    # Without the hub from here on.
    rendered = renderer({**home, "HF_HUB_OFFLINE": "1"}, "render", "--threads", "1", "--no-measure", cwd=project)

    assert rendered.returncode == 0, rendered.stdout + rendered.stderr
    assert (project / "outputs" / "a" / "a.s1.flac").stat().st_size > 100_000


@pytest.mark.slow
def test_a_fetched_vae_decodes_what_was_rendered_before(home: dict[str, str], hub: FakeHub, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    spec = project / "specs" / "a.toml"
    spec.write_text(
        'model = "turbo"\ncaption = "synthwave"\nlyrics = "[verse]\\nla"\nseeds = [1]\n'
        "[metas]\nduration = 10\n[inference]\nthinking = false\nuse_cot_metas = false\n"
        "use_cot_caption = false\nuse_cot_language = false\n"
    )
    render = ("render", "--threads", "1", "--no-measure")
    with hub as address:
        renderer({**home, "HF_ENDPOINT": address}, "models", "fetch", "turbo")
        assert renderer(home, *render, cwd=project).returncode == 0
        for name in ("official", "scragvae"):
            spec.write_text(spec.read_text() + f'[variants.{name}]\nvae = "{name}"\n')

        planned = renderer(home, "plan", "--json", "--threads", "1", cwd=project)
        takes = {take["take"]: take for take in json.loads(planned.stdout)["takes"]}
        # What `official` names is what turbo comes with.
        assert takes["a.official.s1"]["runs"] == takes["a.scragvae.s1"]["runs"] == ["waveform"]
        assert json.loads(planned.stdout)["not_fetched"] == ["scragvae"]
        refused = renderer(home, *render, cwd=project)
        assert refused.returncode == 2
        assert "renderer models fetch scragvae" in refused.stderr

        fetched = renderer({**home, "HF_ENDPOINT": address}, "models", "fetch", "scragvae")
        assert fetched.returncode == 0, fetched.stderr
        assert zoo.VAES["scragvae"].revision in fetched.stdout
        assert {"config.json", "diffusion_pytorch_model.safetensors"} <= set(hub.sent)
        assert not {"training_state.safetensors", "scragvae-BF16.gguf"} & set(hub.sent)

    rendered = renderer({**home, "HF_HUB_OFFLINE": "1"}, *render, cwd=project)

    assert rendered.returncode == 0, rendered.stdout + rendered.stderr
    base, official, scragvae = (
        soundfile.read(project / "outputs" / "a" / f"a{name}.s1.flac")[0] for name in ("", ".official", ".scragvae")
    )
    assert (base == official).all()
    assert (base != scragvae).any()
    here = listed(home)
    assert (here["scragvae"]["kind"], here["official"]["kind"]) == ("vae", "vae")
    assert here["scragvae"]["on_disk"]
    told = renderer(home, "models", cwd=project).stdout
    assert [line.split()[-2:] for line in told.splitlines() if line.split()[:1] == ["scragvae"]] == [["yes", "a"]]
    assert "scragvae (vae)" in renderer(home, "doctor", "--device", "cpu").stdout
    verified = renderer(home, "models", "verify", "scragvae")
    assert "scragvae/diffusion_pytorch_model.safetensors" in verified.stdout


@pytest.mark.slow
def test_a_vae_in_an_existing_copy_lies_where_upstream_puts_it(
    home: dict[str, str], scragvae: Path, tmp_path: Path
) -> None:
    shutil.copytree(scragvae, tmp_path / "checkpoints" / "scragvae")

    used = renderer(home, "models", "fetch", "scragvae", "--dir", str(tmp_path / "checkpoints"))

    assert used.returncode == 0, used.stderr
    assert listed(home)["scragvae"]["on_disk"] == str(tmp_path / "checkpoints" / "scragvae")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "env", "message"),
    [
        ("turbo9", {}, "`turbo9` is no known model"),
        ("base", {}, "the hub shows no `ACE-Step/acestep-v15-base` at revision e432212f"),
        ("turbo", {"HF_HUB_OFFLINE": "1"}, "nothing is fetched in offline mode"),
    ],
)
def test_a_fetch_that_can_not_work_says_why(
    home: dict[str, str], hub: FakeHub, name: str, env: dict[str, str], message: str
) -> None:
    with hub as address:
        refused = renderer({**home, "HF_ENDPOINT": address, **env}, "models", "fetch", name)

    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


PAGE = b"<!DOCTYPE html><html><body>Welcome to the hotel. Sign in.</body></html>"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "env", "words"),
    [
        ((200, {"Content-Type": "text/html"}, PAGE), {}, "doesn't answer as a hub does"),
        ((200, {"Content-Type": "application/json"}, PAGE), {}, "doesn't answer as a hub does"),
        ((200, {"Content-Type": "application/json"}, b"[]"), {}, "doesn't answer as a hub does"),
        ((200, {"Content-Type": "application/json"}, b"null"), {}, "doesn't answer as a hub does"),
        ((200, {}, b""), {}, "doesn't answer as a hub does"),
        ((302, {"Location": "/login"}, b""), {}, "the hub can't be reached|doesn't answer as a hub does"),
        ((401, {}, PAGE), {"HF_TOKEN": "hf_old"}, "doesn't take the token it is sent"),
        ((401, {}, b""), {}, "shows no `ACE-Step/acestep-v15-sft`"),
        ((403, {}, b""), {}, "refuses `ACE-Step/acestep-v15-sft` (403)"),
        ((404, {}, PAGE), {}, "shows no `ACE-Step/acestep-v15-sft`"),
        ((407, {}, b""), {}, "a proxy asks who you are"),
        ((418, {}, b""), {}, "refuses `ACE-Step/acestep-v15-sft` (418)"),
        ((429, {"Retry-After": "120"}, b""), {}, "asked too often (429): later (in 120 s, it says)"),
        ((429, {}, PAGE), {"HF_TOKEN": "hf_good"}, "asked too often (429)"),
        ((500, {}, b""), {}, "is out of order (500)"),
        ((502, {}, PAGE), {}, "is out of order (502)"),
        ((503, {"Retry-After": "soon"}, b""), {}, "is out of order (503)"),
    ],
)
def test_whatever_a_hub_answers_is_told_in_a_line(
    home: dict[str, str],
    hub: FakeHub,
    answer: tuple[int, dict[str, str], bytes],
    env: dict[str, str],
    words: str,
) -> None:
    hub.answer = answer
    with hub as address:
        refused = renderer({**home, "HF_ENDPOINT": address, **env}, "models", "fetch", "sft")

    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert any(one in line for one in words.split("|"))
    assert "hf_" not in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf-mirror.com", "write it like HF_ENDPOINT=https://hf-mirror.com"),
        ("mirror.example:8080/hf", "write it like HF_ENDPOINT=https://mirror.example"),
        ("ftp://hf-mirror.com", "write it like HF_ENDPOINT=https://hf-mirror.com"),
        ("https://https://hf-mirror.com", "write it like HF_ENDPOINT=https://hf-mirror.com"),
        ('"https://hf-mirror.com"', "write it like HF_ENDPOINT=https://hf-mirror.com"),
        ("https://hf-mirror.com:99999", "write it like HF_ENDPOINT=https://hf-mirror.com"),
        ("https://", "no address of a hub"),
        ("https:// hf mirror", "no address of a hub"),
        ("http://127.0.0.1:9", "can't be reached at http://127.0.0.1:9"),
        ("http://no.such.host.invalid", "can't be reached at http://no.such.host.invalid"),
    ],
)
def test_a_mirror_that_can_not_be_is_told_by_its_variable(home: dict[str, str], address: str, words: str) -> None:
    refused = renderer({**home, "HF_ENDPOINT": address}, "models", "fetch", "sft")

    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "HF_ENDPOINT" in line
    assert words in line


@pytest.mark.slow
def test_a_token_that_can_not_be_sent_is_told_without_it(home: dict[str, str], hub: FakeHub) -> None:
    with hub as address:
        refused = renderer({**home, "HF_ENDPOINT": address, "HF_TOKEN": "hf_pass–word"}, "models", "fetch", "sft")

    (line,) = refused.stderr.splitlines()
    assert "write HF_TOKEN anew" in line
    assert "pass" not in line


@pytest.mark.slow
def test_a_hub_that_is_down_after_half_a_fetch_is_told_as_that(home: dict[str, str], hub: FakeHub) -> None:
    """huggingface_hub would take the half in its cache for all there is."""
    hub.break_off = {"model-00002-of-00002.safetensors"}
    with hub as address:
        renderer({**home, "HF_ENDPOINT": address, "HF_HUB_DOWNLOAD_TIMEOUT": "1"}, "models", "fetch", "sft")
        for snapshot in Path(home["HF_HOME"]).rglob("model-00002-of-00002.safetensors"):
            snapshot.unlink()
        hub.answer = (503, {}, b"")
        refused = renderer({**home, "HF_ENDPOINT": address}, "models", "fetch", "sft")

    assert refused.returncode == 2
    assert "is out of order (503)" in refused.stderr
    assert "doesn't hold all" not in refused.stderr


@pytest.mark.slow
def test_the_list_fits_a_terminal_of_80_columns(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    for name in ("night-bus", "b"):
        (tmp_path / "specs" / f"{name}.toml").write_text('caption = "x"\ninstrumental = true\nmodel = "turbo"\n')

    told = renderer({**home, "COLUMNS": "80"}, "models", cwd=tmp_path)

    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    # One line a model: nothing wraps but who uses it.
    assert all(any(line.split()[:1] == [name] for line in lines) for name in (*zoo.MODELS, *zoo.LMS))
    (turbo,) = [line.rstrip() for line in lines if line.split()[:1] == ["turbo"]]
    assert turbo.split()[:4] == ["turbo", "turbo", "6.0", "12.0"]
    assert turbo.endswith("b, night-bus")


@pytest.mark.slow
def test_doctor_says_what_would_run_and_fails_where_nothing_can(home: dict[str, str]) -> None:
    fine = renderer(home, "doctor", "--device", "cpu", "--json")
    assert fine.returncode == 0, fine.stdout
    findings = {one["what"]: one for one in json.loads(fine.stdout)}
    assert findings["device"]["found"] == "cpu calculates in float32"
    assert findings["model"]["help"] == "renderer models fetch turbo"

    half = renderer(home, "doctor", "--device", "cpu", "--dtype", "float16")
    assert half.returncode == 0
    assert "float16 is known to give NaN" in half.stdout

    broken = renderer(home, "doctor", "--device", "cuda:63")
    assert broken.returncode == 1
    assert "there is no `cuda:63`" in broken.stdout
    assert "= help: use --device auto\n" in broken.stdout
    unknown = renderer(home, "doctor", "--device", "tpu")
    assert unknown.returncode == 1
    assert "there is no device `tpu`\n" in unknown.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", ["doctor", "models"])
def test_an_lm_or_vae_that_nobody_has_is_told_as_by_render(home: dict[str, str], tmp_path: Path, command: str) -> None:
    (tmp_path / "specs").mkdir()
    spec = 'caption = "calm piano"\ninstrumental = true\nlm = "~nosuchuser/lm"\nvae = "~nosuchuser/vae"\n'
    (tmp_path / "specs" / "a.toml").write_text(spec)

    told = renderer(home, command, cwd=tmp_path)

    said = told.stdout + told.stderr
    assert "there is no LM `~nosuchuser/lm`" in said
    assert "there is no VAE" in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("content", ["5", '{"a": 1}', "[3]", '"x"', "[", ""])
def test_a_damaged_list_of_folders_is_as_none(home: dict[str, str], content: str) -> None:
    folders = Path(home["XDG_CONFIG_HOME"]) / "renderer" / "checkpoints.json"
    folders.parent.mkdir(parents=True)
    folders.write_text(content)

    assert listed(home)["turbo"]["on_disk"] is None
