"""Where a component's tensors lie on disk, and whether they are what its class expects: by headers only, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from renderer.errors import ModelError
from renderer.models.catalog.layouts import read_json
from renderer.models.catalog.regular_file import FETCH_AGAIN, regular
from renderer.models.catalog.safetensors_header import Entry, read_header

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

DTYPES = ("F32", "BF16", "F16")
"""What weights are read in."""
MOST_NAMED = 5  # tensors that a message names before it says how many more there are
QUANTISED = (
    "weight_scale",
    "scale_weight",
    "scaled_fp8",
    "absmax",
    "quant_state",
    "qweight",
    "qzeros",
    "weight_packed",
)
"""How tensors end that quantised checkpoints hold beside the weights."""
OTHER_SUFFIXES = {".bin", ".ckpt", ".pt", ".pth", ".gguf"}
ALL_IN_ONE = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "text_encoders.", "vae.")
"""How tensors begin in files that hold a whole pipeline, as ComfyUI's do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where a tensor lies: a safetensors file and its name in there."""

    path: Path
    name: str


def weight_files(folder: Path, stem: str) -> tuple[Path, ...]:
    """What weights are read from: `<stem>.safetensors`, or the index and the shards it names.

    Raises: ModelError for an index that is none.
    """
    single, index = _single_and_index(folder, stem)
    if single.exists() or single.is_symlink() or not index.exists():
        return (single,)
    return (index, *sorted({folder / shard for shard in _weight_map(index).values()}))


def stored_tensors(folder: Path, stem: str) -> dict[str, Stored]:
    """Every tensor of `<stem>.safetensors`, or of the shards its index names.

    Raises: ModelError when neither is there, a shard is missing, or a file is no safetensors.
    """
    single, index = _single_and_index(folder, stem)
    if single.exists() or single.is_symlink():
        return {name: Stored(path=single, name=name) for name in read_header(single)}
    if not index.exists():
        _refuse_missing(folder, single)
    shards = _weight_map(index)
    for shard in sorted(set(shards.values())):
        if not (folder / shard).exists():
            raise ModelError(f"`{folder / shard}` is missing", why=f"`{index}` names it", help=FETCH_AGAIN)
    found = {name: Stored(path=folder / shard, name=name) for name, shard in shards.items()}
    _check_index(index, found)
    return found


def entries(tensors: Iterable[Stored]) -> dict[Stored, Entry]:
    """What the files' headers say of each tensor."""
    tensors = tuple(tensors)
    headers = {path: read_header(path) for path in {stored.path for stored in tensors}}
    return {stored: headers[stored.path][stored.name] for stored in tensors}


def compare(
    expected: Mapping[str, tuple[int, ...]],
    tensors: Mapping[str, Stored],
    apart: Collection[str] = (),
    *,
    config: Path | None = None,
) -> None:
    """Hold what a class expects against what the headers say; `apart` are tensors that lie in no safetensors file.

    `config` is what the expectation comes from, where it may lie elsewhere than beside the tensors.

    Raises: ModelError naming every missing or surplus tensor, else one of another shape, or of a dtype that isn't read.
    """
    found = entries(tensors.values())
    _check_dtypes({name: (stored, found[stored]) for name, stored in tensors.items()})
    advice = _other_base(tensors, config)
    _check_names(set(expected), set(tensors) | set(apart), tensors, advice)
    for name, stored in tensors.items():
        _check_shape(name, stored, found[stored].shape, tuple(expected[name]), advice)


def list_names(names: Iterable[str]) -> str:
    """The first few names in alphabetical order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MOST_NAMED} more" if len(ordered) > MOST_NAMED else ""
    return ", ".join(f"`{name}`" for name in ordered[:MOST_NAMED]) + more


def _single_and_index(folder: Path, stem: str) -> tuple[Path, Path]:
    return folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"


def _weight_map(index: Path) -> dict[str, str]:
    found: Any = read_json(index).get("weight_map")
    if not isinstance(found, dict) or not found or not all(_is_beside(shard) for shard in found.values()):
        raise ModelError(
            f"`{index}` names no shards", why="its weight_map doesn't map tensors to files", help=FETCH_AGAIN
        )
    return found


def _is_beside(shard: object) -> bool:
    return isinstance(shard, str) and shard not in {"", ".", ".."} and PurePath(shard).name == shard


def _refuse_missing(folder: Path, single: Path) -> None:
    other = next((path.name for path in sorted(folder.glob("*")) if _is_other(path)), None)
    if other is not None:
        raise ModelError(
            f"`{single}` is missing",
            why=f"`{other}` lies there, in a format that isn't read: pickles can run code, GGUF is quantised",
            help="fetch the published safetensors: renderer models fetch NAME",
        )
    try:
        regular(single)
    except ModelError as error:
        raise ModelError(
            error.message,
            why=error.why or f"there is no index of shards either (`{single.name}.index.json`)",
            help="fetch the model again: renderer models fetch NAME",
        ) from error


def _is_other(path: Path) -> bool:
    return path.suffix in OTHER_SUFFIXES and path.name != "silence_latent.pt" and not path.name.startswith("._")


def _check_index(index: Path, tensors: Mapping[str, Stored]) -> None:
    headers = {path: read_header(path) for path in sorted({stored.path for stored in tensors.values()})}
    for stored in tensors.values():
        if stored.name not in headers[stored.path]:
            raise ModelError(
                f"`{stored.path}` lacks `{stored.name}`",
                why=f"`{index}` says that it lies there: the shards aren't all of one checkpoint",
                help=FETCH_AGAIN,
            )


def _check_dtypes(stored_as: Mapping[str, tuple[Stored, Entry]]) -> None:
    wrong = {name: (stored, entry) for name, (stored, entry) in stored_as.items() if entry.dtype not in DTYPES}
    scales = [name for name in stored_as if name.endswith(QUANTISED)]
    if not wrong and not scales:
        return
    first = min(wrong, default=min(scales, default=""))
    dtypes = sorted({entry.dtype for _, entry in wrong.values()})
    where = stored_as[first][0].path
    what = f"tensor `{first}` in `{where}` is {dtypes[0] if dtypes else 'a scale of quantised weights'}"
    quantised = any(dtype.startswith(("F8", "F6", "F4")) for dtype in dtypes)
    raise ModelError(
        # Of more than one, none is named: the parts in one file are told once.
        f"tensors in `{where}` are {', '.join(dtypes)}" if len(wrong) > 1 else what,
        why=f"read are {', '.join(DTYPES)}"
        + ("; fp8 and less are quantised, as ComfyUI has them" if quantised else ""),
        help="fetch the published weights, which are none of the quantised ones: renderer models fetch NAME",
    )


def _other_base(tensors: Mapping[str, Stored], config: Path | None) -> str:
    """What to do where sizes come from another folder than the weights; nothing where they lie side by side."""
    if config is None or all(stored.path.parent == config.parent for stored in tensors.values()):
        return ""
    return f"its sizes are from `{config}`: name what it was made from in `based_on`"


def _check_names(expected: set[str], stored: set[str], tensors: Mapping[str, Stored], advice: str) -> None:
    where = ", ".join(sorted({str(stored.path) for stored in tensors.values()})[:MOST_NAMED])
    if missing := expected - stored:
        raise ModelError(
            f"tensors are missing: {list_names(missing)}",
            why=f"the model's classes expect them in {where}",
            help=advice or "fetch the model again, or check that it is an ACE-Step 1.5 checkpoint",
        )
    if surplus := stored - expected:
        raise ModelError(
            f"tensors have no place in the model: {list_names(surplus)}",
            why=f"they lie in {where}; dropping them could drop part of the model",
            help=advice or "check that it is an ACE-Step 1.5 checkpoint",
        )


def _check_shape(name: str, stored: Stored, actual: tuple[int, ...], expected: tuple[int, ...], advice: str) -> None:
    if actual != expected:
        raise ModelError(
            f"tensor `{name}` has the shape {actual}, expected is {expected}",
            why=f"`{stored.path}` and the config{'' if advice else ' beside it'} don't belong together",
            help=advice or "fetch the model again",
        )
