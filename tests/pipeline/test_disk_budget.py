"""What a render will write is held against what is free, before anything runs."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from renderer.errors import ResourceError
from renderer.pipeline.disk_budget import SPARE_BYTES, needed_bytes, refuse_without_room

if TYPE_CHECKING:
    from tests.pipeline.conftest import Songs

ONE_SOUND = 10 * 48_000 * 2 * 4


@pytest.mark.slow
def test_sound_on_its_way_to_its_file_needs_room_beside_the_takes(
    songs: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs.write("eins")
    plan = songs.project().plan()
    needed = needed_bytes(plan) + SPARE_BYTES + len(plan.takes) * ONE_SOUND

    def free(num_bytes: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=num_bytes))

    free(needed)
    refuse_without_room(plan, songs.outputs)
    free(needed - 1)
    with pytest.raises(ResourceError, match="are free"):
        refuse_without_room(plan, songs.outputs)
