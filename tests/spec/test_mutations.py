"""Whatever stands in a spec: an answer in words and in time, never a traceback."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renderer.pipeline.mend import mend
from renderer.spec.diagnostics import plain
from renderer.spec.lints.table import LINTS
from renderer.spec.load import load_songs
from renderer.spec.lyrics import parse, unified

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
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_mutated_specs_are_answered(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    is_answered(tmp_path_factory.getbasetemp() / "mutated", content)


@pytest.mark.long
@given(content=mutated())
@settings(max_examples=20_000, suppress_health_check=list(HealthCheck), derandomize=False)
def test_twenty_thousand_mutated_specs_are_answered(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    is_answered(tmp_path_factory.getbasetemp() / "mutated", content)


def lyric_lines() -> list[str]:
    """Lines of the corpora: headings in every form, what would be sung by mistake, words in many scripts."""
    folder = Path(__file__).parent
    rows = [
        row.split(" | ", 1)
        for name in ("section_headers.txt", "headings_with_marks.txt")
        for row in (folder / name).read_text("utf-8").splitlines()
        if not row.startswith("#")
    ]
    marks = [row.split(" | ", 1)[-1] for row in (folder / "sung_by_mistake.txt").read_text("utf-8").splitlines()]
    return [row[0] for row in rows] + [line for mark in marks for line in mark.split("\\n")] + WORDS


WORDS = [
    "", "", "", "the rain came down on Monday", "雨が降ってきた月曜日の朝", "дождь пришёл в понедельник",
    "오늘 밤 너와 나", "نور العين", "तेरे बिना ज़िंदगी से", "wo3 xiang3 ni3", "(ooh)", "[", "]", "(" * 300, "[a" * 150,
    "x " * 200,
    "a:" * 100, "－" * 80, "`" * 299, "* " * 140,
]  # fmt: skip
SCRAPS = [
    "[", "]", "(", ")", ":", "：", "**", "x2", " - ", "\n", "\n\n", "#", "♪", "\u200b", "<br>", "&#91;", "'", "=", "|",
    "[00:12.00]", "Am ",
]  # fmt: skip


LINES = lyric_lines()


@st.composite
def mutated_lyrics(draw: st.DrawFn) -> str:
    """Lines of the corpora in any order, with some of their characters cut, doubled or strewn with odd ones."""
    text = "\n".join(draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=24)))
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        middle = draw(
            st.one_of(st.just(""), st.sampled_from(SCRAPS), st.just(text[start:end] * 2), st.text(max_size=3))
        )
        text = text[:start] + middle + text[end:]
    return text


def is_sent_as_written_and_mended_without_loss(folder: Path, text: str) -> None:
    """Check lyrics and make what is certain: the one changes nothing that is sent, the other no sung word."""
    folder.mkdir(exist_ok=True)
    (folder / ".git").mkdir(exist_ok=True)
    (folder / "words.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    (folder / "song.toml").write_text('caption = "x"\nlyrics_file = "words.txt"\n', encoding="utf-8")
    start = time.process_time()
    loaded = load_songs([folder])
    mended = mend([str(folder)], model=None)
    assert time.process_time() - start < HANGS_SECONDS
    for song in loaded.songs:
        assert song.lyrics == unified(text)
    for one in mended:
        assert sung_words(one.after) == sung_words(one.before)


def sung_words(text: str) -> list[str]:
    """The lines that are sung."""
    return [line for section in parse(unified(text)) for line in section.lines if line.strip()]


@pytest.mark.slow
@given(text=mutated_lyrics())
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_mutated_lyrics_are_answered(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    is_sent_as_written_and_mended_without_loss(tmp_path_factory.getbasetemp() / "mutated-lyrics", text)


@pytest.mark.long
@given(text=mutated_lyrics())
@settings(max_examples=5_000, suppress_health_check=list(HealthCheck), derandomize=False)
def test_five_thousand_mutated_lyrics_are_answered(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    is_sent_as_written_and_mended_without_loss(tmp_path_factory.getbasetemp() / "mutated-lyrics", text)


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
