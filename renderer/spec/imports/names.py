"""Names of checkpoints and lists of seeds, as ACE-Step's files and interfaces write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from renderer.facts import MAX_SEED
from renderer.song import MAX_SEEDS, is_seed
from renderer.spec.checkpoints import CHECKPOINTS, LMS, PUBLISHED_PREFIX, VAES
from renderer.spec.imports.values import number

if TYPE_CHECKING:
    from collections.abc import Iterable

_LM_PREFIX = "acestep-5hz-lm-"
_PUBLISHERS = frozenset({"ace-step", "acestep", "acemusic", "checkpoints"})  # the last is the folder it downloads to


def model_named(written: Any) -> str | None:
    """`acestep-v15-turbo`, `ACE-Step/acestep-v15-turbo` as `turbo`; None for another's checkpoint and for a path."""
    return _known(written, PUBLISHED_PREFIX, CHECKPOINTS)


def lm_named(written: Any) -> str | None:
    """`acestep-5Hz-lm-1.7B` as `1.7B`; None for another's LM and for a path."""
    return _known(written, _LM_PREFIX, LMS)


def vae_named(written: Any) -> str | None:
    """A VAE that can be named; None for a path."""
    return _known(written, "", VAES)


def _known(written: Any, prefix: str, known: Iterable[str]) -> str | None:
    *above, name = re.split(r"[/\\]", str(written).strip().rstrip("/\\")) if isinstance(written, str) else ("",)
    if above and above[-1].lower() not in _PUBLISHERS:
        return None
    short = name.lower().removeprefix(prefix)
    return next((one for one in known if one.lower() == short), None)


def seeds_in(written: Any) -> tuple[list[int], str]:
    """The seeds that can be rendered again, each once, and why some are not among them."""
    listed = re.split(r"[,\s]+", written.strip(" ,[]()")) if isinstance(written, str) else written
    numbers = [number(one) for one in (listed if isinstance(listed, list) else [listed])]
    kept = list(dict.fromkeys(filter(is_seed, numbers)))
    if len(kept) > MAX_SEEDS:
        return kept[:MAX_SEEDS], f"a song has {MAX_SEEDS} seeds at most, there are {len(kept)}"
    odd = [one for one in numbers if not is_seed(one)]
    if not odd or numbers == [-1]:
        return kept, ""
    if odd[0] == -1:
        return kept, "a random seed, -1, can't be rendered again"
    return kept, f"{str(odd[0])[:40]} is no seed: they run from 0 to {MAX_SEED}"
