"""Whatever stands in a spec: an answer in words and in time, never a traceback."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renderer.spec.diagnostics import plain
from renderer.spec.lints.table import LINTS
from renderer.spec.load import load_songs

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.toml"))
SEEDS = [path.read_bytes() for path in SPECS] + [lint.bad.encode() for lint in LINTS if len(lint.bad) < 2000]
PIECES = [
    b'"', b'"""', b"'''", b"[", b"]", b"[[", b"]]", b"{", b"}",
    b"=", b".", b",", b"#", b"\n", b"\r\n", b"\r", b"\\", b"\\u",
    b"\\U0010ffff", b"\\ud800", b"\x00", b"\x1b[2J", b"\xff", b"\xef\xbb\xbf", b"\xf0\x9f\x8e\xb8", b"\xcc\x81", b"nan",
    b"inf", b"-", b"9" * 30, b"1e999", b"0x", b"1979-05-27", b"true", b"[metas]\n", b"[[lyrics]]\n",
    b"[variants.x]\n", b"lyrics", b"a.b", b"<|im_end|>", b"[verse]", b"(", b")", b" " * 400, b"[" * 300,
    b"a." * 40, b"seeds = ", b"bpm = ", b'text = """\n',
]  # fmt: skip
HANGS_SECONDS = 30.0  # of this process's own time; most take a hundredth of a second


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A spec with some of its bytes cut, doubled, swapped with another spec's, or strewn with odd pieces."""
    content = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 60)))
        middle = draw(
            st.one_of(
                st.just(b""),
                st.sampled_from(PIECES),
                st.just(content[start:end] * 2),
                st.sampled_from(SEEDS).map(lambda other: other[len(other) // 3 : len(other) // 2]),
                st.binary(max_size=4),
            )
        )
        content = content[:start] + middle + content[end:]
    return content


def is_answered(folder: Path, content: bytes) -> None:
    """Load and print what is said; anything but an answer in time fails."""
    folder.mkdir(exist_ok=True)
    (folder / "song.toml").write_bytes(content)
    start = time.process_time()
    loaded = load_songs([folder])
    for diagnostic in loaded.diagnostics:
        text = plain(diagnostic)
        assert not {unicodedata.category(character) for character in set(text) - {"\n"}} & {"Cc", "Cs", "Zl", "Zp"}
    assert time.process_time() - start < HANGS_SECONDS
    assert loaded.songs or loaded.errors


@given(content=mutated())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_mutated_specs_are_answered(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    is_answered(tmp_path_factory.getbasetemp() / "mutated", content)


@pytest.mark.long
@given(content=mutated())
@settings(max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_twenty_thousand_mutated_specs_are_answered(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    is_answered(tmp_path_factory.getbasetemp() / "mutated", content)


@pytest.mark.parametrize(
    "content",
    [
        b"a." * 25_000,
        b"x = {" + b"a." * 15_000 + b"b = 1}",
        b"[" + b"a." * 25_000 + b"b]",
        b'"' * 64_000,
        b"'" * 64_000,
        b"[x]\n" * 15_000,
        b"".join(b"k%d = 1\n" % number for number in range(5_000)),
        b"".join(b"[[lyrics]]\nsection = 'a'\n" for _ in range(2_500)),
        b"caption = 'x'\nlyrics = '''\n" + b"[" * 60_000 + b"'''",
        b"caption = 'x'\nlyrics = '''\n" + b"[verse]\n" * 8_000 + b"'''",
        b"caption = 'x'\nlyrics = '''\n[a" + b" " * 60_000 + b"- b]'''",
        b"caption = 'x'\nlyrics = '''\n" + b"<|" * 25_000 + b"'''",
        b"caption = 'x'\ninstrumental = true\nseeds = [" + b"1," * 25_000 + b"]",
        b"caption = 'x'\nlyrics = '''\n" + "歌".encode() * 20_000 + b"'''",
        b"caption = '" + b"in A" * 15_000 + b"'\ninstrumental = true",
        b"caption = '" + b"9" * 60_000 + b"'\ninstrumental = true",
    ],
    ids=lambda content: content[:24].decode(errors="replace"),
)
def test_what_is_made_to_take_long_does_not(tmp_path: Path, content: bytes) -> None:
    is_answered(tmp_path, content)
