"""`python -m tests.release.check`: whether the last commit can be released; builds in a folder that is taken away.

Wheel and sdist are built twice and compared, the sdist once more alone; the wheel goes into an empty environment with
the constraints, for each Python that is named, and renders there; the action's installation runs to its end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from renderer import __version__
from tests.ci.runner import Job
from tests.release.build import ROOT, Built, build, commit_time, export, metadata_of, unpack

SPEC = 'caption = "calm piano"\ninstrumental = true\nmodel = "mini"\nseeds = [1]\n'


def main() -> None:
    """Read the command line, check; ends with 1 and the reason where something doesn't hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", help="to install with, once for each; by default this one")
    parser.add_argument("--to", type=Path, help="where wheel and sdist go when all is well")
    parser.add_argument("--no-install", action="store_true", help="only build and compare")
    asked = parser.parse_args()
    refuse(_git("status", "--porcelain", "--untracked-files=no"), "the working tree has changes: commit them first")
    with TemporaryDirectory(prefix="renderer-release-") as scratch:
        built = built_alike(Path(scratch))
        say(f"metadata are valid: {metadata_of(built.wheel)['Name']} {__version__}")
        if not asked.no_install:
            for number, python in enumerate(asked.python or [sys.executable]):
                installed(built.wheel, python, Path(scratch) / f"install{number}")
            action_installs(Path(scratch) / "action")
        if asked.to:
            asked.to.mkdir(parents=True, exist_ok=True)
            for path in (built.wheel, built.sdist):
                shutil.copy(path, asked.to)


def built_alike(scratch: Path) -> Built:
    """Both files, after they came out the same from two folders and from the sdist alone."""
    epoch = commit_time("HEAD")
    first = build(export("HEAD", scratch / "one"), scratch / "first", epoch=epoch)
    second = build(export("HEAD", scratch / "two" / "deeper"), scratch / "second", epoch=epoch, umask=0o077)
    unpacked, told = unpack(first.sdist, scratch / "sdist")
    refuse(told != epoch, f"the sdist's files are of {told}, the commit is of {epoch}")
    alone = build(unpacked, scratch / "alone", epoch=told)
    for name in ("wheel", "sdist"):
        files = [getattr(one, name).read_bytes() for one in (first, second, alone)]
        refuse(len(set(files)) > 1, f"the {name} came out in different bytes: see {scratch}")
        say(f"{getattr(first, name).name}: {len(files[0]):,} bytes, the same three times")
    return first


def installed(wheel: Path, python: str, folder: Path) -> None:
    """In an empty environment with the constraints, and a home without anything: version, check, one take."""
    songs, home = folder / "songs", folder / "home"
    (songs / "specs").mkdir(parents=True)
    home.mkdir()
    (songs / "specs" / "eins.toml").write_text(SPEC, "utf-8")
    subprocess.run([python, "-I", "-m", "venv", folder / "venv"], check=True)
    own = folder / "venv" / "bin"
    pip = (str(own / "python"), "-I", "-m", "pip", "--disable-pip-version-check")
    install = (*pip, "install", "--quiet", "-c", str(ROOT / "constraints.txt"))
    # torch first, as `make` does: alone it is found where it lies, among others a newer one might be asked for.
    subprocess.run([*install, "torch"], check=True)
    subprocess.run([*install, str(wheel)], check=True)
    subprocess.run([*pip, "check"], check=True)

    def run(*arguments: str) -> str:
        command = [str(own / "renderer"), *arguments]
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
        done = subprocess.run(command, cwd=songs, env=env, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout

    refuse(run("--version") != f"renderer, version {__version__}\n", "the installed version is another")
    refuse(run("check") != "1 song in order, 1 take\n", "the installed program checks otherwise")
    run("render", "--preview", "10", "--no-measure", "--device", "cpu")
    take = songs / "outputs" / "eins" / "eins.s1.preview10.flac"
    refuse(not take.is_file() or take.stat().st_size < 100_000, f"no sound in {take}")
    told = subprocess.run([own / "python", "-V"], stdout=subprocess.PIPE, text=True, check=True)
    say(f"{told.stdout.strip()}: installed with the constraints, and a take rendered")
    shutil.rmtree(folder)


def action_installs(folder: Path) -> None:
    """The action's own installation, without torch, and what it checks and plans with that."""
    checkout, scratch = folder / "checkout", folder / "runner"
    (checkout / "specs").mkdir(parents=True)
    scratch.mkdir()
    (checkout / "specs" / "eins.toml").write_text(SPEC, "utf-8")
    os.environ.setdefault("NUMBA_CACHE_DIR", str(scratch / "numba"))
    done = Job(checkout=checkout, scratch=scratch, path="/usr/local/bin:/usr/bin:/bin").run(python=sys.executable)
    refuse(done.failed, "the action fails:\n" + "\n".join(step.log for step in done.steps))
    refuse("eins.s1" not in done.summary, f"the action plans otherwise:\n{done.summary}")
    heavy = list((scratch / "temp" / "renderer-venv").rglob("site-packages/torch"))
    refuse(heavy, "the action installs torch where it only checks and plans")
    say("action.yml: installed without torch, checked and planned")


def refuse(fault: object, message: str) -> None:
    """Go on only where there is no fault.

    Raises: SystemExit with the message.
    """
    if fault:
        raise SystemExit(f"not to be released: {message}")


def say(text: str) -> None:
    """A line, at once."""
    print(text, flush=True)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
