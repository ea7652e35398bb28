"""Songs kept as TOML specs, rendered with ACE-Step 1.5. Importing this imports no torch.

```python
import renderer

loaded = renderer.load_songs(["specs"])
plan = renderer.make_plan(loaded.require(), model="mini", preview=20)
summary = renderer.render(loaded.require(), model="mini", preview=20)
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from renderer.pipeline.api import make_plan, render
    from renderer.spec.load import load_songs

__version__ = "0.1.0"
__all__ = ["__version__", "load_songs", "make_plan", "render"]

_HOMES = {
    "load_songs": "renderer.spec.load",
    "make_plan": "renderer.pipeline.api",
    "render": "renderer.pipeline.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `renderer` has no attribute `{name}`")
    from importlib import import_module  # noqa: PLC0415 - the names cost their imports only when used

    return getattr(import_module(_HOMES[name]), name)
