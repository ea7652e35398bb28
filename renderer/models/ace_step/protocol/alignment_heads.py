"""Which heads of a DiT's cross-attention follow the lyrics: by its config's own word, else by its sizes. No torch."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.models.catalog import layouts
from renderer.spec.checkpoints import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.model_files import ModelFiles

    Heads = tuple[tuple[int, tuple[int, ...]], ...]

CONFIG_KEY = "lyric_alignment_layers_config"
"""Of a DiT's config.json, in either layout: `{"2": [6], "3": [10, 11]}`."""
# Source: ace-step/ACE-Step-1.5, acestep/core/generation/handler/lyric_alignment_common.py and the published XL configs.
# `mini` has none: its attention isn't sharp enough for any head to tell (tests/bench/mini_timestamps.py).
_2B, _XL = (24, 16), (32, 32)
BY_SIZES: Mapping[tuple[int, int], Mapping[int, tuple[int, ...]]] = {
    _2B: {2: (6,), 3: (10, 11), 4: (3,), 5: (8, 9), 6: (8,)},
    _XL: {3: (18, 27), 4: (22,), 5: (5, 6, 7), 6: (2, 12, 13), 7: (20, 21)},
}
"""Layers and heads of the DiT -> layer -> heads."""


def alignment_heads(files: ModelFiles) -> Heads | None:
    """A set's; None where nobody knows, or its files aren't on disk."""
    path = _config_path(files.dit, files.layout)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError:
        return None


def published_heads(name: str) -> Heads | None:
    """Those of a set by its name, for a plan of what isn't fetched yet; None where it has none, or nobody knows."""
    checkpoint = CHECKPOINTS.get(name)
    if checkpoint is None or not checkpoint.tells_when:
        return None
    return tuple(BY_SIZES[_XL if name.startswith("xl-") else _2B].items())


def heads_in(config: Mapping[str, Any]) -> Heads | None:
    """The same of a config's content; a map that can't be read says nothing, as upstream has it."""
    layers, heads = (config.get(name, 0) for name in ("num_hidden_layers", "num_attention_heads"))
    found = _said(config.get(CONFIG_KEY)) or BY_SIZES.get((layers, heads), {})
    there = {layer: tuple(one for one in found[layer] if 0 <= one < heads) for layer in found if 0 <= layer < layers}
    return tuple((layer, there[layer]) for layer in sorted(there) if there[layer]) or None


def _said(written: object) -> Mapping[int, tuple[int, ...]]:
    if not isinstance(written, dict):
        return {}
    try:
        return {int(layer): tuple(int(head) for head in heads) for layer, heads in written.items()}
    except (TypeError, ValueError):
        return {}


# A plan of a thousand takes asks both a thousand times.
@lru_cache(maxsize=64)
def _config_path(dit: str, layout: str) -> Path:
    return (Path(dit, "transformer") if layout == layouts.DIFFUSERS else Path(dit)) / "config.json"


@lru_cache(maxsize=64)
def _read(path: Path, _mtime_ns: int) -> Heads | None:
    return heads_in(layouts.read_json(path))
