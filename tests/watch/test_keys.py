"""Keys where there is nobody to press them."""

from __future__ import annotations

import os
import pty
import sys
from typing import TYPE_CHECKING

from renderer.watch.keys import has_keys

if TYPE_CHECKING:
    import pytest


def test_a_terminal_of_another_session_has_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        found = has_keys()
    os.close(ours)

    assert not found
