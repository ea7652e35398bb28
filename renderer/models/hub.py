"""Where a published repository lies on this disk, without asking the network. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A folder of a Hugging Face repository at a revision."""

    repo: str
    folder: str = ""
    """Inside the repository; empty is its root."""
    revision: str = "main"


def find(source: Source) -> Path | None:
    """The folder in the hub cache (`HF_HOME` respected); None when it isn't there with all its weights."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - 0.2 s that a help text needn't pay

    prefix = f"{source.folder}/" if source.folder else ""
    for marker in ("config.json", "model_index.json"):
        found = try_to_load_from_cache(source.repo, prefix + marker, revision=source.revision)
        if isinstance(found, str):
            return Path(found).parent
    return None
