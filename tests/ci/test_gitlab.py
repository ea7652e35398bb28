"""`docs/ci/gitlab.yml`, its scripts run as they stand there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.runner import DEFAULTS, PATH, ROOT, SONG

pytestmark = pytest.mark.slow

TEMPLATE: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab.yml").read_text("utf-8"))


def run(name: str, checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A job of the template in a checkout, its variables and scripts put together as GitLab does."""
    row = TEMPLATE[name] | {
        key: TEMPLATE[name].get(key, TEMPLATE[".renderer"][key]) for key in ("before_script", "after_script")
    }
    script = "\n".join([*row["before_script"], *row["script"]])
    home = checkout.parent / "home"
    home.mkdir(exist_ok=True)
    given = {
        "PATH": PATH,
        "HOME": str(home),
        "CI_PROJECT_DIR": str(checkout),
        "CI_JOB_ID": checkout.parent.name,
        "LANG": "C.UTF-8",
    }
    env = given | {key: str(value) for key, value in TEMPLATE["variables"].items()} | variables
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False)
    subprocess.run(["bash", "-e", "-c", "\n".join(row["after_script"])], cwd=checkout, env=env, check=True)
    return done


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "music" / "specs").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "music" / "renderer.toml").write_text(DEFAULTS, "utf-8")
    (folder / "music" / "specs" / "eins.toml").write_text(SONG, "utf-8")
    for module in ("venv", "pip", "renderer", "sitecustomize"):
        (folder / f"{module}.py").write_text("open('pwned', 'w')\n", "utf-8")
    return folder


def test_faults_fail_the_check_and_are_a_code_quality_report(checkout: Path) -> None:
    good = run("renderer-check", checkout, RENDERER_PROJECT="music")
    assert (good.returncode, good.stdout) == (0, "1 song in order, 2 takes\n")
    assert json.loads((checkout / "renderer-check.json").read_text("utf-8")) == []

    (checkout / "music" / "specs" / "zwei.toml").write_text(SONG.replace("bpm = 90", "bpm = 9000"), "utf-8")
    bad = run("renderer-check", checkout, RENDERER_PROJECT="music")
    (row,) = json.loads((checkout / "renderer-check.json").read_text("utf-8"))
    assert bad.returncode == 2
    assert row["location"] == {"path": "music/specs/zwei.toml", "lines": {"begin": 7}}
    assert (row["check_name"], row["severity"], len(row["fingerprint"])) == ("bpm-range", "major", 64)
    assert not list(checkout.parent.rglob("pwned"))


def test_the_plan_is_a_file_that_a_merge_request_shows(checkout: Path) -> None:
    done = run("renderer-plan", checkout, RENDERER_PROJECT="music")

    assert done.returncode == 0, done.stderr
    assert TEMPLATE["renderer-plan"]["artifacts"]["paths"] == ["renderer-plan.md"]
    assert "| ` eins.s2 ` |" in (checkout / "renderer-plan.md").read_text("utf-8")


def test_the_plan_is_of_what_a_render_would_make(checkout: Path) -> None:
    plan, render = TEMPLATE["renderer-plan"], TEMPLATE["renderer-render"]
    song = checkout / "music" / "specs" / "eins.toml"
    song.write_text(SONG + '[edits.r]\ntask = "repaint"\nsrc_audio = "s1"\nat = [[2, 5]]\n', "utf-8")
    done = run("renderer-plan", checkout, RENDERER_PROJECT="music", RENDERER_RENDER="true")

    assert done.returncode == 0, done.stderr
    text = (checkout / "renderer-plan.md").read_text("utf-8")
    assert "| ` eins.s1.preview20 ` |" in text
    assert "eins.r.s1" not in text
    assert {key: plan["cache"][key] for key in ("key", "paths")} == {
        key: render["cache"][key] for key in ("key", "paths")
    }
    assert plan["cache"]["policy"] == "pull"
    assert '--out "$CI_PROJECT_DIR/renderer-outputs"' in plan["script"][0]


@pytest.mark.parametrize("name", ["renderer-check", "renderer-render"])
def test_a_job_installs_the_versions_it_is_told_and_leaves_nothing_on_its_runner(checkout: Path, name: str) -> None:
    """As far as it goes without a registry."""
    given = {"RENDERER_INSTALL": "renderer[measure]", "RENDERER_CONSTRAINTS": str(checkout / "no such file")}
    done = run(name, checkout, PIP_NO_INDEX="1", **given)

    assert done.returncode
    assert "no such file" in done.stderr
    assert not Path(f"/tmp/renderer-{checkout.parent.name}").exists()


def test_a_forks_songs_are_rendered_on_no_runner_of_ours() -> None:
    first, fork, *_ = TEMPLATE["renderer-render"]["rules"]

    assert first == {"if": '$RENDERER_RENDER != "true"', "when": "never"}
    assert fork["when"] == "never"
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID != $CI_PROJECT_ID" in fork["if"]


def test_what_is_left_out_of_an_installation_without_torch_is_what_loads_weights(tmp_path: Path) -> None:
    """The action's script and the template's lines name the same requirements."""
    command = TEMPLATE[".renderer"]["before_script"][0].partition("python -I -c '")[2].partition("'")[0]
    by_template = subprocess.run(
        [sys.executable, "-I", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    by_script = subprocess.run(
        [sys.executable, "-I", ROOT / "docs" / "ci" / "without_torch.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert by_template.stdout == by_script.stdout
    names = {line.split(">")[0] for line in by_script.stdout.split()}
    assert {"click", "pydantic", "tokenizers"} <= names
    assert not {"torch", "transformers", "diffusers", "librosa", "pytest"} & names
