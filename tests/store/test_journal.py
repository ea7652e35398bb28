"""Whatever a drive or a person makes of the journal, it stops nothing: odd lines are passed over, and told once."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from renderer.models.family import stored_kinds
from renderer.plan.make import last_failures
from renderer.report.build import last_run
from renderer.store import journal as journals
from renderer.store.journal_lines import TakeFailedLine
from renderer.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

ERROR = {"message": "it fell", "why": "over", "help": "lift it"}
JOB = {"stage": "latents", "part": "dit", "key": "ab" * 32, "takes": ["eins.s1", "eins.s2"]}
LINES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("run-started", {"takes": 2, "jobs": 4}),
    ("loaded", {"component": "dit", "seconds": 1.5, "num_bytes": 10_000}),
    ("worker-restarted", ERROR),
    ("job-done", {**JOB, "seconds": 2.25}),
    ("job-failed", {**JOB, **ERROR}),
    ("take-done", {"take": "eins.s1", "key": "cd" * 32, "file": "eins/eins.s1.flac"}),
    ("take-failed", {"take": "eins.s2", "key": "ef" * 32, "stage": "latents", **ERROR}),
    ("take-restored", {"take": "eins.s3", "key": "01" * 32, "file": "eins/eins.s3.flac"}),
    ("set-aside", {"stage": "latents", "key": "23" * 32, "why": "its bytes changed"}),
    ("run-ended", {"rendered": 1, "stopped": False, "seconds": 9.5, "loads_song_by_song": {"dit": 2}}),
    ("freed", {"files": 3}),
)  # fmt: skip
KINDS: tuple[object, ...] = (
    None,
    True,
    7,
    -1,
    1.5,
    float("nan"),
    1e400,
    "x",
    "",
    [],
    [7],
    {},
    {"x": 7},
    {"x": "y"},
    [[[]]],
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "outputs", kinds=stored_kinds())
    made.prepare()
    for event, fields in LINES:
        made.journal.append(event, fields)
    return made


def path_of(store: Store) -> Path:
    return store.folder / "journal.jsonl"


def read_all(store: Store) -> None:
    """What plan, status and report read of it."""
    last_failures(store)
    run = last_run(store)
    if run.started:
        run.started.astimezone()
    for entry in store.journal.lines("take-failed"):
        assert isinstance(entry.line, TakeFailedLine)
        assert isinstance(entry.line.take + entry.line.message + entry.line.stage, str)


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize(
    "bits", [pytest.param(1, id="one bit a byte"), pytest.param(8, id="all", marks=pytest.mark.long)]
)
def test_a_flipped_bit_anywhere_stops_nothing(store: Store, offset: int, bits: int) -> None:
    whole = path_of(store).read_bytes()
    for position in range(offset, len(whole), 4):
        for bit in range(8) if bits == 8 else [(position // 4) % 8]:
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            path_of(store).write_bytes(damaged)
            read_all(store)


@pytest.mark.parametrize("event", [event for event, _ in LINES])
def test_a_value_of_any_other_kind_stops_nothing(store: Store, event: str) -> None:
    fields = dict(LINES)[event]
    at = {"at": "2026-11-29T22:00:00.000+00:00", "event": event}
    whole = path_of(store).read_bytes()
    for name in (*at, *fields):
        rest = {key: value for key, value in {**at, **fields}.items() if key != name}
        for line in (rest, *({**rest, name: kind} for kind in KINDS)):
            path_of(store).write_bytes(whole + json.dumps(line).encode() + b"\n")
            read_all(store)


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"null\n", b"[]\n", b"7\n", b'"take-failed"\n', b"\xff\xfe\n", b"\0" * 200 + b"\n",
        b"[" * 100_000 + b"\n",
        b'{"event": "take-failed"}\n', b'{"at": "2026-11-29T22:00:00", "event": "take-failed", "take": 1}\n',
        b'{"at": "0001-01-01T00:00:00+14:00", "event": "run-started"}\n',
        b'{"at": "2026-11-29T22:00:00+00:00", "event": "take-failed", "take": ' + b"9" * 5000 + b"}\n",
    ],
)  # fmt: skip
def test_an_odd_line_is_passed_over_told_once_and_taken_out_by_the_next_run(
    store: Store, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    whole = path_of(store).read_bytes()
    before = list(store.journal.lines())
    path_of(store).write_bytes(line + whole)

    with caplog.at_level(logging.WARNING):
        assert list(store.journal.lines()) == before
        read_all(store)
    assert [record.message for record in caplog.records] == [
        f"`{path_of(store)}`: line 1 and perhaps others can't be read: they are passed over"
    ]

    store.journal.tidy()

    assert path_of(store).read_bytes() == whole
    assert (store.folder / "bad" / "journal.jsonl").read_bytes() == line


@pytest.mark.slow
def test_a_line_cut_by_the_next_runs_crash_spoils_only_itself(store: Store) -> None:
    whole = path_of(store).read_bytes()
    for length in range(len(whole)):
        path_of(store).write_bytes(whole[:length])
        read_all(store)
        store.journal.append("take-done", {"take": "last.s1"})
        assert list(store.journal.lines())[-1].fields["take"] == "last.s1"


def test_a_sound_journal_is_left_as_it_is(store: Store) -> None:
    whole = path_of(store).read_bytes()
    store.journal.tidy()
    assert path_of(store).read_bytes() == whole
    assert not (store.folder / "bad").exists()


def test_a_long_journal_keeps_which_takes_failed_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("zwei.s1", "drei.s1", "zwei.s1"):
        store.journal.append("take-failed", {"take": name, "key": name * 8, "stage": "codes", **ERROR})
    store.journal.append("take-done", {"take": "drei.s1"})
    failures = last_failures(store)
    assert set(failures) == {"eins.s2", "zwei.s1"}
    monkeypatch.setattr(journals, "LONG_BYTES", 1_000)

    store.journal.tidy()

    assert last_failures(store) == failures
    assert len(list(store.journal.lines())) == 2
    store.journal.append("take-done", {"take": "zwei.s1"})
    assert set(last_failures(store)) == {"eins.s2"}


def test_there_may_be_no_journal(tmp_path: Path) -> None:
    store = Store(tmp_path, kinds=stored_kinds())
    assert list(store.journal.lines()) == []
    store.journal.tidy()
    assert not path_of(store).exists()
