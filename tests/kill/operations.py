"""Commands that write, ended before each of their disk operations in turn, or cut off from power there.

`python -m tests.kill.operations kill|cut|trace SCENARIO FOLDER EVERY` does that for one scenario and says what it did
as JSON; `cut` needs to be allowed to mount, `trace` looks at the order of operations instead. Every life is a fork of
this process, which has its imports done. An operation is what the interpreter tells its audit hooks of, below the
project's folder, and every flush.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from renderer.cli.main import run as run_command
from renderer.models.family import stored_kinds
from renderer.pipeline.options import Options
from renderer.pipeline.page_after import is_whole
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from renderer.plan.jobs import Why
from renderer.plan.shards import Shard
from renderer.run.events import TakeDone
from renderer.store.disk import is_temp
from renderer.store.edits import sole_writer
from renderer.store.store import Store
from renderer.store.verify import verify
from renderer.takes.result_writer import ResultWriter, disk_faults
from tests.pipeline.without_models import made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEVICE = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")
WRITING = frozenset(
    {
        *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod"),
        *("os.chown", "os.utime", "shutil.move", "shutil.copyfile"),
    }
)
SPEC = """# the first
title = "{name}"
caption = "calm piano, {name}"
lyrics = '''
[verse]
la la la
'''
seeds = [1, 2]
[metas]
bpm = 90
duration = 10
[output]
format = "{format}"
"""
EDITS = """
[edits.fix]
task = "repaint"
src_audio = "s1"
at = [[2, 5]]
seeds = [11]
[edits.again]
task = "cover"
src_audio = "fix.s11"
reference_audio = "demo.wav"
seeds = [12]
[edits.demo]
task = "repaint"
src_audio = "demo.wav"
at = [[1, 2]]
seeds = [13]
"""
FOREIGN = [
    {"caption": f"calm piano {number}", "lyrics": "[verse]\nla la la", "bpm": 90, "duration": 30} for number in range(3)
]
DISK_BYTES = 96 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A command, and what it finds."""

    prepare: Callable[[], None]
    """Called in a fresh project's folder."""
    run: Callable[[], int | None]
    """Called in the prepared folder; gives the exit code."""
    codes: tuple[int, ...] = (0,)
    """What it may end with when it runs again after a life that was cut off."""


def command(*arguments: str) -> Callable[[], int]:
    """A run of the command line."""
    return lambda: run_command(list(arguments))


def carry_out(shard: Shard | None = None) -> int:
    """A render whose results no model made; tells of each take as a run does, once it is there."""
    options = Options(device="cpu", threads=1, lm_slots=2, shard=shard)
    project = Project(select(["specs"], options).takes, options)
    store = project.store
    store.prepare()
    with project.held(), disk_faults(store):
        plan = project.plan_of_shard()
        store.journal.tidy()
        with ResultWriter(plan, store, project.settings, project.environment) as writer:
            for take in plan.takes:
                if take.why is Why.RESTORED:
                    writer.restore(take)
                if take.has_sound and take.changes:
                    writer.retag(take)
            for job in plan.jobs:
                writer.upstream(job)
                for event in writer.write(job, made(job)).finish():
                    if isinstance(event, TakeDone):
                        record = store.take(event.take.name, event.take.key)
                        assert record
                        print("done", record.file, record.digest, flush=True)
    return 0


def write(name: str, *, format: str = "flac") -> None:  # noqa: A002 - the spec's word
    Path("specs").mkdir(exist_ok=True)
    Path(f"specs/{name}.toml").write_text(SPEC.format(name=name, format=format))


def edit(name: str, old: str, new: str) -> None:
    path = Path(f"specs/{name}.toml")
    path.write_text(path.read_text().replace(old, new))


def one_song() -> None:
    write("eins")


def made_from_others() -> None:
    one_song()
    spec = Path("specs/eins.toml")
    spec.write_text(spec.read_text() + EDITS)
    noise = np.random.default_rng(1).standard_normal((3 * 22_050, 2)) * 0.1
    soundfile.write("specs/demo.wav", noise, 22_050)


def source_edited() -> None:
    made_from_others()
    carry_out()
    edit("eins", "calm", "wild")


def two_songs() -> None:
    write("eins")
    write("zwei", format="wav")


def other_shard_done() -> None:
    two_songs()
    carry_out(Shard(number=2, count=2))


def rendered() -> None:
    two_songs()
    carry_out()


def edited() -> None:
    rendered()
    edit("eins", "calm", "wild")


def edited_back() -> None:
    edited()
    carry_out()
    edit("eins", "wild", "calm")


def with_former_versions() -> None:
    edited()
    carry_out()


def retitled() -> None:
    rendered()
    edit("eins", 'title = "eins"', 'title = "uno"')


def damaged() -> None:
    rendered()
    for path in (*sorted(Path("outputs").glob(".store/*/*/*.safetensors"))[:2], Path("outputs/eins/eins.s1.flac")):
        content, state = bytearray(path.read_bytes()), path.stat()
        content[-1] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def voted() -> None:
    rendered()
    Path("specs/picks.toml").write_text('# mine\n["eins.s1"]\nvote = "keep"\nkey = ""\nnote = "the one"\n')


def album() -> None:
    voted()
    Path("album.toml").write_text('title = "all"\nsongs = ["eins", "zwei.s2"]\ngap = 1\n')


def foreign() -> None:
    one_song()
    Path("foreign.json").write_text(json.dumps(FOREIGN))


def fixable() -> None:
    one_song()
    edit("eins", "[verse]", "[Verse 1]:")


SCENARIOS: dict[str, Scenario] = {
    "render": Scenario(prepare=one_song, run=carry_out),
    "render an edit": Scenario(prepare=edited, run=carry_out),
    "render what was edited back": Scenario(prepare=edited_back, run=carry_out),
    "render another title": Scenario(prepare=retitled, run=carry_out),
    "render takes made from others": Scenario(prepare=made_from_others, run=carry_out),
    "render takes of an edited source": Scenario(prepare=source_edited, run=carry_out),
    "render --shard": Scenario(prepare=other_shard_done, run=lambda: carry_out(Shard(number=1, count=2))),
    "report": Scenario(prepare=rendered, run=command("report", "--no-measure", *DEVICE)),
    "diff --page": Scenario(prepare=rendered, run=command("diff", "eins.s1", "eins.s2", "--no-measure", "--page")),
    "keep": Scenario(prepare=rendered, run=command("keep", "eins.s1", "--note", "heard")),
    "keep --forget": Scenario(prepare=voted, run=command("keep", "eins.s1", "--forget")),
    "share": Scenario(prepare=rendered, run=command("share", "eins.s*", "zwei.s1", "--to", "more"), codes=(0, 2)),
    "album": Scenario(prepare=album, run=command("album", "--to", "more"), codes=(0, 2)),
    "fix": Scenario(prepare=rendered, run=command("fix", "eins.s1", "--at", "2..5"), codes=(0, 2)),
    "pin": Scenario(prepare=rendered, run=command("pin", "eins.s1", *DEVICE), codes=(0, 2)),
    "store gc": Scenario(prepare=with_former_versions, run=command("store", "gc", "--yes", "--older-than", "0")),
    "store verify": Scenario(prepare=damaged, run=command("store", "verify"), codes=(0, 1)),
    "new": Scenario(prepare=one_song, run=command("new", "zwei"), codes=(0, 2)),
    "new --project": Scenario(prepare=one_song, run=command("new", "--project", "album"), codes=(0, 2)),
    "import": Scenario(prepare=foreign, run=command("import", "foreign.json"), codes=(0, 2)),
    "import a take": Scenario(
        prepare=rendered, run=command("import", "outputs/eins/eins.s1.flac", "--to", "more"), codes=(0, 2)
    ),
    "schema": Scenario(prepare=one_song, run=command("schema", "schemas")),
    "check --fix": Scenario(prepare=fixable, run=command("check", "--fix"), codes=(0, 1, 2)),
}


def kill(name: str, folder: Path, every: int) -> dict[str, Any]:
    """End the scenario's command before each `every`-th operation; look, run it again, look again."""
    scenario, before, after, model = SCENARIOS[name], folder / "before", folder / "after", folder / "model"
    _prepare(scenario, before, model)
    shutil.copytree(before, after)
    count, _ = _life(scenario, after, at=None)
    project, kills = folder / "project", 0
    for position in range(0, count, every):
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(before, project)
        _life(scenario, project, at=position)
        look(project, before, after, where := f"{name}, killed before operation {position} of {count}")
        _, code = _life(scenario, project, at=None)
        assert code in scenario.codes, f"{where}: {code}"
        same(project, after, where)
        kills += 1
    return {"operations": count, "kills": kills}


def cut(name: str, folder: Path, every: int) -> dict[str, Any]:
    """Cut the power before each `every`-th operation and after the end; what the drive holds is looked at."""
    scenario, before, after, model = SCENARIOS[name], folder / "before", folder / "after", folder / "model"
    _prepare(scenario, before, model)
    shutil.copytree(before, after)
    _life(scenario, after, at=None)
    disk, mounted = folder / "disk", folder / "mounted"
    mounted.mkdir()
    disk.touch()
    os.truncate(disk, DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    cuts: list[tuple[Path, str]] = []
    # Nothing reaches the drive but what is flushed, and a rename doesn't bring its file's content along.
    with _mount(disk, mounted, "commit=300,noauto_da_alloc"):
        project = shutil.copytree(before, mounted / "project")
        os.sync()
        for position, told in _paused(scenario, project, folder / "told"):
            if position % every == 0 or position < 0:
                shutil.copy2(disk, snapshot := folder / f"disk-{len(cuts)}")
                cuts.append((snapshot, told))
    for number, (snapshot, told) in enumerate(cuts):
        where = f"{name}, power cut {number} of {len(cuts)}"
        with _mount(snapshot, mounted, "defaults"):
            project = mounted / "project"
            look(project, before, after, where)
            for line in told.splitlines():
                if line.startswith("done "):
                    _, file, digest = line.split(" ")
                    assert _digest(project / "outputs" / file) == digest, f"{where}: {file} was told done"
            if number == len(cuts) - 1:
                same(project, after, f"{where}, after its end")
            _, code = _life(scenario, project, at=None)
            assert code in scenario.codes, f"{where}: {code}"
            same(project, after, where)
        snapshot.unlink()
    return {"cuts": len(cuts), "told": sum(len(told.splitlines()) for _, told in cuts)}


def trace(name: str, folder: Path, every: int) -> dict[str, Any]:
    """Where nothing can be mounted: the order of writes, flushes and renames, for every file that gets a name.

    A temporary file is flushed after it was last written and before it gets its name, and the folder of the name after.
    """
    del every
    scenario, project, told = SCENARIOS[name], folder / "project", folder / "operations"
    _prepare(scenario, project, folder / "model")

    def hooked() -> None:
        file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _hook(project, lambda *operation: os.write(file, json.dumps(operation).encode() + b"\n") and None)

    assert _in_fork(scenario.run, project, hooked) in scenario.codes
    operations = [json.loads(line) for line in told.read_text().splitlines()]
    named = [(at, *paths) for at, (kind, *paths) in enumerate(operations) if kind in {"os.rename", "os.link"}]
    for at, source, target in named:
        if is_temp(Path(source).name):
            written = max((i for i in range(at) if operations[i] == ["open", source]), default=-1)
            flushed = ["flush", source] in operations[written + 1 : at]
            assert written >= 0, f"{name}: {target} comes from nowhere"
            assert flushed, f"{name}: {target} gets its name before it is on the drive"
        after = operations[at + 1 :]
        assert ["flush", str(Path(target).parent)] in after, f"{name}: the name {target} isn't flushed"
    made = [(at, path) for at, (kind, path, *_) in enumerate(operations) if kind == "os.mkdir"]
    for at, path in made:
        assert ["flush", str(Path(path).parent)] in operations[at + 1 :], f"{name}: the folder {path} isn't flushed"
    return {"operations": len(operations), "named": len(named), "folders": len(made)}


def look(project: Path, before: Path, after: Path, where: str) -> None:
    """What must hold whenever a life ends: files of the user's are the old or the new ones, no sound is lost."""
    for folder in ("specs", "album", "more", "schemas"):
        for path in (project / folder).rglob("*"):
            if path.is_file() and not is_temp(path.name):
                name = path.relative_to(project)
                known = {(side / name).read_bytes() for side in (before, after) if (side / name).exists()}
                assert path.read_bytes() in known, f"{where}: {name} is neither old nor new"
                if path.suffix == ".toml":
                    tomllib.loads(path.read_text("utf-8"))
    for path in before.rglob("*"):
        name = path.relative_to(before)
        if name.parts[0] == "specs" and path.is_file() and (after / name).exists():
            assert (project / name).exists(), f"{where}: {name} is gone"
    sounds = _sounds(project)
    assert set(sounds) <= set(_sounds(before)) | set(_sounds(after)), f"{where}: {sounds} hold another sound"
    assert set(_sounds(before)) & set(_sounds(after)) <= set(sounds), f"{where}: sound was lost"
    page = project / "outputs" / "report" / "index.html"
    assert not page.exists() or is_whole(page), f"{where}: the page is cut"
    faults = [one for one in verify(Store(project / "outputs", kinds=stored_kinds())) if one.fault]
    expected = _sounds(before) if "verify" in where else {}
    assert expected or all(one.fault == "missing" for one in faults), f"{where}: {faults}"


def same(project: Path, after: Path, where: str) -> None:
    """Whether a project is what an undisturbed run leaves, once somebody wrote into its folders again."""
    for folder in ("specs", "more", "album/specs", "album", "schemas", "album/schemas", "."):
        if (project / folder).is_dir():
            with sole_writer(project / folder):
                pass
    for folder in ("outputs/report", "outputs/.store/pages"):
        for path in (project / folder).rglob(".tmp-*"):
            # The page is written without a lock: what is left of one is taken away when it is old.
            os.utime(path, (0, 0))
    Store(project / "outputs", kinds=stored_kinds()).clear_leftovers()
    found, wanted = tree(project), tree(after)
    assert found == wanted, f"{where}: {_differences(found, wanted)}"


def tree(project: Path) -> dict[str, object]:
    """Everything but times, the journal and what was set aside: path -> what must be equal."""
    found: dict[str, object] = {}
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project).as_posix()
        if not path.is_file() or "/bad/" in name or name.endswith((".jsonl", "/lock")):
            continue
        if name.startswith("outputs/") and path.suffix == ".toml":
            found[name] = {key: value for key, value in tomllib.loads(path.read_text()).items() if key != "made"}
        elif path.suffix in {".json", ".html"} or name.endswith("page-shows"):
            found[name] = path.stat().st_size > 0
        elif path.suffix == ".piece":
            # What it was made from is known by time stamps.
            found[name] = json.loads(path.read_text("utf-8").partition("\n")[2])["piece"]
        else:
            found[name] = _digest(path)
    return found


def _differences(found: dict[str, object], wanted: dict[str, object]) -> str:
    names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    return ", ".join(
        f"{name} {'is left over' if name not in wanted else 'is missing' if name not in found else 'differs'}"
        for name in names
    )


def _sounds(project: Path) -> dict[str, str]:
    files = (path for kind in ("flac", "wav") for path in (project / "outputs").rglob(f"*.{kind}"))
    return {_digest(path): path.name for path in files if not is_temp(path.name)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _prepare(scenario: Scenario, before: Path, model: Path) -> None:
    before.mkdir()
    (before / "renderer.toml").write_text(f'model = "{model}"\n[inference]\nuse_cot_caption = false\n')
    assert _in_fork(scenario.prepare, before, lambda: None) == 0


def _life(scenario: Scenario, project: Path, *, at: int | None) -> tuple[int, int]:
    """How many operations there were, and the exit code; -1 of a life that was ended before operation `at`."""
    reading, writing = os.pipe()

    def hooked() -> None:
        count = 0

        def before_operation(*_: str) -> None:
            nonlocal count
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            os.write(writing, b".")

        _hook(project, before_operation)

    code = _in_fork(scenario.run, project, hooked)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return len(pipe.read()), code


def _paused(scenario: Scenario, project: Path, told: Path) -> Iterator[tuple[int, str]]:
    """Before each operation its number and what was told until then, the life standing still; -1 after the last."""
    reading, writing = os.pipe()
    waiting, going = os.pipe()

    def hooked() -> None:
        def before_operation(*_: str) -> None:
            os.write(writing, b".")
            os.read(waiting, 1)

        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        _hook(project, before_operation)

    pid = _fork(scenario.run, project, hooked)
    os.close(writing)
    position = 0
    while os.read(reading, 1):
        yield position, told.read_text()
        position += 1
        os.write(going, b".")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in scenario.codes, code
    for pipe in (reading, waiting, going):
        os.close(pipe)
    yield -1, told.read_text()


def _in_fork(work: Callable[[], int | None], folder: Path, prepare: Callable[[], None]) -> int:
    pid = _fork(work, folder, prepare)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return -1 if code == -signal.SIGKILL else code


def _fork(work: Callable[[], int | None], folder: Path, prepare: Callable[[], None]) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        prepare()
        code = work() or 0
        sys.stdout.flush()
        os._exit(code)
    except BaseException:  # noqa: BLE001 - the end of a process
        import traceback

        traceback.print_exc()
        os._exit(99)


def _hook(project: Path, before_operation: Callable[..., None]) -> None:
    """Call it with each operation's name and the paths it is about."""
    flush = os.fsync

    def flushed(descriptor: int) -> None:
        before_operation("flush", _path_of(descriptor) if sys.platform == "linux" else "")
        flush(descriptor)

    os.fsync = flushed

    def hear(event: str, values: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = values
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and isinstance(path, str | Path) and _is_below(path, project):
                before_operation("open", os.path.abspath(path))  # noqa: PTH100 - as below
        elif event == "os.mkdir" and os.path.isdir(str(values[0])):  # noqa: PTH112 - as below
            return
        elif event in WRITING and isinstance(values[0], str | Path) and _is_below(values[0], project):
            paths = [os.path.abspath(path) for path in values[:2] if isinstance(path, str | Path)]  # noqa: PTH100 - as below
            before_operation(event, *paths)

    sys.addaudithook(hear)


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _is_below(path: str | Path, project: Path) -> bool:
    return os.path.abspath(path).startswith(f"{project}/")  # noqa: PTH100 - links are not followed


@contextlib.contextmanager
def _mount(disk: Path, mounted: Path, options: str) -> Iterator[None]:
    subprocess.run(["mount", "-o", f"loop,{options}", disk, mounted], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-d", mounted], check=True)


def main() -> None:
    """See the module."""
    how, name, folder, every = sys.argv[1:]
    work = {"kill": kill, "cut": cut, "trace": trace}[how]
    # Imported before the forks: what a command imports inside its body.

    print(json.dumps(work(name, Path(folder).resolve(), int(every))))


if __name__ == "__main__":
    main()
