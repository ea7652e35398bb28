"""Fingerprints of weights: files go in, a digest per part comes out. Hashed once, then remembered. No torch."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from renderer.models import layouts
from renderer.models.family import Part
from renderer.store.disk import RealDisk, write_whole
from renderer.store.takes import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from renderer.models.family import ModelFiles

# What lies in these changes what a part computes: weights, sizes, vocabulary, template, silence.
SUFFIXES = frozenset({".safetensors", ".json", ".jinja", ".txt", ".pt"})
DIT_FOLDERS = (
    "transformer",
    "condition_encoder",
    "audio_tokenizer",
    "audio_token_detokenizer",
    "text_encoder",
    "tokenizer",
)
SHA256_NAME = re.compile(r"[0-9a-f]{64}")


def identity(files: ModelFiles) -> Mapping[Part, str]:
    """A digest for each part of the set: equal digests mean equal weights, configs and vocabularies.

    Only what a part reads enters its digest, so another LM leaves the DiT's alone. Without an LM there's no `lm` entry.
    """
    memory = _read_memory()
    before = dict(memory)
    digests = {part: _digest(paths, memory) for part, paths in _part_files(files).items()}
    if memory != before:
        _write_memory(memory)
    return digests


def vae_identity(folder: Path) -> str:
    """The digest that a VAE's folder gives to the part."""
    memory = _read_memory()
    before = dict(memory)
    digest = _digest([*_below(folder)], memory)
    if memory != before:
        _write_memory(memory)
    return digest


def _part_files(files: ModelFiles) -> dict[Part, list[tuple[str, Path]]]:
    """The files of each part, each with the name under which it enters the digest."""
    dit = [*_dit_paths(files)]
    for position, (folder, scale) in enumerate(files.loras):
        dit += [(f"lora {position} at {scale!r}/{name}", path) for name, path in _below(Path(folder))]
    found = {Part.DIT: dit, Part.VAE: [*_below(Path(files.vae))]}
    if files.lm is not None:
        found[Part.LM] = [*_below(Path(files.lm))]
    return found


def _dit_paths(files: ModelFiles) -> Iterator[tuple[str, Path]]:
    dit = Path(files.dit)
    if files.layout == layouts.DIFFUSERS:
        for folder in DIT_FOLDERS:
            yield from ((f"{folder}/{name}", path) for name, path in _below(dit / folder))
        return
    yield from _below(dit)
    yield from ((f"text_encoder/{name}", path) for name, path in _below(Path(files.text_encoder)))


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.glob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            yield path.name, path


def remembered(path: Path) -> str | None:
    """The SHA-256 that a file had when it was last hashed; None when it was changed on purpose or never hashed.

    A changed modification time means a change on purpose: bit rot leaves it alone.
    """
    known = _read_memory().get(str(path))
    stat = path.stat()
    return str(known[2]) if known is not None and known[:2] == [stat.st_size, stat.st_mtime_ns] else None


def remember(path: Path, digest: str) -> None:
    """Note a file's SHA-256 with its size and modification time."""
    stat = path.stat()
    _write_memory({**_read_memory(), str(path): [stat.st_size, stat.st_mtime_ns, digest]})


def _digest(paths: list[tuple[str, Path]], memory: dict[str, list[int | str]]) -> str:
    digest = hashlib.sha256()
    for name, path in paths:
        digest.update(f"{name}\0{_remembered_digest(path, memory)}\n".encode())
    return digest.hexdigest()


def _remembered_digest(path: Path, memory: dict[str, list[int | str]]) -> str:
    real = path.resolve()
    # The hub's cache names a large file's blob by its SHA-256.
    if real.parent.name == "blobs" and SHA256_NAME.fullmatch(real.name):
        return real.name
    stat = real.stat()
    size, mtime = stat.st_size, stat.st_mtime_ns
    known = memory.get(str(real))
    if known is not None and known[:2] == [size, mtime]:
        return str(known[2])
    digest = file_digest(real)
    memory[str(real)] = [size, mtime, digest]
    return digest


def _memory_path() -> Path:
    return platformdirs.user_cache_path("renderer") / "digests.json"


def _read_memory() -> dict[str, list[int | str]]:
    try:
        found = json.loads(_memory_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # A lost memory only costs hashing again.
    return found if isinstance(found, dict) else {}


def _write_memory(memory: dict[str, list[int | str]]) -> None:
    # Where it can't be kept (a home that is read-only), the files are hashed again next time.
    with suppress(OSError):
        write_whole(RealDisk(), _memory_path(), json.dumps(memory).encode())
