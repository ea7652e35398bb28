"""What is told of two values in a line: the difference is in it, however long they are."""

from __future__ import annotations

import pytest

from renderer.plan.differing import differing

WARM = "Warm indie pop, clean electric guitar, brushed drums, female voice"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (3.0, 2.0, "3.0 → 2.0"),
        ("calm piano", "", "calm piano → none"),
        ("calm piano", "wild piano", "calm piano → wild piano"),
        (WARM, WARM.replace("brushed", "loud"), "… electric guitar, [-brushed-] {+loud+} drums, female …"),
        (WARM, WARM.replace(", female voice", ""), "… guitar, brushed [-drums, female voice-] {+drums+}"),
        (WARM, f"{WARM}, reverb", "… drums, female [-voice-] {+voice, reverb+}"),
        (f"[verse]\n{WARM}", f"[verse]\n{WARM.replace('Warm', 'Cold')}", "[-Warm-] {+Cold+} indie pop, …"),
        (WARM, "Slow blues", "[-Warm indie pop, clean …-] {+Slow blues+}"),
        ("ab" * 20 + "cd", "ab" * 20 + "ef", "…ababababcd → …ababababef"),
    ],
)
def test_what_differs_is_told(old: object, new: object, told: str) -> None:
    assert differing(old, new) == told


def test_of_many_places_the_first_are_told() -> None:
    words = [f"word{number}" for number in range(40)]
    new = [word.upper() if number % 10 == 5 else word for number, word in enumerate(words)]

    told = differing(" ".join(words), " ".join(new))

    assert told == "… word3 word4 [-word5-] {+WORD5+} word6 word7 … word13 word14 [-word15-] {+WORD15+} …"
