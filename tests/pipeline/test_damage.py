"""What a drive, a copy or a hand makes of the outputs folder heals: it is noticed, set aside and made again."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from renderer.artifacts import Codes, Latents
from renderer.cli.render import _verify
from renderer.errors import StoreError
from renderer.models.family import stored_kinds
from renderer.pipeline.page_after import page_after
from renderer.pipeline.summary import Summary
from renderer.plan.jobs import Why
from renderer.processes import python
from renderer.provenance import Origin
from renderer.run.process import Inbox, WorkerProcess
from renderer.store.disk import move_take
from renderer.store.encoding import encode
from renderer.store.store import Store
from renderer.store.takes import decode_record
from renderer.store.verify import verify
from tests.pipeline.without_models import carry_out
from tests.stages import STORED
from tests.store.disks import FailingDisk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow


SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = "[verse]\\nla la la"
seeds = [1, 2]
[metas]
bpm = 90
duration = 10
[output]
format = "wav"
"""


@pytest.fixture
def sound(songs: Songs) -> Songs:
    """Two songs of two takes, as WAV: files of one length."""
    songs.write("eins", SPEC)
    songs.write("zwei", SPEC)
    carry_out(songs.project())
    return songs


def audio(songs: Songs) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(songs.outputs.glob("*/*.wav"))}


def artifacts(songs: Songs) -> list[Path]:
    return sorted(songs.outputs.glob(".store/*/*/*.safetensors"))


def records(songs: Songs) -> list[Path]:
    return sorted(songs.outputs.glob(".store/takes/*/*.json"))


def reasons(songs: Songs) -> dict[str, Why]:
    return {take.name: take.why for take in songs.project().plan().takes}


def is_healed(songs: Songs, before: dict[str, bytes]) -> bool:
    carry_out(songs.project())
    return audio(songs) == before and set(reasons(songs).values()) == {Why.DONE}


def flip(path: Path, position: int) -> None:
    """As a failing drive does it: no time stamp tells."""
    content, stat = bytearray(path.read_bytes()), path.stat()
    content[position] ^= 4
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


@pytest.mark.parametrize("position", [60, 2_000, -1])
def test_what_verify_finds_is_made_again_by_the_next_render(sound: Songs, position: int) -> None:
    before, damaged = audio(sound), sound.outputs / "eins" / "eins.s2.wav"
    flip(damaged, position)
    found = damaged.read_bytes()
    assert reasons(sound)["eins.s2"] is Why.DONE, "its size and time are as they were"

    faults = [checked.file for checked in verify(sound.project().store) if checked.fault]

    assert faults == ["eins/eins.s2.wav"]
    assert reasons(sound)["eins.s2"] is Why.MISSING
    assert is_healed(sound, before)
    (aside,) = sound.outputs.glob("eins/old/*.wav")
    assert aside.read_bytes() == found, "what was damaged is kept"


def test_verify_again_trusts_what_was_put_right_by_hand(sound: Songs) -> None:
    damaged = sound.outputs / "eins" / "eins.s2.wav"
    stat = damaged.stat()
    flip(damaged, 100)
    list(verify(sound.project().store))
    flip(damaged, 100)
    os.utime(damaged, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert reasons(sound)["eins.s2"] is Why.DONE, "it is read and matches"
    assert not [checked for checked in verify(sound.project().store) if checked.fault]
    assert not any(decode_record(path.read_bytes()).distrusted for path in records(sound))


def test_render_verify_looks_first(sound: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    before = audio(sound)
    flip(sound.outputs / "zwei" / "zwei.s1.wav", 500)
    flip(artifacts(sound)[0], -1)

    _verify(sound.project(), as_json=False)

    told = capsys.readouterr().out
    assert "bad zwei/zwei.s1.wav: altered since it was written" in told
    assert told.endswith("2 bad\n")
    assert is_healed(sound, before)


def test_a_store_that_takes_no_writes_is_verified_all_the_same(sound: Songs) -> None:
    flip(sound.outputs / "zwei" / "zwei.s1.wav", 500)
    store = Store(sound.outputs, ReadOnly(errno.EROFS, first=0), kinds=stored_kinds())

    assert [checked.file for checked in verify(store) if checked.fault] == ["zwei/zwei.s1.wav"]


class ReadOnly(FailingDisk):
    """Reads, and refuses all else."""

    def _refuses(self, operation: str, path: Path) -> bool:
        del path
        return operation != "read"


@pytest.mark.slow
def test_any_two_artifacts_that_were_swapped_are_noticed(sound: Songs, tmp_path: Path) -> None:
    before, backup = audio(sound), shutil.copytree(sound.outputs / ".store", tmp_path / "backup")
    pairs = list(combinations(artifacts(sound), 2))
    assert len(pairs) > 20
    for one, other in pairs:
        # Codes that no latents need any more aren't made again: every pair begins with all of them.
        shutil.copytree(backup, sound.outputs / ".store", dirs_exist_ok=True)
        swap(one, other)
        store = sound.project().store
        stages = [(path.parent.parent.name, path.stem) for path in (one, other)]
        assert [store.get(stage, key) for stage, key in stages] == [None, None]
    for path in sound.outputs.glob("*/*.wav"):
        path.unlink()
    for stage in STORED:
        shutil.copytree(backup, sound.outputs / ".store", dirs_exist_ok=True)
        one, other, *_ = (path for path in artifacts(sound) if path.parent.parent.name == stage)
        swap(one, other)
        assert sound.project().store.get(stage, one.stem) is None
        assert sound.project().store.get(stage, other.stem) is None
    assert is_healed(sound, before)


@pytest.mark.slow
def test_any_two_records_that_were_swapped_are_noticed(sound: Songs) -> None:
    before = audio(sound)
    for one, other in combinations(records(sound), 2):
        swap(one, other)
        assert set(reasons(sound).values()) != {Why.DONE}
        assert is_healed(sound, before)


def test_any_two_audio_files_that_were_swapped_are_noticed(sound: Songs) -> None:
    before = audio(sound)
    for one, other in combinations(sorted(sound.outputs.glob("*/*.wav")), 2):
        swap(one, other)
        assert is_healed(sound, before)


def test_a_record_copied_to_another_take_is_no_record_of_it(sound: Songs) -> None:
    own, others = records(sound)[0], sound.outputs / ".store" / "takes" / "eins.s7"
    others.mkdir()
    shutil.copy(own, others)

    assert sound.project().store.versions("eins.s7") == ()
    assert own.exists()


def latents(*, bad: float, at: tuple[int, int] = (7, 40)) -> Latents:
    frames = np.ones((25, 64), dtype=np.float32)
    frames[at] = bad
    return Latents(frames=frames)


@pytest.mark.slow
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [(0, 0), (7, 40), (24, 63)])
def test_nan_or_infinity_on_disk_is_set_aside_and_made_again_once(
    sound: Songs, bad: float, at: tuple[int, int]
) -> None:
    before = audio(sound)
    path = next(path for path in artifacts(sound) if path.parent.parent.name == "latents")
    path.write_bytes(encode(latents(bad=bad, at=at), Origin(), f"latents/{path.stem}"))
    for one in sound.outputs.glob("*/*.wav"):
        one.unlink()

    assert sound.project().store.get("latents", path.stem) is None
    assert (sound.outputs / ".store" / "bad" / f"latents-{path.name}").exists()
    assert is_healed(sound, before)


@pytest.mark.parametrize(
    "codes",
    [[-1], [7, -64_000], [[1, 2]], [1.5]],
)
def test_codes_that_cant_be_are_told(codes: list[object]) -> None:
    assert Codes(codes=np.array(codes)).fault
    assert not Codes(codes=np.array([0, 63_999], dtype=np.int32)).fault
    assert not latents(bad=0.5).fault


@pytest.mark.slow
def test_nan_from_the_dit_costs_its_takes_and_nothing_of_it_is_kept(
    make_songs: Callable[[str], Songs], tiny_set: Path, tmp_path: Path
) -> None:
    songs = make_songs("nan")
    model = shutil.copytree(tiny_set, tmp_path / "model")
    songs.write("eins", SPEC.replace("[output]", "[inference]\nthinking = false\nuse_cot_metas = false\n[output]"))
    (songs.folder / "renderer.toml").write_text(f'model = "{model}"\n[inference]\nuse_cot_caption = false\n')
    (weights,) = (model / "transformer").glob("*.safetensors")
    tensors = load_file(weights)
    name = max(tensors, key=lambda one: tensors[one].size)
    tensors[name][:] = np.nan
    save_file(tensors, weights, metadata={"format": "pt"})

    summary = songs.render(preview=1.0)

    assert {(failure.take, failure.stage) for failure in summary.failures} == {
        ("eins.s1.preview1", "latents"),
        ("eins.s2.preview1", "latents"),
    }
    error = summary.failures[0].error
    assert error.message == "the latents hold NaN or infinity"
    assert "damaged" in error.why, "these are float32: --dtype would be wrong advice"
    assert not [path for path in artifacts(songs) if path.parent.parent.name == "latents"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        lambda page: page.unlink(),
        lambda page: page.write_bytes(b""),
        lambda page: page.write_bytes(bytes(page.stat().st_size)),
        lambda page: page.write_bytes(page.read_bytes()[:-1]),
        lambda page: page.write_bytes(page.read_bytes()[:4096]),
        lambda page: shutil.rmtree(page.parent),
    ],
    ids=["missing", "empty", "zeros", "cut at the end", "cut early", "folder missing"],
)
def test_a_page_that_isnt_whole_is_written_again_though_nothing_was_rendered(
    sound: Songs, damage: Callable[[Path], None]
) -> None:
    page = page_after(sound.project(), nothing_done(sound))
    whole, stamp = page.read_text(), page.stat().st_mtime_ns
    assert page_after(sound.project(), nothing_done(sound)).stat().st_mtime_ns == stamp, "else it is left alone"

    damage(page)

    page_after(sound.project(), nothing_done(sound))
    assert page.read_text().endswith("</html>")
    assert len(page.read_text()) == len(whole)


def nothing_done(songs: Songs) -> Summary:
    plan = songs.project().plan()
    assert {take.why for take in plan.takes} == {Why.DONE}
    names = tuple(take.name for take in plan.takes)
    return Summary(
        plan=plan, outputs=songs.outputs, rendered=(), restored=(), retagged=(), kept=names, failures=(), stopped=False,
        seconds=0.0,
    )  # fmt: skip


def test_a_sidecar_that_was_written_to_by_hand_is_kept_when_its_take_is_made_again(sound: Songs) -> None:
    sidecar = sound.outputs / "eins" / "eins.s1.toml"
    mine = sidecar.read_text() + "# the one for the album\n"
    sidecar.write_text(mine)
    (sound.outputs / "eins" / "eins.s1.wav").unlink()

    carry_out(sound.project())

    assert sidecar.read_text() != mine
    assert mine in {path.read_text() for path in sound.outputs.glob("eins/old/*.toml")}


def test_a_former_version_that_was_altered_by_hand_is_not_replaced(sound: Songs) -> None:
    sound.edit("eins", "calm", "wild")
    carry_out(sound.project())
    old = sorted((sound.outputs / "eins" / "old").iterdir())
    assert len(old) == 4
    mine = {path: path.read_bytes() + b"\n# mine" for path in old}
    for path, content in mine.items():
        path.write_bytes(content)

    for words in (("wild", "calm"), ("calm", "wild"), ("wild", "calm"), ("calm", "wild")):
        sound.edit("eins", *words)
        carry_out(sound.project())

    found = [path.read_bytes() for path in (sound.outputs / "eins" / "old").iterdir()]
    for content in mine.values():
        assert content in found


def test_two_strangers_under_one_name_are_both_kept(sound: Songs) -> None:
    path = sound.outputs / "eins" / "eins.s1.wav"
    for content in (b"first stranger", b"second stranger", b"first stranger"):
        path.write_bytes(content)
        carry_out(sound.project())

    found = {one.read_bytes() for one in (sound.outputs / "eins" / "old").glob("*.wav")}
    assert found == {b"first stranger", b"second stranger"}


def test_only_files_of_our_pattern_where_we_put_them_are_cleared(sound: Songs) -> None:
    ours = ["eins", ".store", ".store/latents/aa", ".store/takes/eins.s1"]
    pages = ["report", "report/measured"]
    theirs = ["", "eins/mine", "eins/old/deep", "report/mine", ".store/mine/deep"]
    name = ".tmp-0123456789abcdef.wav"
    for folder in (*ours, *pages, *theirs):
        (sound.outputs / folder).mkdir(parents=True, exist_ok=True)
        (sound.outputs / folder / name).write_text("x")
    others = [".tmp-", ".tmp-notes.txt", ".tmp-0123456789abcdef.wav.part", ".tmp-0123456789abcdeg"]
    for other in others:
        (sound.outputs / "eins" / other).write_text("mine")
    (sound.outputs / "in-a-circle").symlink_to("in-a-circle")

    sound.project().store.clear_leftovers()

    for folder in pages:
        assert (sound.outputs / folder / name).exists(), "a page may be on its way: they are written without the lock"
        os.utime(sound.outputs / folder / name, (0, 0))
    # A folder of that name is ours only where measuring makes one.
    for folder in ("eins", "report", "report/measured"):
        (sound.outputs / folder / ".tmp-fedcba9876543210").mkdir()
        os.utime(sound.outputs / folder / ".tmp-fedcba9876543210", (0, 0))
    sound.project().store.clear_leftovers()

    left = {path.relative_to(sound.outputs).as_posix() for path in sound.outputs.rglob(".tmp-*")}
    assert left == {
        *(f"{folder}/.tmp-fedcba9876543210" for folder in ("eins", "report")),
        *(f"{folder}/{name}".lstrip("/") for folder in theirs),
        *(f"eins/{other}" for other in others),
    }


@pytest.mark.parametrize(
    "file",
    ["../mine.wav", "/tmp/mine.wav", "eins/../../mine.wav", "mine.wav", ".store/mine.wav", "a//b.wav", "a/\0.wav", 7],
)
def test_a_record_that_names_a_file_elsewhere_is_set_aside(sound: Songs, file: object) -> None:
    path = records(sound)[0]
    values = json.loads(path.read_bytes().partition(b"\n")[2])
    body = json.dumps({**values, "file": file}, sort_keys=True, ensure_ascii=False).encode()
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n")

    assert sound.project().store.versions(values["take"]) == ()
    assert (sound.outputs / ".store" / "bad" / f"takes-{path.name}").exists()


def test_new_folders_are_flushed_in_the_ones_above(songs: Songs) -> None:
    disk = FailingDisk(5, first=1_000_000)
    store = Store(songs.folder / "deep" / "outputs", disk, kinds=stored_kinds())

    store.prepare()
    store.put("latents", "ab12", latents(bad=0.0), Origin())

    for name in ("project", "deep", "outputs", ".store", "latents"):
        assert f"flush_folder {name}" in disk.operations
    assert disk.operations.index("flush_folder latents") < disk.operations.index("flush_folder ab")


def test_a_version_moves_with_both_folders_flushed(sound: Songs) -> None:
    disk = FailingDisk(5, first=1_000_000)
    place = sound.outputs / "eins" / "eins.s1.wav"

    move_take(disk, place, sound.outputs / "eins" / "old" / "x.wav")

    moved = disk.operations.index("replace x.wav")
    assert {"flush_folder eins", "flush_folder old"} <= set(disk.operations[moved:])


def test_links_in_the_store_lead_no_writer_to_files_that_arent_ours(sound: Songs) -> None:
    mine = sound.folder / "mine.txt"
    mine.write_text("mine")
    store = sound.outputs / ".store"
    for name in ("journal.jsonl", "worker.log", "page-shows", "lock"):
        (store / name).unlink(missing_ok=True)
        (store / name).symlink_to(mine)
    report = sound.outputs / "report"
    report.mkdir(exist_ok=True)
    (report / "index.html").symlink_to(mine)
    sound.edit("eins", "calm", "wild")

    with pytest.raises(StoreError):
        sound.render(preview=1.0)
    (store / "lock").unlink()
    sound.render(preview=1.0)
    (store / "journal.jsonl").unlink()
    carry_out(sound.project())
    page_after(sound.project(), nothing_done(sound))
    with WorkerProcess(sound.project().settings, store / "worker.log", Inbox(), python("-m", "renderer.run.worker")):
        pass

    assert mine.read_text() == "mine"


def test_what_cant_be_is_never_put_into_the_store(sound: Songs) -> None:
    store = sound.project().store
    with pytest.raises(StoreError, match="isn't kept"):
        store.put("latents", "ab12", latents(bad=np.nan), Origin())
    assert not store.has("latents", "ab12")
