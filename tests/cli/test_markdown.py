"""Plans as Markdown, read back by a parser of it: texts are shown as they are and make nothing of their own."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from renderer.cli.markdown import MOST_CHARACTERS, table, verbatim
from renderer.spec.diagnostics import printable

PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("`|\\<>[]()!*_~&#@ \n")), max_size=30)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
@example([("a|b\\|c\\\\|", "`` ` ```|"), ("<img src=x>", "![x](http://x)"), ("</td>", "<!--"), ("", " ")])
def test_cells_are_shown_as_they_are(rows: list[tuple[str, str]]) -> None:
    tokens = PARSER.parse("\n".join(table(("a", "b"), rows)))
    cells = [token.children or [] for token in tokens if token.type == "inline"][2:]

    assert {token.type.partition("_")[0] for token in tokens} <= {
        *("table", "thead", "tbody", "tr", "th", "td", "inline"),
    }
    assert all([child.type for child in cell] in ([], ["code_inline"]) for cell in cells)
    shown = ["".join(child.content for child in cell) for cell in cells]
    expected = [printable(text.replace("\n", " ")) for row in rows for text in row]
    assert shown == [text if text.strip(" ") else "" for text in expected]


@given(st.lists(TEXTS, max_size=4))
@example(["```", "x\n````\n<b>"])
def test_a_block_is_shown_as_it_is(lines: list[str]) -> None:
    tokens = PARSER.parse("\n".join(verbatim(lines)))

    assert [token.type for token in tokens] == ["fence"]
    plain = [printable(part) for line in lines for part in line.split("\n")]
    assert tokens[0].content == "".join(f"{line}\n" for line in plain)


def test_of_a_long_table_it_says_how_much_is_left_out() -> None:
    lines = list(table(("take",), ((f"night-bus.s{number}",) for number in range(10_000))))

    assert len("\n".join(lines)) < MOST_CHARACTERS + 100
    assert lines[-1] == f"and {10_000 - (len(lines) - 4)} more"


def test_of_a_long_block_it_says_how_much_is_left_out() -> None:
    lines = list(verbatim([f"night-bus.s{number}" for number in range(10_000)]))

    assert len("\n".join(lines)) < MOST_CHARACTERS + 100
    assert lines[-2:] == [f"and {10_000 - (len(lines) - 3)} lines more", "```"]
