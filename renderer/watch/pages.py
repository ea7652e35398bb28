"""The report, written anew in a thread of its own whenever it is behind; as often as it can be, never twice at once."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from renderer.errors import RendererError, StoreError
from renderer.pipeline.page import write_page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from renderer.pipeline.project import Project


class Pages:
    """Knows whether the report tells of all that is rendered, and who is writing it."""

    def __init__(
        self, post: Callable[[Callable[[], None]], None], written: Callable[[Path | RendererError], None]
    ) -> None:
        self._post = post
        self._written = written
        self._is_behind = self._is_being_written = False

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to write and nobody writing."""
        return not self._is_behind and not self._is_being_written

    @property
    def is_due(self) -> bool:
        """Whether it could be written now and would be another."""
        return self._is_behind and not self._is_being_written

    def fall_behind(self) -> None:
        """Something was rendered that the report doesn't tell of."""
        self._is_behind = True

    def write(self, projects: Sequence[Project]) -> None:
        """Write the report of each project in the background; of several outputs folders, the first one's is told."""
        self._is_behind = False
        if projects:
            self._is_being_written = True
            threading.Thread(target=self._work, args=(tuple(projects),), name="page").start()

    def _work(self, projects: tuple[Project, ...]) -> None:
        result: Path | RendererError = RendererError("the report broke off", why="a fault in renderer")
        try:
            pages = [write_page(project) for project in projects]
            result = pages[0]
        except RendererError as error:
            result = error
        except OSError as error:
            result = StoreError("the report can't be written", why=error.strerror or str(error))
        finally:
            self._post(partial(self._end, result))

    def _end(self, result: Path | RendererError) -> None:
        self._is_being_written = False
        self._written(result)
