"""Songs kept as TOML specs, rendered with ACE-Step 1.5. Importing this imports no torch.

```python
import renderer

loaded = renderer.load_songs(["specs"])
plan = renderer.make_plan(loaded.require(), model="mini", preview=20)
summary = renderer.render(loaded.require(), model="mini", preview=20)
```
"""

# Nothing is imported here, not even `typing`: `python -m renderer` comes by here before its path is safe.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from renderer.pipeline.api import make_plan, render
    from renderer.spec.load import load_songs

__version__ = "0.2.0.dev0"
__all__ = ["__version__", "load_songs", "make_plan", "render"]

_HOMES = {
    "load_songs": "renderer.spec.load",
    "make_plan": "renderer.pipeline.api",
    "render": "renderer.pipeline.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module `renderer` has no attribute `{name}`")
    from importlib import import_module  # noqa: PLC0415 - the names cost their imports only when used

    return getattr(import_module(_HOMES[name]), name)
