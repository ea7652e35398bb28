"""What this checkout makes of the golden specs: keys, requests, plan, prompts, reasons, recipes, `--json` outputs.

Collected by a process of its own, in a home of its own: whatever models are on this machine, it sees none but mini.
Results are stood in for, but for one take that mini renders. Times, versions and places are masked.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.cli.main import run
from renderer.models.family import family
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from renderer.plan.keys import TAKE_VERSION, canonical
from tests.golden.edits import EDITS, Edit, edited
from tests.golden.weights import write_weights
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECT = Path(__file__).with_name("project")
"""The golden specs."""
VOLATILE = frozenset({"at", "seconds", "versions", "python", "machine"})
"""Fields that differ between runs, machines and releases."""
_TOOK = re.compile(r" in [\d.]+ s$", re.MULTILINE)
PLACES = 6  # of numbers that processors compute
HEAD = 16  # characters of a digest that tell it from others
GIVEN = {"device": "cpu", "dtype": "float32", "threads": 1, "lm_slots": 2, "vae_tile": 256, "vae_overlap": 16}
OPTIONS = tuple(part for name, value in GIVEN.items() for part in (f"--{name.replace('_', '-')}", str(value)))


def collect(folder: Path) -> dict[str, Any]:
    """Kind -> document, made in this empty folder by a process of its own.

    Raises: RuntimeError with what that process said when it ended badly.
    """
    home = folder / "home"
    home.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "XDG_", "RENDERER_", "FORCE_COLOR"))
    }
    quiet = {"COLUMNS": "100", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    environment = kept | quiet | {"HOME": str(home), "HF_HOME": str(home / "hub")}
    command = [sys.executable, "-m", "tests.golden.collect", str(folder / "project")]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(ended.stderr)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def _collect(folder: Path) -> dict[str, Any]:
    shutil.copytree(PROJECT, folder)
    write_weights(folder)
    os.chdir(folder)
    project = _project()
    keys, jobs = _keys(project), dict(_jobs(project))
    check, plan, prompts = _said("check", "--json"), _said("plan", "--json", *OPTIONS), _prompts()
    carry_out(project)
    found = {
        "keys": keys,
        "jobs": jobs,
        "check": check,
        "plan": plan,
        "prompts": {"before": prompts, "decided": [one for one in _prompts() if one not in prompts]},
        "recipes": dict(_recipes()),
        "reasons": {"done": _said("status", "--json", *OPTIONS, "plain")} | {edit.told: _after(edit) for edit in EDITS},
        "render": _renders(),
    }
    # Releases raise versions of stages, which stand beside the keys for that reason.
    return _masked(found, str(folder.resolve())) | {"keys": keys}


def _project(*named: str) -> Project:
    options = Options(**GIVEN)  # type: ignore[arg-type]
    selection = select(named, options)
    assert not [found for found in selection.diagnostics if found.level == "error"], selection.diagnostics
    return Project(selection.takes, options)


def _keys(project: Project) -> dict[str, Any]:
    stages = family("ace_step").stages
    takes = {
        plan.name: {**{str(stage): key for stage, key in plan.keys.items()}, "take": plan.key}
        for plan in project.plan().takes
    }
    return {
        "versions": {**{name: stage.version for name, stage in stages.items()}, "take": TAKE_VERSION},
        "takes": takes,
    }


def _jobs(project: Project) -> Iterator[tuple[str, Any]]:
    """What each key is made of, once for the takes that share it."""
    for job in project.plan().jobs:
        settings = job.settings.as_json | {"weights": job.settings.weights[:HEAD]}
        told = {
            "settings": settings,
            "upstream": [one.stage for one in job.inputs.values()],
            "request": canonical(job.request),
        }
        yield f"{job.takes[0]} {job.stage}", ({"for": list(job.takes)} if job.takes[1:] else {}) | told


def _prompts() -> list[Any]:
    """What is sent for each take, texts line by line."""
    shown = _said("show", "--json", *OPTIONS)
    return [one | {"sent": [sent | {"text": sent["text"].split("\n")} for sent in one["sent"]]} for one in shown]


def _recipes() -> Iterator[tuple[str, Any]]:
    """One take's sidecar, what is another in the rest, and what tags tell at their three levels."""
    paths = sorted(Path("outputs").glob("*/*.toml"))
    sidecars = {path.stem: _masked(tomllib.loads(path.read_text("utf-8")), "") for path in paths}
    plain = sidecars.pop("plain.s1")
    yield "plain.s1", plain
    for take, sidecar in sidecars.items():
        yield take, _beside(plain, sidecar)
    for audio in ("plain/plain.s1.flac", "adapted/adapted.s15.mp3", "instrumental/instrumental.s7.wav"):
        yield f"show {audio}", _told("show", "--json", f"outputs/{audio}")


def _beside(first: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What is another in `other`; None, which TOML has not, is what it lacks."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys([*first, *other]):
        old, new = first.get(name), other.get(name)
        if old != new:
            found[name] = _beside(old, new) if isinstance(old, dict) and isinstance(new, dict) else new
    return found


def _after(edit: Edit) -> Any:
    """What `status` tells of the song once it is edited; the spec is put back."""
    spec = Path("specs", f"{edit.song}.toml")
    before = spec.read_text("utf-8")
    try:
        if edit.key:
            spec.write_text(edited(spec, edit), "utf-8")
        told = _told("status", "--json", *OPTIONS, *edit.options, str(spec))
    finally:
        spec.write_text(before, "utf-8")
    return [_short(take) for take in told["takes"]] if isinstance(told, dict) else told


def _short(take: Mapping[str, Any]) -> list[Any]:
    """Of a take as `status` has it: its name, why, what runs, and the reasons."""
    reasons = [change["told"] + (f" in {change['place']}" if change["place"] else "") for change in take["changes"]]
    elsewhere = [f"{change['name']} {change['old']} → {change['new']}" for change in take["elsewhere"]]
    return [take["take"], take["why"], " ".join(take["runs"]), *reasons, *elsewhere]


def _renders() -> dict[str, Any]:
    """Renders that only keep, restore and tag anew; then a take of mini's for real, and what became of it."""
    plain, metas = Path("specs/plain.toml"), Path("specs/metas.toml")
    before = plain.read_text("utf-8")
    plain.write_text(before.replace("slow", "fast"), "utf-8")
    carry_out(_project(str(plain)))
    plain.write_text(before, "utf-8")
    metas.write_text(metas.read_text("utf-8").replace("at six", "at seven"), "utf-8")
    status = [_short(take) for take in _said("status", "--json", *OPTIONS, "plain", "metas", "greedy")["takes"]]
    moved = _rendered("plain", "metas", "greedy")
    Path("outputs/greedy/greedy.s6.flac").unlink()
    Path("specs/waves.toml").unlink()
    return {
        "status before": status,
        "kept, restored, tagged anew": moved,
        "rendered": _rendered("without-lm", "--preview", "1"),
        "sidecar": tomllib.loads(Path("outputs/without-lm/without-lm.s11.preview1.toml").read_text("utf-8")),
        "status after": [
            one if isinstance(one, str) else _short(one)
            for told in [_said("status", "--json", *OPTIONS)]
            for one in (*(take for take in told["takes"] if take["why"] != "done"), *told["without_spec"])
        ],
    }


def _rendered(*named: str) -> Any:
    return _said("render", "--json", "--no-measure", *OPTIONS, *named)


def _said(*arguments: str) -> Any:
    """The JSON that a command prints, which has to go well."""
    told = _told(*arguments)
    assert not isinstance(told, str), told
    return told


def _told(*arguments: str) -> Any:
    """The JSON that a command prints; when it is refused, what it says."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([*arguments])
    return out.getvalue() + err.getvalue() if code else json.loads(out.getvalue())


def _masked(value: Any, folder: str) -> Any:
    if isinstance(value, dict):
        return {name: "…" if name in VOLATILE else _masked(below, folder) for name, below in value.items()}
    if isinstance(value, list):
        return [_masked(below, folder) for below in value]
    if isinstance(value, float):
        return round(value, PLACES)
    if isinstance(value, str):
        return _TOOK.sub(" in … s", value.replace(folder, "…"))
    return value


if __name__ == "__main__":
    collected = _collect(Path(sys.argv[1]))
    json.dump(collected, sys.stdout, allow_nan=False)
