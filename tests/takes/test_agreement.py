"""What is heard against what was wanted."""

from __future__ import annotations

import pytest

from renderer.takes.agreement import same_key


@pytest.mark.parametrize(
    ("wanted", "measured", "same"),
    [
        ("Db major", "C# major", True),
        ("E♭ minor", "D# minor", True),
        ("A minor", "C major", False),
        ("c MAJOR", "C major", True),
        ("N/A", "C major", True),
        ("", "C major", True),
        ("Hmoll", "C major", True),
    ],
)
def test_keys_are_one_by_their_sound_and_no_key_is_any(wanted: str, measured: str, same: bool) -> None:
    assert same_key(wanted, measured) is same
